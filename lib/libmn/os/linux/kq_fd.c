/*
 * kq_fd: EVFILT_READ and EVFILT_WRITE on Linux.
 *
 * A note is to be reported at each call while its condition holds, or with EV_CLEAR once for each change; with
 * the number of bytes; never for another file than the one whose descriptor was given.
 *
 * The naive way is a level-triggered entry in the epoll set.  It fails in three ways.  An entry belongs to a
 * file, not to a number: closed while a duplicate of it lives on, it keeps reporting, cannot be removed any
 * more, and makes each wait return at once.  The number may by then be another file's, whose bytes we would
 * count.  And a note with a low-water mark that is not reached is ready to the kernel all the time.
 *
 * So entries are edge-triggered, and each report is confirmed by one epoll_ctl, which finds the entry by (file,
 * number):
 *
 *     level-triggered    EPOLL_CTL_MOD: the kernel looks again whether it is ready, and reports it next time if so.
 *     EV_CLEAR           EPOLL_CTL_ADD, which answers EEXIST and changes nothing.
 *     EV_DISPATCH        EPOLL_CTL_MOD to no events.
 *     EV_ONESHOT         EPOLL_CTL_DEL.
 *
 * EBADF, ENOENT (or an ADD that succeeds): the number is not that file's any more, and the note has gone with
 * it, as it does on FreeBSD at the moment of the close.  A note that is not reported (low-water mark, drained
 * by somebody else) makes no such call: the next change is its next edge.
 *
 * Files, which epoll does not take, have their state in memory: a note that is level-triggered is looked at in
 * each call; for those who wait inotify tells of writes.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fault.h"
#include "kq_linux.h"

enum kind { OTHER, SOCKET, PIPE, FILE_, EVENTFD, KQUEUE };

static enum kind kind_of(int fd, const struct stat *st) {
    if (S_ISSOCK(st->st_mode))
        return SOCKET;
    if (S_ISFIFO(st->st_mode))
        return PIPE;
    if (S_ISREG(st->st_mode) || S_ISDIR(st->st_mode) || S_ISBLK(st->st_mode))
        return FILE_;
    if (mni_kq_is(fd))
        return KQUEUE;
    char path[32], to[32] = "";
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    sys(SYS_readlinkat, AT_FDCWD, path, to, sizeof to - 1);
    return strcmp(to, "anon_inode:[eventfd]") == 0 ? EVENTFD : OTHER;
}

static bool writes(const struct mni_note *n) {
    return n->filter == &mni_filter_write;
}

static uint16_t wanted(const struct mni_note *n) {
    return n->state & MNI_NOTE_DISABLED ? 0 : writes(n) ? EPOLLOUT : EPOLLIN | EPOLLRDHUP;
}

static int set_of(const struct mni_kq *kq, const struct mni_note *n) {
    return n->fd.set == 2 ? kq->second : kq->fd;
}

/* The set for a descriptor that is in the first one already. */
static int second(struct mni_kq *kq) {
    if (kq->second >= 0)
        return 0;
    int fd = fault("epoll") ? -EMFILE : (int)sys(SYS_epoll_create1, EPOLL_CLOEXEC);
    return kq_adopt(kq, &kq->second, fd, KQ_TAG(KQ_SECOND));
}

static int enter(struct mni_kq *kq, struct mni_note *n) {
    uint64_t tag = mni_note_tag(kq, n);
    if (!tag)
        return -ENOMEM;
    int fd = (int)n->ev.ident, r;
    const struct mni_note *other = mni_note_find(kq, n->ev.ident, writes(n) ? EVFILT_READ : EVFILT_WRITE);
    n->fd.armed = wanted(n);
    n->fd.set = other && other->fd.set == 1 ? 2 : 1;
    if (n->fd.set == 2 && (r = second(kq)) < 0) {
        n->fd.set = 0;
        return r;
    }
    r = fault("kq_add") ? -ENOSPC : kq_control(set_of(kq, n), EPOLL_CTL_ADD, fd, n->fd.armed | EPOLLET, tag);
    /* The number has been this file's before, and another's meanwhile: nobody's entry is left. */
    if (r == -EEXIST)
        r = kq_control(set_of(kq, n), EPOLL_CTL_MOD, fd, n->fd.armed | EPOLLET, tag);
    if (r < 0)
        n->fd.set = 0;
    else
        mni_note_source(kq, n, true);
    return r;
}

