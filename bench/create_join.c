/*
 * create_join, create_join_batch: what does a thread cost that does nothing?
 *
 * --batch 1 (create_join): create one thread, join it, again and again: the latency of a thread's whole life as
 * its creator sees it.  --batch 64 (create_join_batch): create 64, then join 64: creation while others run and
 * end. The figure is ns a thread.
 *
 * Verified: every thread ran once (an atomic total) and every join returned what its own thread returned.
 */
#include "bench.h"

static unsigned long ran;

static void *body(void *arg) {
    __atomic_add_fetch(&ran, 1, __ATOMIC_RELAXED);
    return arg;
}

static void batch_of(pthread_t *threads, long n, char *tags) {
    for (long i = 0; i < n; i++)
        must(pthread_create(&threads[i], NULL, body, &tags[i]));
    for (long i = 0; i < n; i++) {
        void *result;
        must(pthread_join(threads[i], &result));
        verify(result == &tags[i], "join of thread %ld of a batch returned another result", i);
    }
}

int main(int argc, char **argv) {
    bench_init(argc, argv, "pthread_create");
    double seconds = bench_seconds();
    long batch = (long)bench_number("--batch", 1);
    bench_options_end();
    pthread_t *threads = calloc((size_t)batch + 1, sizeof *threads);
    char *tags = calloc((size_t)batch + 1, 1);
    if (!threads || !tags)
        bench_fail("out of memory");

    /* The first threads pay for start-up, stacks and first faults. */
    unsigned long created = 0;
    for (uint64_t end = bench_now() + 20000000; bench_now() < end; created += (unsigned long)batch)
        batch_of(threads, batch, tags);

    unsigned long warm = created;
    uint64_t from = bench_now(), now, until = from + (uint64_t)(seconds * 1e9);
    do {
        for (long i = 0; i < 64; i += batch, created += (unsigned long)batch)
            batch_of(threads, batch, tags);
        now = bench_now();
    } while (now < until);

    verify(ran == created, "%lu threads created, %lu ran", created, ran);
    char extra[64];
    snprintf(extra, sizeof extra, "threads=%lu", created - warm);
    bench_result(batch == 1 ? "create_join" : "create_join_batch",
                 (double)(now - from) / (double)(created - warm), "ns", extra);
    return 0;
}
