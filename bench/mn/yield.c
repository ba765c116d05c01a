/*
 * yield_N: what does it cost to let the next thread run?
 *
 * --threads N threads yield in turn until an observer stops them.  The figure is ns a yield: length of the
 * window / yields of all threads.  share=: the smallest thread's part of the mean.
 *
 * Verified: with one worker, that two threads never stand more than two turns apart.
 */
#include "job.h"

static int threads, go, stop;
static double seconds;
static struct job_count *counts;

static void *body(void *arg) {
    struct job_count *me = arg;
    while (!__atomic_load_n(&go, __ATOMIC_ACQUIRE)) /* pairs with the release in job() */
        must(mn_yield());
    while (!job_stopped(&stop)) {
        must(mn_yield());
        job_count(me);
    }
    return me;
}

static int job(void *arg) {
    (void)arg;
    counts = job_counts(threads);
    mn_thread *all = job_memory((size_t)threads, sizeof *all);
    for (int i = 0; i < threads; i++)
        must(mn_go(&all[i], body, &counts[i]));
    struct job_watch watch = {
        .counts = counts, .n = threads, .span = seconds, .seconds = seconds, .stop = &stop};
    job_watch(&watch);
    __atomic_store_n(&go, 1, __ATOMIC_RELEASE);
    unsigned long least = ~0ul, most = 0;
    for (int i = 0; i < threads; i++) {
        void *result;
        must(mn_join(all[i], &result));
        verify(result == &counts[i], "join returned another thread's result");
        least = counts[i].n < least ? counts[i].n : least;
        most = counts[i].n > most ? counts[i].n : most;
    }
    job_watched(&watch);
    /* A thread whose LWP was preempted for long, outside the runtime, may have lost the cpu to the others. */
    verify(mn_workers() > 1 || job_handoffs() > 0 || most - least <= 2,
           "turns were left out: %lu to %lu yields a thread", least, most);
    char name[32];
    snprintf(name, sizeof name, "yield_%d", threads);
    job_result(name, watch.ns_per_unit, "ns", "share=%.3f", watch.share);
    return 0;
}

int main(int argc, char **argv) {
    bench_init(argc, argv, "mn_yield");
    seconds = bench_seconds();
    threads = (int)bench_number("--threads", 2);
    bench_options_end();
    return job_run(job);
}