/* Registers for what is wanted now, and has the kernel look: 0, MNI_NOTE_STALE. */
static int rearm(struct mni_kq *kq, struct mni_note *n) {
    n->fd.armed = wanted(n);
    n->fd.seen = 0;
    int r =
        kq_control(set_of(kq, n), EPOLL_CTL_MOD, (int)n->ev.ident, n->fd.armed | EPOLLET, mni_note_tag(kq, n));
    return r < 0 ? MNI_NOTE_STALE : 0;
}

/* ---- files */

/* From the position to the end; 0 also for a descriptor that is another file's by now: *gone. */
static int64_t file_left(const struct mni_note *n, bool *gone) {
    struct stat st;
    int r = kq_stat((int)n->ev.ident, &st);
    *gone = r == -EBADF || (r == 0 && !mni_kq_vnode_same(n, &st));
    if (r < 0 || *gone)
        return 0;
    int64_t at = sys(SYS_lseek, (int)n->ev.ident, 0, SEEK_CUR);
    return st.st_size - (at > 0 ? at : 0);
}

static bool file_ready(const struct mni_note *n) {
    bool gone;
    return n->ev.fflags & NOTE_FILE_POLL || file_left(n, &gone) != 0 || gone;
}

void mni_kq_file_changed(struct mni_kq *kq, struct mni_note *n) {
    if (file_ready(n))
        mni_note_activate(kq, n);
}

void mni_kq_files_look(struct mni_kq *kq) {
    list_each(l, &kq->vnodes) {
        struct mni_note *n = list_entry(l, struct mni_note, vnode.link);
        if (n->filter == &mni_filter_read && !(n->ev.flags & EV_CLEAR) &&
            !(n->state & (MNI_NOTE_ACTIVE | MNI_NOTE_DISABLED)))
            mni_kq_file_changed(kq, n);
    }
}

static int file_attach(struct mni_kq *kq, struct mni_note *n, const struct stat *st) {
    if (writes(n)) {
        n->vnode.device = st->st_dev;
        n->vnode.inode = st->st_ino;
        mni_note_activate(kq, n);
        return 0;
    }
    int r = mni_kq_vnode_watch(kq, n);
    if (r == 0) {
        mni_note_source(kq, n, true);
        mni_kq_file_changed(kq, n);
    }
    return r;
}

static int file_report(const struct mni_note *n, struct kevent *e) {
    bool gone;
    int64_t left = file_left(n, &gone);
    if (gone)
        return MNI_REPORT_GONE;
    e->data = writes(n) ? 0 : left;
    return left || writes(n) || n->ev.fflags & NOTE_FILE_POLL ? MNI_REPORT_AGAIN : MNI_REPORT_NO;
}

/* ---- what there is to read, and room to write */

static long queued(int fd, unsigned long request) {
    int n = 0;
    long r = fault("kq_ioctl") ? -ENOMEM : sys(SYS_ioctl, fd, request, &n);
    return r < 0 ? r : n;
}

static int option(int fd, int level, int name, int otherwise) {
    int v = 0;
    socklen_t size = sizeof v;
    return fault("kq_option") || sys(SYS_getsockopt, fd, level, name, &v, &size) < 0 ? otherwise : v;
}

static unsigned poll_now(int fd, unsigned events) {
    struct pollfd p = {fd, (short)events, 0};
    struct timespec none = {0, 0};
    return sys(SYS_ppoll, &p, 1, &none, NULL, 0) > 0 && !(p.revents & POLLNVAL) ? (unsigned short)p.revents : 0;
}

