/* workers: 1 2 8 */
/* A small max_threads is used up to the last thread, by any cpu and foreign LWPs, wherever the descriptors
 * lay free. */
#include <mn.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "tap.h"

enum { MOST = 200 };

static struct {
    mn_thread thread[MOST];
    int n, error;
} list;
static uint64_t limit;

static void *parks(void *arg) {
    mn_park("test");
    return arg;
}

static void *returns(void *arg) {
    return arg;
}

/* Until it is refused. */
static void start_all(void) {
    list.n = 0;
    while (list.n < MOST && (list.error = mn_go(&list.thread[list.n], parks, NULL)) == 0)
        list.n++;
}

static void end_all(void) {
    for (int i = 0; i < list.n; i++)
        mn_unpark(list.thread[i]);
    for (int i = 0; i < list.n; i++)
        mn_join(list.thread[i], NULL);
}

static void *starts(void *arg) {
    start_all();
    return arg;
}

static void *starts_and_ends(void *arg) {
    start_all();
    end_all();
    return arg;
}

/* Not by pthread_join: threads may be on their way to the first's own worker. */
static void *foreign(void *arg) {
    starts_and_ends(arg);
    mn_unpark(*(mn_thread *)arg);
    return arg;
}

static void *ends(void *arg) {
    end_all();
    return arg;
}

static void check(const char *where, long others) {
    ok(list.error == -EAGAIN && list.n == (long)limit - others, "%s: %d threads of %lu, then error %d", where,
       list.n, (unsigned long)limit, list.error);
}

static void on(unsigned cpu, void *(*fn)(void *)) {
    mn_thread t;
    struct mn_attr attr = {.flags = MN_PINNED | MN_CPU, .cpu = cpu};
    int r = mn_go_attr(&t, &attr, fn, NULL);
    if (r < 0)
        ok(0, "a thread for cpu %u: %d", cpu, r);
    else
        mn_join(t, NULL);
}

static int test(void *arg) {
    (void)arg;
    /* Two that live beside: this one and the one that starts. */
    for (unsigned cpu = 0; cpu < mn_workers(); cpu++) {
        on(cpu, starts_and_ends);
        check("started and ended on one cpu", 2);
    }
    for (unsigned cpu = 0; cpu < mn_workers(); cpu++) {
        on(cpu, starts);
        check("started on one cpu", 2);
        end_all(); /* here */
        start_all();
        check("started by the first", 1);
        mn_unpark(list.thread[--list.n]);
        mn_join(list.thread[list.n], NULL);
        on(mn_workers() - 1 - cpu, ends);
    }
    pthread_t lwp;
    mn_thread self = mn_self();
    pthread_create(&lwp, NULL, foreign, &self);
    mn_park("the LWP");
    pthread_join(lwp, NULL);
    check("started by a foreign LWP", 1);
    /* A few at a time, at the limit. */
    int refused = 0;
    for (int i = 0; i < 1000; i++) {
        mn_thread t;
        struct mn_attr attr = {.flags = MN_PINNED | MN_CPU, .cpu = (unsigned)i % mn_workers()};
        refused += mn_go_attr(&t, &attr, returns, NULL) < 0 || mn_join(t, NULL) < 0;
    }
    is(refused, 0, "one after another on all cpus");
    return 0;
}

int main(void) {
    static const uint64_t limits[] = {3, 10, 150};
    for (unsigned i = 0; i < sizeof limits / sizeof *limits; i++) {
        limit = limits[i];
        is(mn_run(test, NULL, &(struct mn_config){.max_threads = limit}), 0, "mn_run");
    }
    return done();
}
