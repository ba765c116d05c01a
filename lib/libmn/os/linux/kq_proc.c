/*
 * kq_proc: EVFILT_PROC over pidfds, and the process connector.
 *
 * A pidfd is readable from the end of its process on, and never names another process.  The exit status of a
 * child is looked at without taking it from the parent (WNOWAIT); of any other process, or a child that has
 * been waited for, newer kernels tell it through the pidfd.  Where neither is possible, data is 0.
 *
 * Forks and execs are told by the process connector (kq_connector.c), where the program may listen to it; where
 * it may not, NOTE_FORK, NOTE_EXEC and NOTE_TRACK are refused, unless NOTE_EXIT stands beside them, as programs
 * for BSD have it: then they are accepted and do not come.
 *
 * NOTE_TRACK: the event of a fork makes a note for the child, with a pidfd of its own.  The child may have
 * ended by then, and been waited for: then its end, which is told as well, is all that is known of it, and has
 * the status.
 *
 *     the process    fd     told    what says that it has ended
 *     lives          pidfd  no      the pidfd
 *     lives          pidfd  yes     the pidfd; the status may be told a moment later (over)
 *     has gone       -1     yes     over
 *
 * What is told may be read late, when the pidfd is readable already.  So whoever finds that a process has ended
 * reads what was told first.
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

#define TOLD (NOTE_FORK | NOTE_EXEC | NOTE_TRACK)
#define KNOWN (NOTE_EXIT | TOLD)

/* linux/pidfd.h of 6.15 and later. */
struct pidfd_info {
    uint64_t mask, cgroup;
    uint32_t pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
    int32_t exit_code;
};
enum { PIDFD_INFO_EXIT_ = 1 << 3 };
#define PIDFD_GET_INFO_ _IOWR(0xFF, 11, struct pidfd_info)

/* Has the system tell of the process, or no longer, as the flags of its note ask for. */
static int tell(struct mni_kq *kq, struct mni_note *n, unsigned fflags) {
    bool tell = fflags & TOLD;
    if (tell == n->proc.told)
        return 0;
    int r = 0;
    if (tell)
        r = mni_kq_connect(kq);
    else
        mni_kq_disconnect(kq);
    if (r == 0)
        n->proc.told = tell;
    return r == -ENOTSUP && fflags & NOTE_EXIT ? 0 : r;
}

/* The same by a change.  What came for other notes so far is not for this one. */
static int tell_now(struct mni_kq *kq, struct mni_note *n, unsigned fflags) {
    if (fflags & TOLD && !n->proc.told)
        mni_kq_connector_read(kq);
    return tell(kq, n, fflags);
}

static int watch(struct mni_kq *kq, struct mni_note *n) {
    uint64_t tag = mni_note_tag(kq, n);
    if (!tag)
        return -ENOMEM;
    int fd = fault("pidfd") ? -EMFILE : (int)sys(SYS_pidfd_open, (int)n->ev.ident, 0);
    if (fd < 0) /* EINVAL, ENOENT: a thread's number, and no process's */
        return fd == -EINVAL || fd == -ENOENT ? -ESRCH : fd;
    int r = fault("kq_add") ? -ENOSPC : kq_control(kq->fd, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLET, tag);
    if (r < 0) {
        sys(SYS_close, fd);
        return r;
    }
    n->proc.fd = fd;
    return 0;
}

static void detach(struct mni_kq *kq, struct mni_note *n) {
    if (n->proc.told)
        mni_kq_disconnect(kq);
    if (n->proc.fd < 0)
        return;
    /* Out of the set first: a child that was forked meanwhile may have the file, too. */
    if (kq->fd >= 0)
        kq_control(kq->fd, EPOLL_CTL_DEL, n->proc.fd, 0, 0);
    sys(SYS_close, n->proc.fd);
}

static int attach(struct mni_kq *kq, struct mni_note *n) {
    if (n->ev.fflags & ~(unsigned)KNOWN)
        return -EINVAL;
    if (n->ev.ident == 0 || n->ev.ident > INT_MAX)
        return -ESRCH;
    n->proc.fd = -1;
    int r = tell_now(kq, n, n->ev.fflags);
    if (r == 0 && (r = watch(kq, n)) < 0)
        detach(kq, n);
    if (r < 0)
        return r;
    n->ev.flags |= EV_CLEAR;
    mni_note_source(kq, n, true);
    return 0;
}

static bool ended(const struct mni_note *n) {
    if (n->proc.fd < 0)
        return n->proc.over;
    siginfo_t info;
    memset(&info, 0, sizeof info);
    long r = sys(SYS_waitid, P_PIDFD, n->proc.fd, &info, WEXITED | WNOHANG | WNOWAIT, NULL);
    if (r == 0)
        return info.si_pid != 0;
    /* No child: the pidfd alone knows. */
    return sys(SYS_pidfd_send_signal, n->proc.fd, 0, NULL, 0) == -ESRCH || n->fd.seen;
}

/* Of a process that has ended.  False: it is not known. */
static bool status(const struct mni_note *n, int *value) {
    siginfo_t info;
    memset(&info, 0, sizeof info);
    if (sys(SYS_waitid, P_PIDFD, n->proc.fd, &info, WEXITED | WNOHANG | WNOWAIT, NULL) == 0 && info.si_pid) {
        *value = info.si_code == CLD_EXITED ? (info.si_status & 0xff) << 8
                                            : (info.si_status & 0x7f) | (info.si_code == CLD_DUMPED ? 0x80 : 0);
        return true;
    }
    struct pidfd_info p;
    memset(&p, 0, sizeof p);
    p.mask = PIDFD_INFO_EXIT_;
    bool knows = sys(SYS_ioctl, n->proc.fd, PIDFD_GET_INFO_, &p) == 0 && p.mask & PIDFD_INFO_EXIT_;
    *value = knows ? p.exit_code : n->proc.status;
    return knows || n->proc.over;
}

