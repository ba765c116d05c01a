/* workers: 2 */
/* An idle program is idle, also after a crowd of sleepers whose timers one CPU has left to the other. */
#include <mn.h>
#include <time.h>

#include "tap.h"

enum { ROUNDS = 15, MANY = 40, FEW = 80, MS = 1000000, STEP = 5000, STEPS = 30, WATCHED = 200 };

static int64_t base;

/* On CPU 1, for 6 ms: it keeps the time. */
static void *again_and_again(void *arg) {
    for (int i = 0; i < STEPS; i++)
        mn_sleep_until(base + (i * MANY + (int64_t)(uintptr_t)arg) * STEP);
    return NULL;
}

/* On CPU 0, in the middle of that, for 0.3 ms: it leaves the rest to the other, and has none afterwards. */
static void *once(void *arg) {
    mn_sleep_until(base + 3 * MS + (int64_t)(uintptr_t)arg * 4000);
    return NULL;
}

static void nap(int ms) {
    struct timespec t = {0, ms * MS};
    nanosleep(&t, NULL);
}

static long sleeps(void) {
    struct mn_stats_cpu all[2];
    mn_stats(all, 2, sizeof *all);
    return (long)(all[0].sleeps + all[1].sleeps);
}

int main(void) {
    struct mn_attr other = {.flags = MN_CPU | MN_PINNED, .cpu = 1}, first = {.flags = MN_CPU};
    mn_thread t[MANY + FEW];
    long most = 0;
    is(mn_start(NULL), 0, "start");
    for (int i = 0; i < ROUNDS; i++) {
        base = mn_after(10 * MS);
        for (int k = 0; k < MANY; k++)
            mn_go_attr(&t[k], &other, again_and_again, (void *)(uintptr_t)k);
        for (int k = 0; k < FEW; k++)
            mn_go_attr(&t[MANY + k], &first, once, (void *)(uintptr_t)k);
        for (int k = 0; k < MANY + FEW; k++)
            mn_join(t[k], NULL);
        nap(30);
        long before = sleeps();
        nap(WATCHED);
        long n = sleeps() - before;
        if (n > most)
            most = n;
    }
    ok(most < 8, "without threads CPUs sleep (and again %ld times in %d ms)", most, WATCHED);
    is(mn_stop(MN_FOREVER), 0, "stop");
    return done();
}
