/*
 * kq_timer: EVFILT_TIMER.
 *
 * The timers of a kqueue are in a heap, the earliest first.  Each call on the kqueue first lets those come off
 * that are due; who waits in memory wakes up for the first.  Beside that one timer of the kernel, in the
 * descriptor's set, is set to the first: for those who watch the descriptor from outside, and LWPs that sleep
 * on it.  So a timer costs a descriptor only to the first of a kqueue, a system call only when the first one
 * changes, and no accuracy is lost to anybody.
 *
 * An absolute time is one of CLOCK_REALTIME.  It is turned into a span when the timer is added: a clock that is
 * set later does not move it (as with FreeBSD's).
 */
#include <errno.h>
#include <mn/time.h>
#include <stdlib.h>
#include <time.h>

#include "clock.h"
#include "fault.h"
#include "kq_os.h"

enum { UNITS = NOTE_SECONDS | NOTE_MSECONDS | NOTE_USECONDS | NOTE_NSECONDS };

static void put(struct mni_kq *kq, uint32_t i, struct mni_note *n) {
    kq->heap[i] = n;
    n->timer.index = i + 1;
}

static void up(struct mni_kq *kq, uint32_t i) {
    struct mni_note *n = kq->heap[i];
    for (uint32_t parent; i && kq->heap[parent = (i - 1) / 2]->timer.deadline > n->timer.deadline; i = parent)
        put(kq, i, kq->heap[parent]);
    put(kq, i, n);
}

static void down(struct mni_kq *kq, uint32_t i) {
    struct mni_note *n = kq->heap[i];
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= kq->timers)
            break;
        if (child + 1 < kq->timers && kq->heap[child + 1]->timer.deadline < kq->heap[child]->timer.deadline)
            child++;
        if (kq->heap[child]->timer.deadline >= n->timer.deadline)
            break;
        put(kq, i, kq->heap[child]);
        i = child;
    }
    put(kq, i, n);
}

static void take_out(struct mni_kq *kq, struct mni_note *n) {
    uint32_t i = n->timer.index;
    if (!i--)
        return;
    n->timer.index = 0;
    struct mni_note *last = kq->heap[--kq->timers];
    if (last == n)
        return;
    put(kq, i, last);
    up(kq, i);
    down(kq, last->timer.index - 1);
}

/* There is room for one more. */
static int room(struct mni_kq *kq) {
    if (kq->timers < kq->heap_room)
        return 0;
    uint32_t most = kq->heap_room ? 2 * kq->heap_room : 8;
    struct mni_note **heap = fault("malloc") ? NULL : realloc(kq->heap, most * sizeof(struct mni_note *));
    if (!heap)
        return -ENOMEM;
    kq->heap = heap;
    kq->heap_room = most;
    return 0;
}

static void insert(struct mni_kq *kq, struct mni_note *n) {
    put(kq, kq->timers, n);
    up(kq, kq->timers++);
}

static int rearm(struct mni_kq *kq) {
    int64_t first = kq->timers ? kq->heap[0]->timer.deadline : MN_FOREVER;
    if (first == kq->armed || kq->fd < 0)
        return 0;
    kq->changes++;
    kq->retime = true;
    return mni_kq_os_timer(kq, first);
}

int64_t mni_kq_timers_run(struct mni_kq *kq) {
    if (!kq->timers)
        return MN_FOREVER;
    int64_t now = (int64_t)clock_now_ns();
    bool any = false;
    while (kq->timers && kq->heap[0]->timer.deadline <= now) {
        struct mni_note *n = kq->heap[0];
        int64_t times = 1;
        any = true;
        if (n->timer.period) {
            times += (now - n->timer.deadline) / n->timer.period;
            /* No overflow: it is not more than a period after now. */
            n->timer.deadline += times * n->timer.period;
            down(kq, 0);
        } else {
            take_out(kq, n);
        }
        n->timer.count += (uint64_t)times;
        mni_note_activate(kq, n);
    }
    if (any) {
        kq->armed = 0; /* also when the next is due at the same time: it has to become unreadable */
        rearm(kq);
    }
    return kq->timers ? kq->heap[0]->timer.deadline : MN_FOREVER;
}

/* Nanoseconds, MN_FOREVER at most; -EINVAL. */
static int64_t span(const struct kevent *e) {
    int64_t unit;
    switch (e->fflags & UNITS) {
    case NOTE_SECONDS:
        unit = 1000000000;
        break;
    case 0:
    case NOTE_MSECONDS:
        unit = 1000000;
        break;
    case NOTE_USECONDS:
        unit = 1000;
        break;
    case NOTE_NSECONDS:
        unit = 1;
        break;
    default:
        return -EINVAL;
    }
    if (e->fflags & ~(unsigned)(UNITS | NOTE_ABSTIME) || e->data < 0)
        return -EINVAL;
    int64_t data = e->data || e->flags & EV_ONESHOT || e->fflags & NOTE_ABSTIME ? e->data : 1, ns;
    return __builtin_mul_overflow(data, unit, &ns) ? MN_FOREVER : ns;
}

/* (Re-)starts it as e says. */
static int set(struct mni_kq *kq, struct mni_note *n, const struct kevent *e) {
    int64_t ns = span(e);
    if (ns < 0)
        return (int)ns;
    int r = n->timer.index ? 0 : room(kq);
    if (r < 0)
        return r;
    int64_t now = (int64_t)clock_now_ns();
    bool once = e->flags & EV_ONESHOT || e->fflags & NOTE_ABSTIME;
    if (e->fflags & NOTE_ABSTIME) {
        struct timespec t;
        clock_gettime(CLOCK_REALTIME, &t);
        int64_t real = t.tv_sec * 1000000000l + t.tv_nsec;
        ns = ns > real ? ns - real : 0;
    }
    take_out(kq, n);
    mni_note_calm(kq, n);
    n->timer.count = 0;
    n->timer.period = once ? 0 : ns;
    if (__builtin_add_overflow(now, ns, &n->timer.deadline))
        n->timer.deadline = MN_FOREVER - 1;
    insert(kq, n);
    return rearm(kq);
}

static int attach(struct mni_kq *kq, struct mni_note *n) {
    n->ev.flags |= EV_CLEAR;
    int r = set(kq, n, &n->ev);
    if (r < 0)
        take_out(kq, n);
    return r;
}

static void detach(struct mni_kq *kq, struct mni_note *n) {
    take_out(kq, n);
    rearm(kq);
}

static int touch(struct mni_kq *kq, struct mni_note *n, const struct kevent *change) {
    if (!(change->flags & EV_ADD))
        return 0;
    int r = set(kq, n, change);
    if (r < 0)
        return r;
    n->ev.fflags = change->fflags;
    n->ev.data = change->data;
    n->ev.flags |= EV_CLEAR;
    return 0;
}

static int enable(struct mni_kq *kq, struct mni_note *n) {
    /* EV_DISPATCH disables the source: what came off since then was not asked for. */
    if (n->ev.flags & EV_DISPATCH && !(n->state & MNI_NOTE_DISABLED))
        n->timer.count = 0;
    if (n->timer.count)
        mni_note_activate(kq, n);
    return 0;
}

static int report(struct mni_kq *kq, struct mni_note *n, struct kevent *e) {
    (void)kq;
    if (!n->timer.count)
        return MNI_REPORT_NO;
    e->fflags = 0; /* the units were for the change */
    e->data = n->timer.count > INT64_MAX ? INT64_MAX : (int64_t)n->timer.count;
    n->timer.count = 0;
    return MNI_REPORT_YES;
}

const struct mni_filter mni_filter_timer = {attach, detach, touch, enable, report, NULL};
