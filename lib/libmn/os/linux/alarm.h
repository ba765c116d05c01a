/*
 * An alarm: an LWP waits for it, and any other may put it off, which does not wake the one that waits.  A timer
 * of its own, by timerfd; another system's would be a kqueue with a timer.
 */
#ifndef MNI_OS_ALARM_H
#define MNI_OS_ALARM_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/timerfd.h>
#include <time.h>

#include "clock.h"
#include "fault.h"
#include "sys.h"

/* A descriptor, or a negative errno. */
static inline int alarm_open(void) {
    return fault("timerfd") ? -EMFILE : (int)sys(SYS_timerfd_create, CLOCK_MONOTONIC, TFD_CLOEXEC);
}

static inline void alarm_close(int fd) {
    sys(SYS_close, fd);
}

/* It goes off at that time, instead of the one before.  False: it is no alarm any more; somebody closed it. */
static inline bool alarm_set(int fd, int64_t at) {
    const struct itimerspec t = {.it_value = clock_timespec(at)};
    return sys(SYS_timerfd_settime, fd, TFD_TIMER_ABSTIME, &t, NULL) == 0;
}

static inline void alarm_wait(int fd) {
    uint64_t times;
    sys(SYS_read, fd, &times, sizeof times);
}

#endif