static int enable(struct mni_kq *kq, struct mni_note *n) {
    if (n->state & MNI_NOTE_DISABLED)
        mni_note_calm(kq, n);
    else if (n->proc.came || ended(n))
        mni_note_activate(kq, n);
    return 0;
}

static int touch(struct mni_kq *kq, struct mni_note *n, const struct kevent *change) {
    if (change->flags & EV_ADD) {
        if (change->fflags & ~(unsigned)KNOWN)
            return -EINVAL;
        int r = tell_now(kq, n, change->fflags);
        if (r < 0)
            return r;
        n->ev.fflags = change->fflags;
        n->ev.data = change->data;
        n->ev.flags |= EV_CLEAR;
    }
    return enable(kq, n);
}

static int report(struct mni_kq *kq, struct mni_note *n, struct kevent *e) {
    int value = 0;
    bool over = ended(n);
    if (over && n->proc.told)
        mni_kq_connector_read(kq);
    /* Where it is told, an end without a status is one that will be told in a moment. */
    if (over && !status(n, &value) && n->proc.told)
        over = false;
    uint32_t came = n->proc.came;
    n->proc.came = 0;
    e->data = 0;
    if (came & NOTE_CHILD) {
        e->fflags = NOTE_CHILD;
        e->data = n->proc.parent;
        n->proc.came = came & ~(uint32_t)NOTE_CHILD;
        if (n->proc.came || over)
            mni_note_activate(kq, n); /* the rest by itself: an end has other data */
        return MNI_REPORT_YES;
    }
    e->fflags = came;
    if (over && n->ev.fflags & NOTE_EXIT) {
        e->fflags |= NOTE_EXIT;
        e->data = value;
    }
    if (over)
        e->flags |= EV_EOF | EV_ONESHOT;
    return e->fflags ? (over ? MNI_REPORT_LAST : MNI_REPORT_YES) : over ? MNI_REPORT_GONE : MNI_REPORT_NO;
}

/* ---- what the connector tells */

static struct mni_note *note_of(struct mni_kq *kq, int pid) {
    struct mni_note *n = mni_note_find(kq, (uintptr_t)pid, EVFILT_PROC);
    return n && n->proc.told ? n : NULL;
}

static void add(struct mni_kq *kq, struct mni_note *n, uint32_t what) {
    if (what)
        n->proc.came |= what;
    if (what || n->proc.over)
        mni_note_activate(kq, n);
}

/* A note as n is, for a child of its process.  False: there is none. */
static bool track(struct mni_kq *kq, const struct mni_note *n, int child) {
    struct kevent as = n->ev;
    as.ident = (uintptr_t)child;
    struct mni_note *c = mni_note_find(kq, as.ident, EVFILT_PROC);
    if (c) { /* somebody was faster; or another process that had the number, whose end has not been reported */
        if (ended(c) || tell(kq, c, as.fflags) < 0)
            return false;
        c->ev = as;
    } else {
        c = mni_note_make(kq, &as);
        if (!c)
            return false;
        c->filter = &mni_filter_proc;
        c->proc.fd = -1;
        int r = tell(kq, c, as.fflags);
        if (r == 0)
            r = watch(kq, c);
        if (r < 0 && r != -ESRCH) { /* ESRCH: it has gone already, which is told next */
            mni_note_drop(kq, c, true);
            return false;
        }
        mni_note_source(kq, c, true);
    }
    c->proc.parent = (int)n->ev.ident;
    add(kq, c, NOTE_CHILD);
    return true;
}

void mni_kq_proc_forked(struct mni_kq *kq, int pid, int child) {
    struct mni_note *n = note_of(kq, pid);
    if (!n)
        return;
    bool lost = n->ev.fflags & NOTE_TRACK && !track(kq, n, child);
    add(kq, n, (n->ev.fflags & NOTE_FORK) | (lost ? NOTE_TRACKERR : 0));
}

void mni_kq_proc_executed(struct mni_kq *kq, int pid) {
    struct mni_note *n = note_of(kq, pid);
    if (n)
        add(kq, n, n->ev.fflags & NOTE_EXEC);
}

void mni_kq_proc_ended(struct mni_kq *kq, int pid, int status) {
    struct mni_note *n = note_of(kq, pid);
    if (!n)
        return;
    n->proc.over = true;
    n->proc.status = status;
    add(kq, n, 0);
}

void mni_kq_proc_lost(struct mni_kq *kq) {
    for (uint32_t i = 0; kq->hash && i <= kq->hash_mask; i++)
        for (struct mni_note *n = kq->hash[i]; n; n = n->next)
            if (n->filter == &mni_filter_proc && n->proc.told) {
                n->proc.over |= n->proc.fd < 0 || ended(n); /* which may have been what was lost */
                add(kq, n, n->ev.fflags & NOTE_TRACK ? NOTE_TRACKERR : 0);
            }
}

const struct mni_filter mni_filter_proc = {attach, detach, touch, enable, report, NULL};
