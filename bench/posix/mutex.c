/*
 * mutex_mn_N with POSIX threads: --threads N of them lock and unlock one mutex, with one addition inside; ns a
 * lock+unlock over all threads.  share=: the smallest thread's part of the mean, in the worst of the windows of
 * 100 ms.
 *
 * Verified: the plain counter in the section against the threads' own totals.
 */
#include "bench.h"

static struct {
    pthread_mutex_t mutex;
    unsigned long pairs;
} shared BENCH_ALIGNED = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static int stop BENCH_ALIGNED; /* atomic */
static struct count { BENCH_ALIGNED unsigned long n; } * counts;

static void *body(void *arg) {
    struct count *me = arg;
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        must(pthread_mutex_lock(&shared.mutex));
        shared.pairs++;
        must(pthread_mutex_unlock(&shared.mutex));
        __atomic_store_n(&me->n, me->n + 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

int main(int argc, char **argv) {
    bench_init(argc, argv, "pthread_mutex_lock");
    double seconds = bench_seconds(), worst = 1;
    int threads = (int)bench_number("--threads", 2);
    bench_options_end();
    size_t n = (size_t)threads;
    pthread_t *all = calloc(n, sizeof *all);
    unsigned long *before = calloc(n, sizeof *before), units = 0, sum = 0;
    counts = aligned_alloc(BENCH_LINE, n * sizeof *counts);
    verify(threads >= 1 && all && before && counts, "out of memory");
    for (size_t i = 0; i < n; i++)
        counts[i].n = 0;
    for (size_t i = 0; i < n; i++)
        must(pthread_create(&all[i], NULL, body, &counts[i]));
    bench_sleep_until(bench_now() + 20000000);
    for (size_t i = 0; i < n; i++)
        before[i] = __atomic_load_n(&counts[i].n, __ATOMIC_RELAXED);
    uint64_t from = bench_now(), now = from;
    int windows = (int)(seconds / 0.1 + 0.5);
    for (int w = 0; w < (windows < 1 ? 1 : windows); w++) {
        bench_sleep_until(now + 100000000);
        unsigned long least = ~0ul, part = 0;
        for (size_t i = 0; i < n; i++) {
            unsigned long after = __atomic_load_n(&counts[i].n, __ATOMIC_RELAXED), mine = after - before[i];
            before[i] = after;
            part += mine;
            least = mine < least ? mine : least;
        }
        now = bench_now();
        double share = part ? (double)least * threads / (double)part : 0;
        worst = share < worst ? share : worst;
        units += part;
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (size_t i = 0; i < n; i++) {
        must(pthread_join(all[i], NULL));
        sum += counts[i].n;
    }
    verify(units > 0 && shared.pairs == sum, "the mutex did not exclude: %lu additions counted, %lu made",
           shared.pairs, sum);
    char name[32], extra[64];
    snprintf(name, sizeof name, "mutex_mn_%d", threads);
    snprintf(extra, sizeof extra, "share=%.3f threads=%d", worst, threads);
    bench_result(name, (double)(now - from) / (double)units, "ns", extra);
    return 0;
}
