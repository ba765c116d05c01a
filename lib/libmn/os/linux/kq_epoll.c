/*
 * kq_epoll: a kqueue's descriptor is an epoll set.
 *
 * What is in it:
 *
 *     the mark       one eventfd of the process, which never says anything.  Adding it again answers EEXIST: the number still
 *                    is a kqueue's.  That is how a kqueue that was closed behind our back is known.
 *     the bell       an eventfd, made when it first has to ring (kevent.c)
 *     the timer      a timerfd, made with the first TIMER note (kq_timer.c)
 *     descriptors    of READ and WRITE notes; edge-triggered: kq_fd.c says how that makes level-triggered notes
 *     a second set   for notes on descriptors that are in this one already: the kernel has one entry for each (file, number),
 *                    and what arrives would be told to be writable again, and the reverse
 *     pidfds, inotify, signalfds, the socket of the process connector
 *
 * So the kernel itself answers who polls the descriptor, or puts it into a set of its own.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <errno.h>
#include <fcntl.h>
#include <mn/time.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>

#include "clock.h"
#include "fault.h"
#include "kq_linux.h"

enum { BATCH = 64 };

static uint32_t mark_fd; /* + 1; atomic */

static int mark(bool anew) {
    uint32_t have = a32_load(&mark_fd);
    if (have && !anew)
        return (int)have - 1;
    int fd = fault("eventfd") ? -EMFILE : (int)sys(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd >= 0 && !a32_cas_full(&mark_fd, have, (uint32_t)fd + 1)) {
        sys(SYS_close, fd);
        fd = (int)a32_load(&mark_fd) - 1;
    }
    return fd;
}

int mni_kq_os_open(void) {
    int m = mark(false);
    if (m < 0)
        return m;
    int fd = fault("epoll") ? -EMFILE : (int)sys(SYS_epoll_create1, EPOLL_CLOEXEC);
    if (fd < 0)
        return fd;
    int r = kq_control(fd, EPOLL_CTL_ADD, m, 0, KQ_TAG(KQ_MARK));
    /* The program closed a descriptor that it knows nothing of. */
    if (r == -EBADF || r == -EPERM)
        r = (m = mark(true)) < 0 ? m : kq_control(fd, EPOLL_CTL_ADD, m, 0, KQ_TAG(KQ_MARK));
    if (r < 0) {
        sys(SYS_close, fd);
        return r;
    }
    return fd;
}

bool mni_kq_os_is(int fd) {
    int m = mark(false), r = kq_control(fd, EPOLL_CTL_ADD, m, 0, KQ_TAG(KQ_MARK));
    if (r == 0) /* somebody else's set, by now */
        kq_control(fd, EPOLL_CTL_DEL, m, 0, 0);
    return r == -EEXIST;
}

bool mni_kq_os_open_fd(uintptr_t ident) {
    return ident <= INT32_MAX && sys(SYS_fcntl, (int)ident, F_GETFD) >= 0;
}

static void shut(int *fd) {
    if (*fd >= 0)
        sys(SYS_close, *fd);
    *fd = -1;
}

void mni_kq_os_close(struct mni_kq *kq) {
    shut(&kq->timer_fd);
    shut(&kq->second);
    shut(&kq->files);
    shut(&kq->connector);
    kq->connected = 0;
    kq->armed = 0;
}

static void came(struct mni_kq *kq, const struct epoll_event *e) {
    struct mni_note *n = mni_note_of(kq, e->data.u64);
    if (!n)
        return;
    n->fd.seen |= (uint16_t)e->events;
    if (n->filter == &mni_filter_signal)
        mni_kq_signal_pending(n);
    else
        mni_note_activate(kq, n);
}

static int look_into(struct mni_kq *kq, int set) {
    struct epoll_event e[BATCH];
    int n;
    do {
        n = (int)sys(SYS_epoll_pwait, set, e, BATCH, 0, NULL);
        for (int i = 0; i < n; i++)
            switch (e[i].data.u64) {
            case KQ_TAG(KQ_SECOND):
                look_into(kq, kq->second);
                break;
            case KQ_TAG(KQ_FILES):
                mni_kq_vnode_read(kq);
                break;
            case KQ_TAG(KQ_CONNECTOR):
                mni_kq_connector_read(kq);
                break;
            default:
                came(kq, &e[i]);
            }
    } while (n == BATCH);
    return n < 0 && n != -EINTR ? -EBADF : 0;
}

int mni_kq_os_look(struct mni_kq *kq) {
    int r = look_into(kq, kq->fd);
    if (r == 0 && !list_empty(&kq->signals))
        mni_kq_signals_read(kq);
    if (r == 0 && !list_empty(&kq->vnodes))
        mni_kq_files_look(kq);
    return r;
}

int mni_kq_os_bell(struct mni_kq *kq) {
    if (kq->bell >= 0)
        return 0;
    int fd = fault("eventfd") ? -EMFILE : (int)sys(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK);
    return kq_adopt(kq, &kq->bell, fd, KQ_TAG(KQ_BELL));
}

void mni_kq_os_ring(struct mni_kq *kq, bool on) {
    uint64_t one = 1;
    /* A kqueue that has gone rings for its sleepers only: without a bell they look by themselves. */
    if (on && (kq->fd >= 0 ? mni_kq_os_bell(kq) < 0 : kq->bell < 0))
        return;
    if (on)
        sys(SYS_write, kq->bell, &one, sizeof one);
    else
        sys(SYS_read, kq->bell, &one, sizeof one);
    kq->rung = on;
}

int mni_kq_os_timer(struct mni_kq *kq, int64_t deadline) {
    if (kq->timer_fd < 0) {
        int fd = fault("timerfd") ? -EMFILE
                                  : (int)sys(SYS_timerfd_create, CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        int r = kq_adopt(kq, &kq->timer_fd, fd, KQ_TAG(KQ_TIMER));
        if (r < 0)
            return r;
    }
    struct itimerspec t = {.it_value = clock_timespec(deadline)};
    if (deadline == MN_FOREVER)
        t.it_value = (struct timespec){0, 0};
    else if (deadline <= 0)
        t.it_value = (struct timespec){0, 1};
    sys(SYS_timerfd_settime, kq->timer_fd, TFD_TIMER_ABSTIME, &t, NULL);
    kq->armed = deadline;
    return 0;
}

int mni_kq_os_sleep(int fd, int bell, int64_t deadline) {
    struct pollfd p[2] = {{fd, POLLIN, 0}, {bell, POLLIN, 0}};
    int64_t left = deadline - (int64_t)clock_now_ns();
    if (left < 0)
        left = 0;
    struct timespec t = clock_timespec(left);
    mni_kq_os_silent();
    int r = (int)sys(SYS_ppoll, p, bell < 0 ? 1 : 2, deadline == MN_FOREVER ? NULL : &t, NULL, 0);
    return r > 0 ? 0 : r == 0 ? -ETIMEDOUT : r == -EINTR ? -EINTR : 0;
}
