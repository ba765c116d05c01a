/*
 * forkjoin_fib: what does it cost to hand out a piece of work and wait for it?
 *
 * fib(22) by recursion, fib(n - 1) in a thread of its own: 28,656 threads a turn.  The figure is ns a thread.
 *   forkjoin_fib          child first: the thread that computes fib(n - 1) runs at once
 *   forkjoin_fib_parent   parent first
 *
 * Verified: the sum.
 */
#include "job.h"

enum { N = 22, VALUE = 17711, TASKS = 28656 };

static const struct mn_attr child_first = {.flags = MN_CHILD_FIRST};
static double seconds;

static void *fib_child(void *arg) {
    long n = (long)arg;
    if (n < 2)
        return (void *)n;
    mn_thread t;
    must(mn_go_attr(&t, &child_first, fib_child, (void *)(n - 1)));
    long b = (long)fib_child((void *)(n - 2));
    void *a;
    must(mn_join(t, &a));
    return (void *)((long)a + b);
}

static void *fib_parent(void *arg) {
    long n = (long)arg;
    if (n < 2)
        return (void *)n;
    mn_thread t;
    must(mn_go(&t, fib_parent, (void *)(n - 1)));
    long b = (long)fib_parent((void *)(n - 2));
    void *a;
    must(mn_join(t, &a));
    return (void *)((long)a + b);
}

static double measure(void *(*fib)(void *)) {
    uint64_t from = 0, now;
    unsigned long turns = 0;
    for (int warm = 1;; warm = 0) {
        verify(fib((void *)(long)N) == (void *)(long)VALUE, "wrong sum");
        now = bench_now();
        if (warm) {
            from = now;
            continue;
        }
        turns++;
        if (now - from >= (uint64_t)(seconds * 1e9))
            return (double)(now - from) / (double)(turns * TASKS);
    }
}

static int job(void *arg) {
    (void)arg;
    double parent = measure(fib_parent);
    job_result("forkjoin_fib", measure(fib_child), "ns", NULL);
    job_result("forkjoin_fib_parent", parent, "ns", NULL);
    return 0;
}

int main(int argc, char **argv) {
    return job_main(argc, argv, "mn_go", &seconds, job);
}
