/* umtx.h over Linux's futex (futex(2)). */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "umtx.h"

#include <errno.h>
#include <linux/futex.h>
#include <stddef.h>

#include "cancelpoint.h"
#include "clock.h"
#include "fault.h"
#include "sys.h"

static int private_flag(int flags) {
    return flags & UMTX_SHARED ? 0 : FUTEX_PRIVATE_FLAG;
}

int umtx_wait(const uint32_t *word, uint32_t expected, const struct timespec *deadline, clockid_t clock,
              int flags) {
    /* FUTEX_WAIT_BITSET, unlike FUTEX_WAIT, takes an absolute deadline. */
    int op = FUTEX_WAIT_BITSET | private_flag(flags);
    if (deadline) {
        if (!clock_valid(deadline) || !clock_supported(clock))
            return -EINVAL;
        if (deadline->tv_sec < 0) /* the kernel would call it EINVAL */
            return -ETIMEDOUT;
        if (clock == CLOCK_REALTIME)
            op |= FUTEX_CLOCK_REALTIME;
    }
    /* The kernel may do both at any time. */
    if (fault("futex"))
        return 0;
    if (fault("eintr"))
        return -EINTR;
    if (flags & UMTX_CANCELPOINT)
        return (int)cancelpoint_syscall(SYS_futex, (long)word, op, expected, (long)deadline, 0,
                                        FUTEX_BITSET_MATCH_ANY);
    return (int)sys(SYS_futex, word, op, expected, deadline, 0, FUTEX_BITSET_MATCH_ANY);
}

int umtx_wake(const uint32_t *word, int n, int flags) {
    long woken = sys(SYS_futex, word, FUTEX_WAKE | private_flag(flags), n);
    /* EFAULT: the object's memory is gone, and with it whoever could have waited there. */
    return woken == -EFAULT ? 0 : (int)woken;
}

int umtx_requeue(const uint32_t *word, uint32_t expected, int nwake, const uint32_t *to, int nmove, int flags) {
    return (int)sys(SYS_futex, word, FUTEX_CMP_REQUEUE | private_flag(flags), nwake, (long)nmove, to, expected);
}
