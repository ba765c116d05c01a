/*
 * child: waiting for child processes (mn/child.h).
 *
 * The system call is made with WNOHANG.  If it finds none, a child that is known by its number is waited for by
 * a pidfd, which becomes readable when it ends, and the call is made again: nobody else can have reaped it
 * without its failing with ECHILD.
 *
 * For any child, or a group, there is nothing to poll.  A call that blocks in a pool could not be taken back:
 * each that is given up would leave an LWP in the kernel until the next child ends.  SIGCHLD is the program's.
 * So the call is made again after naps that grow from 0.5 to 20 ms.
 */
#include <errno.h>
#include <mn/child.h>
#include <string.h>

#include "clock.h"
#include "export.h"
#include "fault.h"
#include "feature.h"
#include "io/poll.h"
#include "sys.h"
#include "wait/call.h"

enum { NAP_FIRST = 500000, NAP_LONGEST = 20000000 };

/* One look: whether it is over, with *result. */
struct wait {
    bool (*look)(struct wait *w);
    long result;
    int pidfd; /* given by the caller, or -1 */
    pid_t pid; /* 0: more than one */
    int options;
    /* of waitpid, of waitid */
    int *status;
    idtype_t type;
    id_t id;
    siginfo_t *info;
};

/* In the runtime: a nap, or until the child has ended.  What else keeps the descriptor from being waited for, such as
 * too few watches, is no reason to lose the child. */
static int wait_on(int pidfd, int64_t *nap, int64_t deadline) {
    int r = pidfd < 0 ? -EBADF : mni_poll_wait(pidfd, MNI_POLL_READ, deadline);
    if (r == 0 || r == -ETIMEDOUT || r == -ECANCELED)
        return r;
    int64_t until = (int64_t)clock_now_ns() + *nap;
    r = mni_wait("child", NULL, NULL, until < deadline ? until : deadline);
    if (*nap < NAP_LONGEST)
        *nap += *nap / 2;
    return r == -ETIMEDOUT && until < deadline ? 0 : r;
}

static long run(struct wait *w, int64_t deadline) {
    struct mni_cpu *cpu = mni_call_begin();
    int64_t nap = NAP_FIRST;
    int pidfd = -1;
    long r = mni_call_cancelled(cpu) ? -ECANCELED : 0;
    bool stops = w->options & (WSTOPPED | WCONTINUED);
    while (r == 0 && !w->look(w)) {
        if (w->pid && pidfd < 0 && !stops && mni_feature(MNI_PIDFD) && !fault("pidfd")) {
            pidfd = (int)sys(SYS_pidfd_open, w->pid, 0);
            if (pidfd == -ESRCH)
                continue; /* it has ended just now */
        }
        r = wait_on(w->pidfd >= 0 && !stops ? w->pidfd : pidfd, &nap, deadline);
    }
    if (pidfd >= 0)
        sys(SYS_close, pidfd);
    mni_call_end_moved(cpu);
    return r < 0 ? r : w->result;
}

static bool look_pid(struct wait *w) {
    w->result = sys(SYS_wait4, w->pid ? w->pid : (pid_t)w->id, w->status, w->options | WNOHANG, NULL);
    return w->result != 0 || w->options & WNOHANG;
}

MN_EXPORT pid_t mn_waitpid_until(pid_t pid, int *status, int options, int64_t deadline) {
    struct wait w = {look_pid, 0, -1, pid > 0 ? pid : 0, options, status, P_ALL, (id_t)pid, NULL};
    return (pid_t)run(&w, deadline);
}
MN_EXPORT pid_t mn_waitpid(pid_t pid, int *status, int options) {
    return mn_waitpid_until(pid, status, options, MN_FOREVER);
}

static bool look_id(struct wait *w) {
    siginfo_t info;
    memset(&info, 0, sizeof info);
    w->result = sys(SYS_waitid, w->type, w->id, &info, w->options | WNOHANG, NULL);
    if (w->result == 0 && !info.si_pid && !(w->options & WNOHANG))
        return false;
    if (w->result == 0 && w->info)
        *w->info = info;
    /* A descriptor that does not block makes it say so. */
    return w->result != -EAGAIN || w->options & WNOHANG;
}

MN_EXPORT int mn_waitid_until(idtype_t type, id_t id, siginfo_t *info, int options, int64_t deadline) {
    struct wait w = {
        look_id, 0,   type == P_PIDFD ? (int)id : -1, type == P_PID ? (pid_t)id : 0, options, NULL, type,
        id,      info};
    return (int)run(&w, deadline);
}
MN_EXPORT int mn_waitid(idtype_t type, id_t id, siginfo_t *info, int options) {
    return mn_waitid_until(type, id, info, options, MN_FOREVER);
}
