/*
 * create_join_leak: does a thread leave anything behind?
 *
 * Creates and joins --threads threads (1,000,000) one after the other, each of which allocates and frees memory
 * of several sizes.  The figure is the resident size after the last minus that after the first --base (10,000),
 * in KiB: by then every cache has filled.
 *
 * The resident size is the sum over the page tables (smaps_rollup): statm's counter lags behind by up to a
 * batch of pages per CPU.
 *
 * Verified: every thread ran, and found its memory as it had written it.
 */
#include "bench.h"

#include <string.h>

static unsigned long ran;

static void *body(void *arg) {
    static const size_t sizes[] = {24, 200, 1000, 5000, 40000};
    enum { N = sizeof sizes / sizeof *sizes };
    unsigned char *blocks[N];
    for (int i = 0; i < N; i++) {
        blocks[i] = malloc(sizes[i]);
        if (!blocks[i])
            bench_fail("malloc failed");
        memset(blocks[i], i + 1, sizes[i]);
    }
    for (int i = 0; i < N; i++) {
        verify(blocks[i][0] == i + 1 && blocks[i][sizes[i] - 1] == i + 1, "a block was overwritten");
        free(blocks[i]);
    }
    ran++; /* threads follow each other: join orders this */
    return arg;
}

static double resident_kib(void) {
    FILE *f = fopen("/proc/self/smaps_rollup", "re");
    if (!f)
        bench_fail("/proc/self/smaps_rollup cannot be read");
    char line[256];
    long kib = -1;
    while (kib < 0 && fgets(line, sizeof line, f))
        if (sscanf(line, "Rss: %ld", &kib) != 1)
            kib = -1;
    fclose(f);
    if (kib < 0)
        bench_fail("/proc/self/smaps_rollup has no Rss");
    return (double)kib;
}

int main(int argc, char **argv) {
    bench_init(argc, argv, "pthread_create");
    unsigned long threads = (unsigned long)bench_number("--threads", 1000000);
    unsigned long base = (unsigned long)bench_number("--base", 10000);
    bench_options_end();
    verify(base < threads, "--base has to be less than --threads");
    resident_kib(); /* once before it counts: stdio's own buffers */

    double before = 0;
    uint64_t from = bench_now();
    for (unsigned long i = 0; i < threads; i++) {
        pthread_t t;
        void *result;
        must(pthread_create(&t, NULL, body, &ran));
        must(pthread_join(t, &result));
        verify(result == &ran, "join returned another result");
        if (i + 1 == base)
            before = resident_kib();
    }
    double ns = (double)(bench_now() - from) / (double)threads;
    double after = resident_kib();

    verify(ran == threads, "%lu threads created, %lu ran", threads, ran);
    char extra[128];
    snprintf(extra, sizeof extra, "threads=%lu base=%lu resident=%.0f ns_a_thread=%.1f", threads, base, after,
             ns);
    bench_result("create_join_leak", after - before, "KiB", extra);
    return 0;
}
