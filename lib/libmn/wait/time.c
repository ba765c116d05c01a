/* time: the clock, sleeping, and beats (mn/time.h). */
#include <errno.h>
#include <mn/time.h>
#include <time.h>

#include "call.h"
#include "clock.h"
#include "export.h"
#include "sys.h"
#include "thread/bound.h"

MN_EXPORT int64_t mn_now(void) {
    return (int64_t)clock_now_ns();
}

MN_EXPORT int64_t mn_after(int64_t span) {
    int64_t deadline;
    return __builtin_add_overflow((int64_t)clock_now_ns(), span, &deadline) ? MN_FOREVER : deadline;
}

/* An LWP that is no thread of ours: nothing of the runtime is needed, and solo mode goes on. */
static void sleep_lwp(int64_t deadline) {
    struct timespec t = clock_timespec(deadline);
    do
        mni_foreign_rests(); /* it may have called before, or a signal handler meanwhile */
    while (deadline > 0 && sys(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == -EINTR);
}

MN_EXPORT int mn_sleep_until(int64_t deadline) {
    struct mni_cpu *cpu = mni_enter();
    if (!cpu && !mni_bound_self()) {
        sleep_lwp(deadline);
        return 0;
    }
    if (cpu && deadline <= (int64_t)clock_now_ns()) {
        /* Nothing to wait for; a loop of such calls is still to let others run. */
        mni_leave(cpu);
        return mn_yield();
    }
    int r = mni_wait("sleep", NULL, NULL, deadline > 0 ? deadline : 0);
    mni_call_end_moved(cpu);
    return r == -ETIMEDOUT ? 0 : r;
}

MN_EXPORT int mn_sleep(int64_t span) {
    return mn_sleep_until(mn_after(span));
}

MN_EXPORT int mn_ticker_init(struct mn_ticker *ticker, int64_t period) {
    if (period <= 0)
        return -EINVAL;
    ticker->period = period;
    ticker->next = mn_after(period);
    return 0;
}

MN_EXPORT int64_t mn_ticker_wait(struct mn_ticker *ticker) {
    int r = mn_sleep_until(ticker->next);
    if (r < 0)
        return r;
    int64_t late = (int64_t)clock_now_ns() - ticker->next;
    int64_t beats = 1 + (late > 0 ? late / ticker->period : 0);
    if (__builtin_add_overflow(ticker->next, beats * ticker->period, &ticker->next))
        ticker->next = MN_FOREVER;
    return beats;
}
