/*
 * spawn_batch_1m: what does a thread cost when a million are started, and then waited for?
 *
 * Starts --count threads, then joins them all: ns a thread, from the first start to the last join.  All are
 * alive at once: none ends before the last has been started (a thread that runs earlier, on another worker,
 * waits at a gate). spawn_batch_1m_first   the first time, when every thread's memory is new spawn_batch_1m the
 * second time, from recycled memory spawn_batch_1m_free    the third time, without the gate: threads end as
 * soon as they can
 *
 * Verified: how many had ended when the last was started, how many ran, what each join returned.
 */
#include "job.h"

static long count;
static int gated;
static struct mn_waitgroup gate;
static struct job_count *ended; /* of each worker */

static void *body(void *arg) {
    if (gated)
        must(mn_waitgroup_wait(&gate));
    __atomic_add_fetch(&ended[mn_cpu()].n, 1, __ATOMIC_RELAXED);
    return arg;
}

static double batch(mn_thread *all, int with_gate) {
    unsigned long already = job_sum(ended, (int)mn_workers());
    gated = with_gate;
    gate = (struct mn_waitgroup)MN_WAITGROUP_INIT;
    must(mn_waitgroup_add(&gate, 1));
    uint64_t from = bench_now();
    for (long i = 0; i < count; i++)
        must(mn_go(&all[i], body, &all[i]));
    verify(!gated || job_sum(ended, (int)mn_workers()) == already, "some ended early");
    must(mn_waitgroup_done(&gate));
    for (long i = 0; i < count; i++) {
        void *result;
        must(mn_join(all[i], &result));
        verify(result == &all[i], "join %ld returned another thread's result", i);
    }
    from = bench_now() - from;
    verify(job_sum(ended, (int)mn_workers()) == already + (unsigned long)count, "not all ended");
    return (double)from / (double)count;
}

static int job(void *arg) {
    (void)arg;
    ended = job_counts((int)mn_workers());
    mn_thread *all = job_memory((size_t)count, sizeof *all);
    double first = batch(all, 1);
    job_result("spawn_batch_1m", batch(all, 1), "ns", "count=%ld", count);
    job_result("spawn_batch_1m_first", first, "ns", NULL);
    job_result("spawn_batch_1m_free", batch(all, 0), "ns", NULL);
    return 0;
}

int main(int argc, char **argv) {
    bench_init(argc, argv, "mn_go");
    count = (long)bench_number("--count", 1000000);
    bench_options_end();
    return job_run(job);
}
