/*
 * fair_idle, fair_busy_1, fair_busy_4: how late does a thread run that sleeps, beside threads that compute for
 * ever?
 *
 * One worker.  --hogs N threads run endless loops without a call of the library; one thread sleeps until points
 * 1 ms apart,
 * --work US microseconds of CPU time each time.  The figure is the 99th percentile of its lateness, in
 * microseconds, after the hand-offs: the first 200 ms do not count.
 *
 * Verified: that the loops go on meanwhile, each of them, and that no point was left out.
 */
#include <string.h>
#include <time.h>

#include "job.h"

enum { MOST = 8, STEP_NS = 1000000, FIRST_NS = 200000000 };

static int hogs, stop;
static double seconds, work_us;
static struct job_count *counts;

static void *hog(void *arg) {
    struct job_count *me = arg;
    while (!job_stopped(&stop))
        job_count(me);
    return me;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* CPU time, not time: who shares a CPU takes longer for it. */
static void work(double us) {
    struct timespec t;
    must(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t));
    double end = (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3 + us;
    do {
        bench_work(500);
        must(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t));
    } while ((double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3 < end);
}

static int job(void *arg) {
    (void)arg;
    mn_thread all[MOST];
    counts = job_counts(MOST);
    int n = (int)(seconds * 1e9 / STEP_NS);
    double *late = job_memory((size_t)n, sizeof *late);
    for (int i = 0; i < hogs; i++)
        must(mn_go(&all[i], hog, &counts[i]));
    int64_t begin = mn_now(), next = begin + FIRST_NS;
    while (mn_now() < next) {
        mn_sleep_until(mn_now() + STEP_NS);
        if (work_us > 0)
            work(work_us);
    }
    unsigned long before[MOST];
    for (int i = 0; i < hogs; i++)
        before[i] = __atomic_load_n(&counts[i].n, __ATOMIC_RELAXED);
    for (int i = 0; i < n; i++) {
        /* A point that has passed already counts with all of its lateness, unless the work itself did not
         * fit. */
        next = next + STEP_NS > mn_now() || work_us <= 0 ? next + STEP_NS : mn_now() + STEP_NS;
        mn_sleep_until(next);
        late[i] = (double)(mn_now() - next) / 1e3;
        verify(late[i] >= 0, "it woke before its time");
        if (work_us > 0)
            work(work_us);
    }
    for (int i = 0; i < hogs; i++)
        verify(__atomic_load_n(&counts[i].n, __ATOMIC_RELAXED) != before[i], "loop %d did not go on", i);
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < hogs; i++)
        must(mn_join(all[i], NULL));
    qsort(late, (size_t)n, sizeof *late, by_size);
    char name[32];
    snprintf(name, sizeof name, work_us > 0 ? "fair_busy_%d" : "fair_idle", hogs);
    job_result(name, late[n - 1 - n / 100], "us", "median=%.1f max=%.1f", late[n / 2], late[n - 1]);
    return 0;
}

int main(int argc, char **argv) {
    bench_init(argc, argv, "mn_sleep_until");
    seconds = bench_seconds();
    hogs = (int)bench_number("--hogs", 1);
    work_us = bench_number("--work", 0);
    bench_options_end();
    verify(hogs >= 0 && hogs <= MOST, "--hogs: 0 to %d", MOST);
    return job_run(job);
}
