/*
 * rwlock_read_N: what does a read lock cost that others hold for reading too?
 *
 * --threads N threads take and drop one rwlock for reading, with nothing in between; there is no writer.  No
 * reader ever has to wait, so the price is that of sharing the lock's memory.  The figure is ns a rdlock+unlock
 * over all threads; share= as in mutex_contended.c.
 *
 * Verified: afterwards the same threads read two counters under the lock while one of them also writes both,
 * and a reader that sees them differ saw a writer at work.
 */
#include "bench.h"

static struct {
    pthread_rwlock_t lock;
    BENCH_ALIGNED volatile unsigned long a;
    BENCH_ALIGNED volatile unsigned long b;
} shared BENCH_ALIGNED = {.lock = PTHREAD_RWLOCK_INITIALIZER};

static unsigned long written; /* by the one writer */

static void reader(struct bench_member *me) {
    while (!bench_stopped(me)) {
        must(pthread_rwlock_rdlock(&shared.lock));
        must(pthread_rwlock_unlock(&shared.lock));
        bench_count(me);
    }
    bench_check_start(me);
    while (bench_checking(me)) {
        if (me->index == 0) {
            must(pthread_rwlock_wrlock(&shared.lock));
            shared.a = ++written;
            bench_linger(me);
            shared.b = written;
        } else {
            must(pthread_rwlock_rdlock(&shared.lock));
            unsigned long a = shared.a;
            bench_linger(me);
            verify(a == shared.b, "a reader saw a writer at work: %lu, %lu", a, shared.b);
        }
        must(pthread_rwlock_unlock(&shared.lock));
    }
}

int main(int argc, char **argv) {
    bench_init(argc, argv, "pthread_rwlock_rdlock");
    double seconds = bench_seconds();
    int threads = (int)bench_number("--threads", 2);
    bench_options_end();

    struct bench_team team;
    bench_team(&team, threads, seconds, reader);
    verify(shared.a == written && shared.b == written, "%lu and %lu counted, %lu written", shared.a, shared.b,
           written);

    char name[64], extra[64];
    snprintf(name, sizeof name, "rwlock_read_%d", threads);
    snprintf(extra, sizeof extra, "share=%.3f threads=%d", team.share, threads);
    bench_result(name, team.ns_per_unit, "ns", extra);
    return 0;
}
