/*
 * blocked: how much does a thread that is ready lose when others block in the kernel?
 *
 * --threads N threads call the libc's nanosleep for --block seconds, all at once, on one worker; another thread
 * does nothing but yield and look at the clock.  The figure is what that one lost, in milliseconds: the sum of
 * all gaps of more than 0.1 ms between two looks, less 0.1 ms each.
 *
 * Verified: that all have slept as long as they should, at the same time.
 */
#include <errno.h>
#include <time.h>

#include "job.h"

enum { MOST = 4096, GAP_NS = 100000 };

static int threads, over;
static double block;

static void *sleeper(void *arg) {
    (void)arg;
    struct timespec t = {(time_t)block, (long)((block - (double)(time_t)block) * 1e9)};
    uint64_t from = bench_now();
    must(nanosleep(&t, NULL));
    verify((double)(bench_now() - from) >= block * 1e9, "it slept too short");
    __atomic_add_fetch(&over, 1, __ATOMIC_RELAXED);
    return NULL;
}

static int job(void *arg) {
    (void)arg;
    static mn_thread all[MOST];
    for (int i = 0; i < threads; i++)
        must(mn_go(&all[i], sleeper, NULL));
    int64_t from = mn_now(), last = from, lost = 0, worst = 0;
    while (__atomic_load_n(&over, __ATOMIC_RELAXED) < threads) {
        must(mn_yield());
        int64_t now = mn_now(), gap = now - last;
        if (gap > GAP_NS)
            lost += gap - GAP_NS;
        worst = gap > worst ? gap : worst;
        last = now;
    }
    double took = (double)(mn_now() - from) / 1e9;
    for (int i = 0; i < threads; i++)
        must(mn_join(all[i], NULL));
    verify(took < 2 * block, "they did not sleep at once: %.1f s", took);
    job_result("blocked", (double)lost / 1e6, "ms", "worst=%.2f threads=%d", (double)worst / 1e6, threads);
    return 0;
}

int main(int argc, char **argv) {
    bench_init(argc, argv, "mn_yield");
    threads = (int)bench_number("--threads", 10);
    block = bench_number("--block", 3);
    bench_options_end();
    verify(threads >= 1 && threads <= MOST, "--threads: 1 to %d", MOST);
    return job_run(job);
}
