/* How late the kernel may end an LWP's timed waits, to save wake-ups: 50 us by default. */
#ifndef MNI_OS_SLACK_H
#define MNI_OS_SLACK_H

#include <sys/prctl.h>

#include "sys.h"

enum { LWP_SLACK_DEFAULT = 50000 };

/* Sets the calling LWP's, in nanoseconds (0: what it began with, its creator's); returns what it was. */
static inline long lwp_timer_slack(long ns) {
    long was = sys(SYS_prctl, PR_GET_TIMERSLACK);
    sys(SYS_prctl, PR_SET_TIMERSLACK, ns);
    return was;
}

#endif
