/*
 * timers_1m: what does a million sleepers cost?
 *
 * --count threads start and sleep, each a time between 0 and 1 s; then they end.  The figure is CPU seconds of
 * the whole process, start and end of the threads included.
 *
 *   timers_1m_first   the first time, when every thread's memory is new
 *   timers_1m         when none is: after a round that is not measured, in which each sleeps 2 s more, so that
 *                     all are alive at once.  In the first round some end before others start.
 *
 * Verified: nobody woke early; late=: how late the last one woke, in ms.
 */
#include "job.h"

static uint32_t count;
static struct sleeper {
    mn_thread thread;
    int64_t span, more, late;
} * all;

static void *body(void *arg) {
    struct sleeper *me = arg;
    int64_t until = mn_now() + me->span + me->more;
    must(mn_sleep_until(until));
    me->late = mn_now() - until;
    return me;
}

static double once(int64_t more, int64_t *latest) {
    double from = job_cpu_seconds();
    for (uint32_t i = 0; i < count; i++) {
        all[i].more = more;
        must(mn_go(&all[i].thread, body, &all[i]));
    }
    for (uint32_t i = 0; i < count; i++) {
        void *result;
        must(mn_join(all[i].thread, &result));
        verify(result == &all[i], "join returned another thread's result");
    }
    from = job_cpu_seconds() - from;
    *latest = 0;
    for (uint32_t i = 0; i < count; i++) {
        verify(all[i].late >= 0, "a thread woke %ld ns early", -(long)all[i].late);
        *latest = all[i].late > *latest ? all[i].late : *latest;
    }
    return from;
}

static int job(void *arg) {
    (void)arg;
    all = job_memory(count, sizeof *all);
    unsigned long x = 1;
    for (uint32_t i = 0; i < count; i++) {
        x = x * 6364136223846793005ul + 1442695040888963407ul;
        all[i].span = (int64_t)((x >> 33) % 1000000000);
    }
    int64_t latest;
    double first = once(0, &latest);
    once(2000000000, &latest);
    double again = once(0, &latest);
    job_result("timers_1m", again, "s", "count=%u late=%.1f", count, (double)latest / 1e6);
    job_result("timers_1m_first", first, "s", NULL);
    return 0;
}

int main(int argc, char **argv) {
    bench_init(argc, argv, "mn_sleep_until");
    count = (uint32_t)bench_number("--count", 1000000);
    bench_options_end();
    return job_run(job);
}
