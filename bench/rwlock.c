/*
 * rwlock_read_N: what does a read lock cost that others hold for reading too?
 * rwlock_mixed_N: and where some of them write?
 *
 * --threads N threads take and drop one rwlock for reading, with nothing in between; with --writes K for
 * writing in K of 1,000 cases, drawn at random, and then they look at two counters that the writers count up.
 * Without writers no reader ever has to wait, so the price is that of sharing the lock's memory.  The figure is
 * ns a lock+unlock over all threads; share= as in mutex_contended.c.
 *
 * Verified: no reader sees the two counters differ.  Without --writes that is looked at afterwards, while one
 * of the threads writes.
 */
#include "bench.h"

static struct {
    pthread_rwlock_t lock;
    BENCH_ALIGNED volatile unsigned long a;
    BENCH_ALIGNED volatile unsigned long b;
} shared BENCH_ALIGNED = {.lock = PTHREAD_RWLOCK_INITIALIZER};

static unsigned long written; /* under the lock */
static unsigned writes;       /* of 1,000 */

static void write_both(const struct bench_member *me, void (*between)(const struct bench_member *)) {
    must(pthread_rwlock_wrlock(&shared.lock));
    shared.a = ++written;
    if (between)
        between(me);
    shared.b = written;
    must(pthread_rwlock_unlock(&shared.lock));
}

static void read_both(const struct bench_member *me, void (*between)(const struct bench_member *)) {
    must(pthread_rwlock_rdlock(&shared.lock));
    unsigned long a = shared.a;
    if (between)
        between(me);
    verify(a == shared.b, "a reader saw a writer at work: %lu, %lu", a, shared.b);
    must(pthread_rwlock_unlock(&shared.lock));
}

static void reader(struct bench_member *me) {
    while (!bench_stopped(me)) {
        must(pthread_rwlock_rdlock(&shared.lock));
        must(pthread_rwlock_unlock(&shared.lock));
        bench_count(me);
    }
    bench_check_start(me);
    while (bench_checking(me)) {
        if (me->index == 0)
            write_both(me, bench_linger);
        else
            read_both(me, bench_linger);
    }
}

static void mixed(struct bench_member *me) {
    uint32_t random = (uint32_t)me->index * 77 + 1;
    while (!bench_stopped(me)) {
        random = random * 1664525 + 1013904223;
        if ((random >> 8) % 1000 < writes)
            write_both(me, NULL);
        else
            read_both(me, NULL);
        bench_count(me);
    }
    bench_check_start(me);
    while (bench_checking(me)) {
    }
}

int main(int argc, char **argv) {
    bench_init(argc, argv, "pthread_rwlock_rdlock");
    double seconds = bench_seconds();
    int threads = (int)bench_number("--threads", 2);
    writes = (unsigned)bench_number("--writes", 0);
    bench_options_end();

    struct bench_team team;
    bench_team(&team, threads, seconds, writes ? mixed : reader);
    verify(shared.a == written && shared.b == written, "%lu and %lu counted, %lu written", shared.a, shared.b,
           written);

    char name[64], extra[64];
    snprintf(name, sizeof name, writes ? "rwlock_mixed_%d" : "rwlock_read_%d", threads);
    snprintf(extra, sizeof extra, "share=%.3f threads=%d writes=%u", team.share, threads, writes);
    bench_result(name, team.ns_per_unit, "ns", extra);
    return 0;
}
