/*
 * tsd_get: what does it cost to read a thread-specific value?
 *
 * One created thread reads one key (the figure is ns a pthread_getspecific).  Several other keys exist and have
 * values.
 *
 * Verified: the sum of all that was read.
 */
#include "bench.h"

enum { KEYS = 8, MEASURED = 5 };

static pthread_key_t keys[KEYS];
static double seconds, result_ns;

static void *reader(void *arg) {
    for (uintptr_t i = 0; i < KEYS; i++)
        must(pthread_setspecific(keys[i], (void *)(i + 1)));
    pthread_key_t key = keys[MEASURED];
    uintptr_t sum = 0;
    unsigned long reads = 0;
    uint64_t from = 0, now = bench_now(), until = now + 10000000; /* warm-up, then the window */
    for (int window = 0; window < 2; window++, until = from + (uint64_t)(seconds * 1e9)) {
        from = now;
        sum = reads = 0;
        do {
            for (int i = 0; i < 4096; i++)
                sum += (uintptr_t)pthread_getspecific(key);
            reads += 4096;
            now = bench_now();
        } while (now < until);
    }
    verify(sum == reads * (MEASURED + 1), "%lu reads summed up to %lu", reads, (unsigned long)sum);
    result_ns = (double)(now - from) / (double)reads;
    return arg;
}

int main(int argc, char **argv) {
    bench_init(argc, argv, "pthread_getspecific");
    seconds = bench_seconds();
    bench_options_end();
    for (int i = 0; i < KEYS; i++)
        must(pthread_key_create(&keys[i], NULL));
    pthread_t thread;
    must(pthread_create(&thread, NULL, reader, NULL));
    must(pthread_join(thread, NULL));
    bench_result("tsd_get", result_ns, "ns", "");
    return 0;
}
