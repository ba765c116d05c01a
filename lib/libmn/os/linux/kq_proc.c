/*
 * kq_proc: EVFILT_PROC over pidfds.
 *
 * A pidfd is readable from the end of its process on, and never names another process.  The exit status of a child is
 * looked at without taking it from the parent (WNOWAIT); of any other process, or a child that has been waited for, newer kernels tell
 * it through the pidfd.  Where neither is possible, data is 0.
 *
 * The kernel tells only privileged listeners of forks and execs: NOTE_FORK, NOTE_EXEC and NOTE_TRACK are accepted, since
 * programs ask for them along with NOTE_EXIT, and are not reported.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "fault.h"
#include "kq_linux.h"

enum { KNOWN = (int)(NOTE_EXIT | NOTE_FORK | NOTE_EXEC | NOTE_TRACK) };

/* linux/pidfd.h of 6.15 and later. */
struct pidfd_info {
    uint64_t mask, cgroup;
    uint32_t pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
    int32_t exit_code;
};
enum { PIDFD_INFO_EXIT_ = 1 << 3 };
#define PIDFD_GET_INFO_ _IOWR(0xFF, 11, struct pidfd_info)

static int attach(struct mni_kq *kq, struct mni_note *n) {
    if (n->ev.fflags & ~(unsigned)KNOWN)
        return -EINVAL;
    if (n->ev.ident == 0 || n->ev.ident > INT_MAX)
        return -ESRCH;
    uint64_t tag = mni_note_tag(kq, n);
    if (!tag)
        return -ENOMEM;
    int fd = fault("pidfd") ? -EMFILE : (int)sys(SYS_pidfd_open, (int)n->ev.ident, 0);
    if (fd < 0) /* EINVAL, ENOENT: a thread's number, and no process's */
        return fd == -EINVAL || fd == -ENOENT ? -ESRCH : fd;
    int r = kq_control(kq->fd, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLET, tag);
    if (r < 0) {
        sys(SYS_close, fd);
        return r;
    }
    n->proc.fd = fd;
    n->ev.flags |= EV_CLEAR;
    mni_note_source(kq, n, true);
    return 0;
}

static void detach(struct mni_kq *kq, struct mni_note *n) {
    /* Out of the set first: a child that was forked meanwhile may have the file, too. */
    if (kq->fd >= 0)
        kq_control(kq->fd, EPOLL_CTL_DEL, n->proc.fd, 0, 0);
    sys(SYS_close, n->proc.fd);
}

static bool ended(const struct mni_note *n) {
    siginfo_t info;
    memset(&info, 0, sizeof info);
    long r = sys(SYS_waitid, P_PIDFD, n->proc.fd, &info, WEXITED | WNOHANG | WNOWAIT, NULL);
    if (r == 0)
        return info.si_pid != 0;
    /* No child: the pidfd alone knows. */
    return sys(SYS_pidfd_send_signal, n->proc.fd, 0, NULL, 0) == -ESRCH || n->fd.seen;
}

static int status(const struct mni_note *n) {
    siginfo_t info;
    memset(&info, 0, sizeof info);
    if (sys(SYS_waitid, P_PIDFD, n->proc.fd, &info, WEXITED | WNOHANG | WNOWAIT, NULL) == 0 && info.si_pid) {
        if (info.si_code == CLD_EXITED)
            return (info.si_status & 0xff) << 8;
        return (info.si_status & 0x7f) | (info.si_code == CLD_DUMPED ? 0x80 : 0);
    }
    struct pidfd_info p;
    memset(&p, 0, sizeof p);
    p.mask = PIDFD_INFO_EXIT_;
    return sys(SYS_ioctl, n->proc.fd, PIDFD_GET_INFO_, &p) == 0 && p.mask & PIDFD_INFO_EXIT_ ? p.exit_code : 0;
}

static int enable(struct mni_kq *kq, struct mni_note *n) {
    if (!(n->state & MNI_NOTE_DISABLED) && ended(n))
        mni_note_activate(kq, n);
    return 0;
}

static int touch(struct mni_kq *kq, struct mni_note *n, const struct kevent *change) {
    if (change->flags & EV_ADD) {
        if (change->fflags & ~(unsigned)KNOWN)
            return -EINVAL;
        n->ev.fflags = change->fflags;
        n->ev.data = change->data;
        n->ev.flags |= EV_CLEAR;
    }
    return enable(kq, n);
}

static int report(struct mni_kq *kq, struct mni_note *n, struct kevent *e) {
    (void)kq;
    if (!ended(n))
        return MNI_REPORT_NO;
    if (!(n->ev.fflags & NOTE_EXIT))
        return MNI_REPORT_GONE;
    e->flags |= EV_EOF | EV_ONESHOT;
    e->fflags = NOTE_EXIT;
    e->data = status(n);
    return MNI_REPORT_LAST;
}

const struct mni_filter mni_filter_proc = {attach, detach, touch, enable, report, NULL};
