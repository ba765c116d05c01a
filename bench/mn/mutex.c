/*
 * mutex_mn_N: what does a lock cost that all want, and is everyone served?
 *
 * --threads N threads lock and unlock one mutex, with one addition inside.  The figure is ns a lock+unlock over
 * all threads.  share=: the smallest thread's part of the mean, in the worst of the windows of 100 ms.
 *
 * Verified: the plain counter in the section against the threads' own totals.
 */
#include "job.h"

static struct {
    struct mn_mutex mutex;
    unsigned long pairs;
} shared BENCH_ALIGNED = {.mutex = MN_MUTEX_INIT};

static int stop BENCH_ALIGNED; /* atomic */
static struct job_count *counts;
static int threads;
static double seconds;

static void *body(void *arg) {
    struct job_count *me = arg;
    while (!job_stopped(&stop)) {
        must(mn_mutex_lock(&shared.mutex));
        shared.pairs++;
        must(mn_mutex_unlock(&shared.mutex));
        job_count(me);
    }
    return me;
}

static int job(void *arg) {
    (void)arg;
    counts = job_counts(threads);
    struct job_watch watch = {.counts = counts, .n = threads, .span = 0.1, .seconds = seconds, .stop = &stop};
    job_watch_threads(&watch, body);
    unsigned long sum = job_sum(counts, threads);
    verify(shared.pairs == sum, "the mutex did not exclude: %lu additions counted, %lu made", shared.pairs,
           sum);
    char name[32];
    snprintf(name, sizeof name, "mutex_mn_%d", threads);
    job_result(name, watch.ns_per_unit, "ns", "share=%.3f threads=%d", watch.share, threads);
    return 0;
}

int main(int argc, char **argv) {
    bench_init(argc, argv, "mn_mutex_lock");
    seconds = bench_seconds();
    threads = (int)bench_number("--threads", 2);
    bench_options_end();
    return job_run(job);
}