/* Where it cannot be read: whether there is any. */
static uint64_t event_count(int fd) {
    char text[256], path[40];
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
    int f = fault("kq_info") ? -EMFILE : (int)sys(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    long n = 0;
    if (f >= 0) {
        n = sys(SYS_read, f, text, sizeof text - 1);
        sys(SYS_close, f);
    }
    text[n > 0 ? n : 0] = 0;
    const char *at = strstr(text, "eventfd-count:");
    return at ? strtoull(at + 14, NULL, 16) : (poll_now(fd, POLLIN) & POLLIN) != 0;
}

/*
 * The error of a stream that has one.  Linux shows it only by taking it off the socket (SO_ERROR, as any read or
 * write), and it is the program's: by it portable programs know a connect that failed, and a stream that was cut
 * from one that ended.  So it is told from how far the connection had come, which is right but for the less
 * common reasons.
 */
static uint32_t socket_error(int fd, unsigned events) {
    struct tcp_info t = {0};
    socklen_t size = sizeof t;
    if (!(events & EPOLLERR))
        return 0;
    if (fault("kq_option") || sys(SYS_getsockopt, fd, IPPROTO_TCP, TCP_INFO, &t, &size) < 0)
        return ECONNRESET; /* that of sockets of the other kinds */
    bool silence = t.tcpi_retransmits > 1 || t.tcpi_probes > 1;
    if (t.tcpi_rtt || t.tcpi_bytes_acked || t.tcpi_bytes_received)
        return silence ? ETIMEDOUT : ECONNRESET;
    /* It never was connected. */
    return t.tcpi_segs_in ? ECONNREFUSED : silence ? ETIMEDOUT : EHOSTUNREACH;
}

static bool readable(struct mni_note *n, unsigned events, struct kevent *e) {
    int fd = (int)n->ev.ident;
    int64_t low = n->ev.fflags & NOTE_LOWAT && n->ev.data > 1 ? n->ev.data : 1;
    bool eof = events & (n->fd.kind == SOCKET ? EPOLLRDHUP : EPOLLHUP);
    long bytes = queued(fd, FIONREAD);
    e->fflags = 0;
    e->data = bytes < 0 ? 0 : bytes;
    switch (n->fd.kind) {
    case SOCKET:
        if (bytes == -EINVAL) {
            e->data = mni_kq_backlog(fd);
            return events & EPOLLIN;
        }
        if (eof)
            e->fflags = socket_error(fd, events);
        break;
    case EVENTFD:
        e->data = (int64_t)event_count(fd);
        return e->data != 0;
    case KQUEUE:
        e->data = mni_kq_pending(fd);
        if (e->data == 0)
            e->data = 1;
        return poll_now(fd, POLLIN) & POLLIN;
    default:
        if (bytes < 0)
            e->data = 1;
    }
    if (eof) {
        e->flags |= EV_EOF;
        return true;
    }
    if (e->data >= low)
        return true;
    /* An error, as of a datagram that was refused.  With nothing in it: an empty datagram, or a stream that
     * somebody else has drained by now. */
    unsigned now = events & (EPOLLIN | EPOLLERR) ? poll_now(fd, POLLIN) : 0;
    return now & POLLERR || (!e->data && now & POLLIN);
}

static bool writable(struct mni_note *n, unsigned events, struct kevent *e) {
    int fd = (int)n->ev.ident;
    bool eof = false, ready = events & EPOLLOUT;
    e->fflags = 0;
    switch (n->fd.kind) {
    case SOCKET: {
        long used = queued(fd, SIOCOUTQ);
        e->data = option(fd, SOL_SOCKET, SO_SNDBUF, 1) - (used > 0 ? used : 0);
        /* HUP alone is a stream that was never connected. */
        if (events & EPOLLHUP)
            events |= poll_now(fd, POLLRDHUP);
        eof = events & EPOLLHUP && events & (EPOLLRDHUP | EPOLLERR);
        if (events & EPOLLHUP && !eof)
            return false;
        ready |= (events & EPOLLERR) != 0;
        if (eof)
            e->fflags = socket_error(fd, events);
        break;
    }
    case PIPE: {
        long room = sys(SYS_fcntl, fd, F_GETPIPE_SZ), used = queued(fd, FIONREAD);
        e->data = room > 0 ? room - (used > 0 ? used : 0) : 1;
        eof = events & EPOLLERR;
        break;
    }
    case EVENTFD:
        e->data = (int64_t)(UINT64_MAX - 1 - event_count(fd));
        return ready;
    default:
        e->data = 1;
        eof = events & (EPOLLERR | EPOLLHUP);
    }
    if (e->data <= 0)
        e->data = 1;
    if (eof) {
        e->flags |= EV_EOF;
        return true;
    }
    return ready && (!(n->ev.fflags & NOTE_LOWAT) || e->data >= n->ev.data);
}

/* ---- the filters */

static int attach(struct mni_kq *kq, struct mni_note *n) {
    struct stat st;
    int r = n->ev.ident > INT_MAX ? -EBADF : kq_stat((int)n->ev.ident, &st);
    if (r < 0)
        return r;
    if ((int)n->ev.ident == kq->fd)
        return -EINVAL;
    n->fd.kind = (uint8_t)kind_of((int)n->ev.ident, &st);
    if (n->fd.kind == FILE_)
        return file_attach(kq, n, &st);
    if (n->fd.kind == KQUEUE && writes(n))
        return -EINVAL;
    r = enter(kq, n);
    return r == -EPERM ? -EINVAL : r;
}

static void detach(struct mni_kq *kq, struct mni_note *n) {
    if (n->fd.kind == FILE_) {
        if (!writes(n))
            mni_kq_vnode_unwatch(kq, n);
    } else if (n->fd.set && kq->fd >= 0) {
        /* The entry of a number that is another file's by now cannot be had any more, and is nobody's. */
        kq_control(set_of(kq, n), EPOLL_CTL_DEL, (int)n->ev.ident, 0, 0);
    }
}

static int gone(const struct mni_kq *kq, const struct mni_note *n) {
    if (n->fd.kind != FILE_) {
        int r = kq_control(set_of(kq, n), EPOLL_CTL_MOD, (int)n->ev.ident, EPOLLET, 0);
        return r == -EBADF ? r : r == -ENOENT || r == -EPERM ? -ENOENT : 0; /* EPERM: now it is a file's, or the like */
    }
    bool other;
    file_left(n, &other);
    return !other ? 0 : mni_kq_os_open_fd(n->ev.ident) ? -ENOENT : -EBADF;
}

static int enable(struct mni_kq *kq, struct mni_note *n) {
    if (n->fd.kind == FILE_) {
        if (writes(n))
            mni_note_activate(kq, n);
        else if (!(n->state & MNI_NOTE_DISABLED))
            mni_kq_file_changed(kq, n);
        return 0;
    }
    return n->fd.armed == wanted(n) ? 0 : rearm(kq, n);
}

static int touch(struct mni_kq *kq, struct mni_note *n, const struct kevent *change) {
    if (n->fd.kind == FILE_) {
        bool other;
        file_left(n, &other);
        if (other)
            return MNI_NOTE_STALE;
    }
    n->ev.fflags = change->fflags;
    n->ev.data = change->data;
    if (n->fd.kind == FILE_)
        return enable(kq, n);
    return rearm(kq, n);
}

/* It is to be reported: is it still what was asked for?  Sees to it that it is reported again, if it should. */
static bool confirm(struct mni_kq *kq, struct mni_note *n) {
    int fd = (int)n->ev.ident, set = set_of(kq, n);
    uint64_t tag = mni_note_tag(kq, n);
    if (n->ev.flags & EV_ONESHOT) {
        n->fd.set = 0;
        return kq_control(set, EPOLL_CTL_DEL, fd, 0, tag) == 0;
    }
    if (n->ev.flags & EV_DISPATCH) {
        n->fd.armed = 0;
        return kq_control(set, EPOLL_CTL_MOD, fd, EPOLLET, tag) == 0;
    }
    if (!(n->ev.flags & EV_CLEAR))
        return kq_control(set, EPOLL_CTL_MOD, fd, n->fd.armed | EPOLLET, tag) == 0;
    int r = kq_control(set, EPOLL_CTL_ADD, fd, 0, tag);
    if (r == 0)
        kq_control(set, EPOLL_CTL_DEL, fd, 0, tag);
    return r == -EEXIST;
}

static int report(struct mni_kq *kq, struct mni_note *n, struct kevent *e) {
    if (n->fd.kind == FILE_)
        return file_report(n, e);
    unsigned events = n->fd.seen ? n->fd.seen : poll_now((int)n->ev.ident, wanted(n));
    n->fd.seen = 0;
    if (!(writes(n) ? writable(n, events, e) : readable(n, events, e)))
        return MNI_REPORT_NO;
    return confirm(kq, n) ? MNI_REPORT_YES : MNI_REPORT_GONE;
}

const struct mni_filter mni_filter_read = {attach, detach, touch, enable, report, gone},
                        mni_filter_write = {attach, detach, touch, enable, report, gone};
