/*
 * rwlock_mn_N: what does a read lock cost that others hold for reading too?
 * rwlock_mn_mixed_N: and where some of them write?
 *
 * --threads N threads take one rwlock for reading, look at two counters, and drop it; with --writes K for
 * writing in K of 1,000 cases, drawn at random, to count the counters up.  The figure is ns a lock+unlock over
 * all threads.  share=: the smallest thread's part of the mean, in the worst of the windows of 100 ms.
 *
 * Verified: no reader sees the two counters differ, and they are what the writers counted.
 */
#include "job.h"

static struct {
    struct mn_rwlock lock;
    BENCH_ALIGNED volatile unsigned long a;
    BENCH_ALIGNED volatile unsigned long b;
} shared BENCH_ALIGNED = {.lock = MN_RWLOCK_INIT};

static int stop BENCH_ALIGNED; /* atomic */
static struct job_count *counts;
static unsigned long written; /* atomic: each thread adds to it at its end */
static uint32_t writes;       /* of 1,000 */
static int threads;
static double seconds;

static void *body(void *arg) {
    struct job_count *me = arg;
    uint32_t random = (uint32_t)(me - counts) * 77 + 1;
    unsigned long mine = 0;
    while (!job_stopped(&stop)) {
        random = random * 1664525 + 1013904223;
        if ((random >> 8) % 1000 < writes) {
            must(mn_rwlock_wrlock(&shared.lock));
            shared.a++;
            shared.b++;
            mine++;
        } else {
            must(mn_rwlock_rdlock(&shared.lock));
            verify(shared.a == shared.b, "a reader saw a writer at work: %lu, %lu", shared.a, shared.b);
        }
        must(mn_rwlock_unlock(&shared.lock));
        job_count(me);
    }
    __atomic_add_fetch(&written, mine, __ATOMIC_RELAXED);
    return me;
}

static int job(void *arg) {
    (void)arg;
    counts = job_counts(threads);
    struct job_watch watch = {.counts = counts, .n = threads, .span = 0.1, .seconds = seconds, .stop = &stop};
    job_watch_threads(&watch, body);
    verify(shared.a == written && shared.b == written,
           "the lock did not exclude: %lu and %lu counted, %lu made", shared.a, shared.b, written);
    char name[32];
    snprintf(name, sizeof name, "rwlock_mn%s_%d", writes ? "_mixed" : "", threads);
    job_result(name, watch.ns_per_unit, "ns", "share=%.3f threads=%d writes=%u", watch.share, threads,
               (unsigned)writes);
    return 0;
}

int main(int argc, char **argv) {
    bench_init(argc, argv, "mn_rwlock_rdlock");
    seconds = bench_seconds();
    threads = (int)bench_number("--threads", 2);
    writes = (uint32_t)bench_number("--writes", 0);
    bench_options_end();
    return job_run(job);
}
