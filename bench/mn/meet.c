/*
 * cond_meet_N: what does a condition variable cost that threads wait for each other by?
 *
 * --threads N threads meet again and again, by a mutex and a condition variable: the last one to arrive wakes
 * the others.  The figure is ns an arrival, over all threads.
 *
 * Verified: each thread was at every meeting.
 */
#include "job.h"

static struct {
    struct mn_mutex mutex;
    struct mn_cond all_here;
    int arrived, stop;
    unsigned long meetings;
    uint64_t from, to;
} shared BENCH_ALIGNED = {.mutex = MN_MUTEX_INIT, .all_here = MN_COND_INIT};

enum { WARM_UP = 64 };

static int threads;
static double seconds;

/* The mutex is held; all are here. */
static void meet(void) {
    shared.arrived = 0;
    if (++shared.meetings % WARM_UP == 0) {
        shared.to = bench_now();
        if (shared.meetings == WARM_UP)
            shared.from = shared.to;
        shared.stop = (double)(shared.to - shared.from) >= seconds * 1e9;
    }
    verify(mn_cond_broadcast(&shared.all_here) >= 0, "mn_cond_broadcast");
}

static void *body(void *arg) {
    unsigned long *mine = arg;
    for (int stop = 0; !stop; ++*mine) {
        must(mn_mutex_lock(&shared.mutex));
        unsigned long next = shared.meetings + 1;
        if (++shared.arrived == threads)
            meet();
        while (shared.meetings < next)
            must(mn_cond_wait(&shared.all_here, &shared.mutex));
        stop = shared.stop;
        must(mn_mutex_unlock(&shared.mutex));
    }
    return arg;
}

static int job(void *arg) {
    (void)arg;
    mn_thread *all = job_memory((size_t)threads, sizeof *all);
    unsigned long *counts = job_memory((size_t)threads, sizeof *counts);
    for (int i = 0; i < threads; i++)
        must(mn_go(&all[i], body, &counts[i]));
    for (int i = 0; i < threads; i++)
        must(mn_join(all[i], NULL));
    for (int i = 0; i < threads; i++)
        verify(counts[i] == shared.meetings, "thread %d was at %lu of %lu meetings", i, counts[i],
               shared.meetings);
    char name[32];
    snprintf(name, sizeof name, "cond_meet_%d", threads);
    job_result(name,
               (double)(shared.to - shared.from) / (double)((shared.meetings - WARM_UP) * (unsigned)threads),
               "ns", "threads=%d", threads);
    return 0;
}

int main(int argc, char **argv) {
    bench_init(argc, argv, "mn_cond_wait");
    seconds = bench_seconds();
    threads = (int)bench_number("--threads", 2);
    bench_options_end();
    return job_run(job);
}
