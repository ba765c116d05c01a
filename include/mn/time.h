/* mn/time.h: time, sleep, periodic ticks. */
/* Programs that have this directory in their path, for mn/sys/event.h, find it as <time.h>. */
#pragma GCC system_header
#ifndef MN_TIME_WITHIN /* nothing may be next to <mn/time.h>: /usr/include is the last directory */
#define MN_TIME_WITHIN
#include <time.h>
#undef MN_TIME_WITHIN
#else
#include_next <time.h>
#endif

#ifndef MN_TIME_H
#define MN_TIME_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MN_FOREVER INT64_MAX

/* Nanoseconds of CLOCK_MONOTONIC.  Contexts: any, signal. */
int64_t mn_now(void);

/* The deadline that lies span nanoseconds ahead; MN_FOREVER when that is out of range.  Contexts: any,
 * signal. */
int64_t mn_after(int64_t span);

/*
 * Blocks for span nanoseconds, or until a time; never shorter, and longer by up to 1.024 us beyond what the
 * machine's load makes of it.  With a span of 0 or less, or a time that has passed, it is mn_yield() in a green
 * thread.
 *   -ECANCELED   it may have been shorter
 * Contexts: any.
 */
int mn_sleep(int64_t span);
int mn_sleep_until(int64_t deadline);

/* A beat of the given period (more than 0 nanoseconds): mn_ticker_wait blocks until the next beat.  One
 * thread's. */
struct mn_ticker {
    int64_t period, next;
};

/* The first beat is one period ahead.  -EINVAL: the period is not positive.  Contexts: any, signal. */
int mn_ticker_init(struct mn_ticker *ticker, int64_t period);

/*
 * Returns how many beats have passed since the last call: 1 when the caller is in time.  The beats stay where
 * they were: one that is late does not delay the next.  -ECANCELED: no beat was used up.  Contexts: any.
 */
int64_t mn_ticker_wait(struct mn_ticker *ticker);

#ifdef __cplusplus
}
#endif

#endif
