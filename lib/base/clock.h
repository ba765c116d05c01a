/*
 * Clocks and deadlines.  Everything that blocks takes an absolute deadline; these turn a span into one, and
 * check one that a user gave.
 */
#ifndef OD_CLOCK_H
#define OD_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* Nanoseconds of CLOCK_MONOTONIC. */
uint64_t clock_now_ns(void);

/* Now on clock plus ns. */
struct timespec clock_deadline(clockid_t clock, uint64_t ns);

/* A time or a span of so many nanoseconds, which is not negative. */
static inline struct timespec clock_timespec(int64_t ns) {
    return (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
}

/* Whether tv_nsec is in range.  A negative tv_sec is valid: such a deadline has passed. */
static inline bool clock_valid(const struct timespec *t) {
    return t->tv_nsec >= 0 && t->tv_nsec < 1000000000;
}

/* Whether a timed call of POSIX's clock variants accepts this clock. */
static inline bool clock_supported(clockid_t clock) {
    return clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC;
}

#endif
