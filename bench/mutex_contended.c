/*
 * mutex_contended_N, mutex_contended_mid_N: what does a lock cost that all want, and is everyone served?
 * mutex_shared_N, mutex_robust_N, mutex_inherit_N: and one of such a kind?
 *
 * --threads N threads lock and unlock one plain mutex for a fixed time; --shared, --robust and --inherit make
 * it process-shared, robust or priority-inheriting (all threads are of one process all the same).  --inside and
 * --outside: ns of work between lock and unlock, and after unlock.  mutex_contended_N has neither: the lock and
 * nothing else. mutex_contended_mid_N has 250 inside and 60 outside: a short real section, where a waiter may
 * spin through it or go to sleep.
 *
 * The figure is ns a lock+unlock over all threads (length of the window / pairs of all threads; the work is
 * part of it, so with mid no model can come below 250).  share= is the smallest thread's number of pairs / the
 * mean: 1 is fair, 0 is a thread that never got the lock.
 *
 * Verified: with work inside, a plain counter in the section against the threads' own totals.  The empty
 * section stays empty while it is timed; the same threads then take the same mutex 2,000 times each around such
 * a counter.
 */
#include "bench.h"

/* As a program would lay it out: the data beside its lock. */
static struct {
    pthread_mutex_t mutex;
    unsigned long pairs;
} shared BENCH_ALIGNED;

static struct { unsigned long inside, outside; } work BENCH_ALIGNED;

static unsigned long checked BENCH_ALIGNED; /* atomic: pairs of all threads in the last part */

static void checked_pairs(struct bench_member *me) {
    unsigned long pairs = 0;
    bench_check_start(me);
    for (; bench_checking(me); pairs++) {
        must(pthread_mutex_lock(&shared.mutex));
        unsigned long seen = *(volatile unsigned long *)&shared.pairs;
        bench_linger(me);
        *(volatile unsigned long *)&shared.pairs = seen + 1;
        must(pthread_mutex_unlock(&shared.mutex));
    }
    __atomic_add_fetch(&checked, pairs, __ATOMIC_RELAXED);
}

static void empty_section(struct bench_member *me) {
    while (!bench_stopped(me)) {
        must(pthread_mutex_lock(&shared.mutex));
        must(pthread_mutex_unlock(&shared.mutex));
        bench_count(me);
    }
    checked_pairs(me);
}

static void working_section(struct bench_member *me) {
    unsigned long inside = work.inside, outside = work.outside;
    while (!bench_stopped(me)) {
        must(pthread_mutex_lock(&shared.mutex));
        shared.pairs++;
        bench_work(inside);
        must(pthread_mutex_unlock(&shared.mutex));
        bench_work(outside);
        bench_count(me);
    }
    checked_pairs(me);
}

/* Makes the mutex what the options say; the name of its kind. */
static const char *make_mutex(void) {
    const char *kind = "contended";
    pthread_mutexattr_t attr;
    must(pthread_mutexattr_init(&attr));
    if (bench_flag("--shared")) {
        kind = "shared";
        must(pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED));
    }
    if (bench_flag("--robust")) {
        kind = "robust";
        must(pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST));
    }
    if (bench_flag("--inherit")) {
        kind = "inherit";
        must(pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT));
    }
    must(pthread_mutex_init(&shared.mutex, &attr));
    must(pthread_mutexattr_destroy(&attr));
    return kind;
}

int main(int argc, char **argv) {
    bench_init(argc, argv, "pthread_mutex_lock");
    const char *kind = make_mutex();
    double seconds = bench_seconds();
    int threads = (int)bench_number("--threads", 2);
    double inside = bench_number("--inside", 0), outside = bench_number("--outside", 0);
    work.inside = bench_steps(inside);
    work.outside = bench_steps(outside);
    bench_number("--steps-per-us", 0); /* given for all jobs alike */
    bench_options_end();
    int empty = inside == 0 && outside == 0;

    struct bench_team team;
    bench_team(&team, threads, seconds, empty ? empty_section : working_section);
    unsigned long expected = checked + (empty ? 0 : team.units_ever);
    verify(shared.pairs == expected, "the mutex did not exclude: %lu increments counted, %lu made",
           shared.pairs, expected);

    char name[64], extra[128];
    snprintf(name, sizeof name, "mutex_%s_%s%d", kind, empty ? "" : "mid_", threads);
    snprintf(extra, sizeof extra, "share=%.3f threads=%d inside=%lu outside=%lu", team.share, threads,
             work.inside, work.outside);
    bench_result(name, team.ns_per_unit, "ns", extra);
    return 0;
}
