/*
 * How long an LWP runs before others of its CPU do: its slice, for the kernel's scheduler (EEVDF since Linux
 * 6.6).
 *
 * Among those who are owed CPU time the one whose slice ends first runs, so a short slice lets an LWP that has
 * just woken run soon beside one that computes.  Since Linux 6.12 sched_setattr(2) takes it as sched_runtime,
 * for the ordinary policies, too: 0.1 to 100 ms, 0: the default.  Older kernels ignore it.
 */
#ifndef MNI_OS_SLICE_H
#define MNI_OS_SLICE_H

#include <sched.h>
#include <stdint.h>

#include "sys.h"

enum { LWP_SLICE_SHORT = 100000, LWP_SLICE_DEFAULT = 0 }; /* ns */

/* The LWP with that number (0: the caller), if it has an ordinary policy. */
static inline void lwp_slice(int tid, uint64_t ns) {
    /* What sched_attr was in the beginning; later kernels take that. */
    struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
    } a = {.size = 48};
    if (sys(SYS_sched_getattr, tid, &a, sizeof a, 0) < 0 ||
        (a.policy != SCHED_OTHER && a.policy != SCHED_BATCH))
        return;
    a.size = sizeof a;
    a.flags &= 1; /* reset on fork; others are not for setting */
    a.runtime = ns;
    sys(SYS_sched_setattr, tid, &a, 0);
}

#endif
