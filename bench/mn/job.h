/*
 * What the programs for libmn share.  Each is a program of bench.h whose job runs as the first green thread;
 * how many workers there are, the environment says (MN_WORKERS).
 *
 * Some jobs are timed by an observer: an LWP of its own that sleeps, and looks at memory only.  It never calls
 * libmn: a program with one worker would otherwise be measured with a second LWP in the runtime.
 */
#ifndef BENCH_MN_JOB_H
#define BENCH_MN_JOB_H

#include <mn.h>

#include "bench.h"

/* Starts the runtime, runs job(NULL) in it; the program's exit status. */
int job_run(int (*job)(void *));
int job_run_with(int (*job)(void *), struct mn_config config);

/* A program that takes no other option than how long it is to measure. */
int job_main(int argc, char **argv, const char *function, double *seconds, int (*job)(void *));

/* As bench_result; adds how many workers there are.  extra may be NULL. */
void job_result(const char *name, double figure, const char *unit, const char *extra, ...)
    __attribute__((format(printf, 4, 5)));

/* CPU seconds of the process so far. */
double job_cpu_seconds(void);

/* A count alone on a pair of cache lines; written by its owner only. */
struct job_count {
    BENCH_ALIGNED unsigned long n; /* atomic where an observer reads it */
};

struct job_count *job_counts(int n);

static inline void job_count(struct job_count *c) {
    __atomic_store_n(&c->n, __atomic_load_n(&c->n, __ATOMIC_RELAXED) + 1, __ATOMIC_RELAXED);
}

/* The sum; and the smallest / the mean. */
unsigned long job_sum(const struct job_count *counts, int n);
double job_share(const struct job_count *counts, int n);

/* How often a cpu has been handed to another LWP since the runtime started. */
unsigned long job_handoffs(void);

/*
 * Watches n counts that run: some warm-up, then windows of `span` seconds, as many as make up `seconds` (at
 * least one); then raises *stop.  Starts at once, on a kernel thread; job_watched() waits for its end, in a
 * green thread too.
 */
struct job_watch {
    struct job_count *counts;
    int n;
    double span, seconds;
    int *stop; /* atomic */

    double ns_per_unit; /* over all windows */
    double share;       /* in the worst window */
    pthread_t thread;
    unsigned long *before, *after;
};

void job_watch(struct job_watch *watch);
void job_watched(struct job_watch *watch);

/* Runs a thread for each count, body(&counts[i]), watched until the window is over. */
void job_watch_threads(struct job_watch *watch, void *(*body)(void *count));

static inline int job_stopped(const int *stop) {
    return __atomic_load_n(stop, __ATOMIC_RELAXED);
}

/* A permutation of 0 .. n - 1, always the same one. */
uint32_t *job_shuffled(uint32_t n);

/* calloc that does not fail, page by page faulted in. */
void *job_memory(size_t n, size_t size);

#endif
