/*
 * pollset.h by epoll.
 *
 * The ring is an eventfd that is level-triggered: a ring that comes before the wait ends it.  It is read by the
 * one who waits, so no ring can be taken from it by another.
 *
 * Deadlines in nanoseconds are epoll_pwait2's (Linux 5.11).  Where it is missing, epoll_pwait waits without end
 * and a timerfd of the set ends it: milliseconds, all that epoll_pwait knows, are too coarse for threads that
 * sleep.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "io/pollset.h"

#include <errno.h>
#include <mn/time.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>

#include "atomic.h"
#include "clock.h"
#include "fault.h"
#include "feature.h"
#include "panic.h"
#include "sys.h"

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441 /* on every architecture */
#endif

enum { MOST = 256 };
static const uint64_t ring_key = UINT64_MAX, timer_key = UINT64_MAX - 1;

/* The one that waits uses it (pollset.h). */
static struct epoll_event events[MOST];

static int add_own(struct mni_pollset *s, int fd, uint64_t key) {
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = key};
    return (int)sys(SYS_epoll_ctl, s->fd, EPOLL_CTL_ADD, fd, &e);
}

static bool has_pwait2(const struct mni_pollset *s) {
    if (!mni_feature(MNI_EPOLL_PWAIT2))
        return false;
    struct timespec none = {0, 0};
    struct epoll_event e;
    return sys(SYS_epoll_pwait2, s->fd, &e, 1, &none, NULL, 0) >= 0;
}

int mni_pollset_open(struct mni_pollset *s) {
    *s = (struct mni_pollset){.fd = -1, .ring = -1, .timer = -1};
    int r = s->fd = fault("epoll") ? -EMFILE : (int)sys(SYS_epoll_create1, EPOLL_CLOEXEC);
    if (r >= 0)
        r = s->ring = fault("epoll") ? -EMFILE : (int)sys(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (r >= 0)
        r = add_own(s, s->ring, ring_key);
    if (r >= 0 && !has_pwait2(s)) {
        r = s->timer = fault("timerfd")
                           ? -EMFILE
                           : (int)sys(SYS_timerfd_create, CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        if (r >= 0)
            r = add_own(s, s->timer, timer_key);
    }
    if (r < 0)
        mni_pollset_close(s);
    return r < 0 ? r : 0;
}

void mni_pollset_close(struct mni_pollset *s) {
    const int fds[] = {s->fd, s->ring, s->timer};
    for (unsigned i = 0; i < sizeof fds / sizeof *fds; i++)
        if (fds[i] >= 0)
            sys(SYS_close, fds[i]);
    *s = (struct mni_pollset){.fd = -1, .ring = -1, .timer = -1};
}

static const uint32_t all_changes = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET;

int mni_pollset_changes(int fd) {
    struct epoll_event e = {.events = all_changes};
    int set = fault("epoll") ? -EMFILE : (int)sys(SYS_epoll_create1, EPOLL_CLOEXEC);
    if (set < 0)
        return set;
    int r = fault("epoll_ctl") ? -ENOSPC : (int)sys(SYS_epoll_ctl, set, EPOLL_CTL_ADD, fd, &e);
    if (r >= 0)
        r = (int)sys(SYS_epoll_pwait, set, &e, 1, 0, NULL, 0); /* its state now */
    if (r < 0)
        sys(SYS_close, set);
    return r < 0 ? r : set;
}

void mni_pollset_changed(int set) {
    struct epoll_event e;
    sys(SYS_epoll_pwait, set, &e, 1, 0, NULL, 0);
}

int mni_pollset_add(struct mni_pollset *s, int fd, uint64_t key) {
    struct epoll_event e = {.events = all_changes, .data.u64 = key};
    if (fault("epoll_ctl"))
        return -ENOSPC;
    int r = (int)sys(SYS_epoll_ctl, s->fd, EPOLL_CTL_ADD, fd, &e);
    if (r == -EEXIST) /* of a file that had this number before, and lives on under another */
        r = (int)sys(SYS_epoll_ctl, s->fd, EPOLL_CTL_MOD, fd, &e);
    return r;
}

int mni_pollset_arm(struct mni_pollset *s, int fd, unsigned what, uint64_t key) {
    struct epoll_event e = {.events = EPOLLONESHOT, .data.u64 = key};
    if (what & MNI_READY_READ)
        e.events |= EPOLLIN;
    if (what & MNI_READY_WRITE)
        e.events |= EPOLLOUT;
    if (what & MNI_READY_URGENT)
        e.events |= EPOLLPRI;
    if (what & MNI_READY_END)
        e.events |= EPOLLRDHUP;
    if (fault("epoll_ctl"))
        return -ENOSPC;
    int r = (int)sys(SYS_epoll_ctl, s->fd, EPOLL_CTL_MOD, fd, &e);
    if (r == -ENOENT)
        r = (int)sys(SYS_epoll_ctl, s->fd, EPOLL_CTL_ADD, fd, &e);
    return r;
}

void mni_pollset_remove(struct mni_pollset *s, int fd) {
    struct epoll_event e = {0};
    sys(SYS_epoll_ctl, s->fd, EPOLL_CTL_DEL, fd, &e);
}

void mni_pollset_ring(struct mni_pollset *s) {
    uint64_t one = 1;
    sys(SYS_write, s->ring, &one, sizeof one);
}

static void set_timer(struct mni_pollset *s, int64_t deadline) {
    bool set = deadline != MN_FOREVER;
    struct itimerspec t = {{0, 0}, {0, 0}};
    if (!set && !s->timer_set)
        return;
    if (set)
        t.it_value = clock_timespec(deadline);
    sys(SYS_timerfd_settime, s->timer, TFD_TIMER_ABSTIME, &t, NULL);
    s->timer_set = set;
}

static long wait_events(struct mni_pollset *s, int n, int64_t deadline) {
    int64_t span = 0;
    if (fault("epoll_wait"))
        return -EINTR;
    if (deadline > 0 && deadline != MN_FOREVER && (span = deadline - (int64_t)clock_now_ns()) < 0)
        span = 0;
    if (deadline != MN_FOREVER && span == 0)
        return sys(SYS_epoll_pwait, s->fd, events, n, 0, NULL, 0);
    if (s->timer >= 0) {
        set_timer(s, deadline);
        return sys(SYS_epoll_pwait, s->fd, events, n, -1, NULL, 0);
    }
    struct timespec t = clock_timespec(span);
    return sys(SYS_epoll_pwait2, s->fd, events, n, deadline == MN_FOREVER ? NULL : &t, NULL, 0);
}

int mni_pollset_wait(struct mni_pollset *s, struct mni_ready *ready, int n, int64_t deadline) {
    long got = wait_events(s, n < MOST ? n : MOST, deadline);
    int out = 0;
    for (long i = 0; i < got; i++) {
        uint64_t key = events[i].data.u64;
        uint32_t e = events[i].events;
        if (key == ring_key) {
            uint64_t count;
            sys(SYS_read, s->ring, &count, sizeof count);
            continue;
        }
        if (key == timer_key) {
            set_timer(s, MN_FOREVER);
            continue;
        }
        unsigned what = 0;
        if (e & (EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
            what |= MNI_READY_READ;
        if (e & (EPOLLOUT | EPOLLHUP | EPOLLERR))
            what |= MNI_READY_WRITE;
        if (e & EPOLLPRI)
            what |= MNI_READY_URGENT;
        if (e & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
            what |= MNI_READY_END;
        ready[out++] = (struct mni_ready){key, what};
    }
    return out;
}
