/* Two threads that wake each other stay together, but let those that are ready run between, long before a slice
 * has passed. */
#include <mn.h>
#include <mn/chan.h>

#include "tap.h"

enum { TURNS = 200, MOST = 100 };

static struct mn_chan *there, *back;
static uint64_t rounds;

static void *answer(void *arg) {
    (void)arg;
    for (int n; mn_chan_recv(there, &n) == 0;)
        mn_chan_send(back, &n);
    return NULL;
}

static void *ask(void *arg) {
    (void)arg;
    for (int n = 0, got; mn_chan_send(there, &n) == 0 && mn_chan_recv(back, &got) == 0; n++)
        rounds++;
    return NULL;
}

static int test(void *arg) {
    mn_thread threads[2];
    (void)arg;
    mn_chan_create(&there, sizeof(int), 0);
    mn_chan_create(&back, sizeof(int), 0);
    ok(mn_go(&threads[0], answer, NULL) == 0 && mn_go(&threads[1], ask, NULL) == 0, "two threads are started");
    uint64_t last = 0, most = 0;
    for (int i = 0; i < TURNS || rounds == 0; i++) {
        mn_yield();
        if (rounds - last > most)
            most = rounds - last;
        last = rounds;
    }
    ok(most > 1, "they stay together for %lu rounds", (unsigned long)most);
    ok(most < MOST, "then a third that is ready runs");
    mn_chan_close(there);
    mn_chan_close(back);
    ok(mn_join(threads[0], NULL) == 0 && mn_join(threads[1], NULL) == 0, "they end");
    ok(mn_chan_destroy(there) == 0 && mn_chan_destroy(back) == 0, "and their channels");
    return 0;
}

int main(void) {
    /* A slice so long that none of them gets an LWP of its own, where the kernel stops one. */
    ok(mn_run(test, NULL, &(struct mn_config){.workers = 1, .slice_us = 60 * 1000 * 1000}) == 0, "one worker");
    return done();
}
