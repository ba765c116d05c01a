/*
 * kevent: changes, events, and waiting for them.
 *
 * An event is a note in kq->active.  Notes get there in memory (USER by a change; TIMER by whoever looks at the
 * clock), or by asking the kernel (mni_kq_os_look).  Whether such a note really has something to report is seen
 * when it is taken out: its filter looks again.  A note without EV_CLEAR stays: in memory notes in the list,
 * the others in the kernel's set.
 *
 * Guarantee: an event that comes in memory goes to a green thread that waits without a system call, and no
 * event is left lying while somebody waits or polls the descriptor from outside.
 *
 * The naive way, an eventfd in the set for each USER event, costs two system calls an event, and a third for
 * the set: 2 us between two threads that could have switched in 100 ns.  Here, when a call leaves active notes
 * behind (settle):
 *
 *     a green or bound thread waits    it is claimed and made ready; it finds the note in the list when it runs
 *     nobody does                      the bell rings: an eventfd in the set; LWPs that sleep and pollers outside see it
 *     no notes are left                the bell, if it rings, is silenced
 *
 * Whoever was woken and leaves notes behind settles, too, so that one wake-up at a time is enough.  One that
 * was claimed and finds nothing (another call was faster) waits again; the note was taken by that call.
 *
 * How a caller waits:
 *
 *     green, bound    in kq->waiters, in memory, until its deadline or the first timer's; with notes whose events come by the
 *                     descriptor also for the descriptor (wait_here)
 *     other LWPs      in the kernel, for descriptor and bell: a signal handler is to end the call with -EINTR, as BSD programs
 *                     expect it
 */
#include <errno.h>
#include <mn/kqueue.h>

#include "clock.h"
#include "export.h"
#include "io/fd.h"
#include "io/poller.h"
#include "kq_os.h"
#include "sched/sched.h"
#include "sync/waiters.h"
#include "thread/bound.h"
#include "wait/call.h"

enum {
    LOOK_EVERY = 8,            /* calls that found enough in memory, until the kernel is asked in any case */
    PROBE_NS = 1000000000,     /* how often a sleeper looks whether the kqueue was closed behind our back */
    BELLLESS_NS = 100000000,   /* and comes back when there is no descriptor left for a bell */
};

static const struct mni_filter *filter_of(int filter) {
    switch (filter) {
    case EVFILT_READ:
        return &mni_filter_read;
    case EVFILT_WRITE:
        return &mni_filter_write;
    case EVFILT_VNODE:
        return &mni_filter_vnode;
    case EVFILT_PROC:
        return &mni_filter_proc;
    case EVFILT_SIGNAL:
        return &mni_filter_signal;
    case EVFILT_TIMER:
        return &mni_filter_timer;
    case EVFILT_USER:
        return &mni_filter_user;
    default:
        return NULL;
    }
}

enum { ACTIONS = EV_DELETE | EV_ENABLE | EV_DISABLE | EV_FORCEONESHOT | EV_KEEPUDATA };

static int add(struct mni_kq *kq, const struct mni_filter *f, const struct kevent *c) {
    struct mni_note *n = mni_note_make(kq, c);
    if (!n)
        return -ENOMEM;
    n->filter = f;
    n->ev.flags &= (unsigned short)~ACTIONS;
    if (c->flags & EV_DISABLE && !(c->flags & EV_ENABLE))
        n->state |= MNI_NOTE_DISABLED;
    int r = f->attach(kq, n);
    if (r < 0)
        mni_note_drop(kq, n, false);
    return r;
}

static int modify(struct mni_kq *kq, struct mni_note *n, const struct kevent *c) {
    /* How it is to be reported is said when it is first added; it can become EV_ONESHOT later. */
    if (c->flags & EV_ADD)
        n->ev.flags = (unsigned short)((n->ev.flags & ~EV_ONESHOT) | (c->flags & EV_ONESHOT));
    if (!(c->flags & EV_KEEPUDATA))
        n->ev.udata = c->udata;
    int r = n->filter->touch(kq, n, c);
    bool disabled = n->state & MNI_NOTE_DISABLED, disable = disabled;
    if (c->flags & EV_ENABLE)
        disable = false;
    else if (c->flags & EV_DISABLE)
        disable = true;
    else if (c->flags & EV_ADD)
        disable = false;
    if (r == 0 && disable != disabled) {
        if (disable)
            mni_note_calm(kq, n);
        n->state ^= MNI_NOTE_DISABLED;
        r = n->filter->enable ? n->filter->enable(kq, n) : 0;
    }
    if (r == 0 && c->flags & EV_FORCEONESHOT) {
        n->ev.flags |= EV_ONESHOT;
        n->state |= MNI_NOTE_FORCED;
        mni_note_activate(kq, n);
    }
    return r;
}

/* One change: 0 or a negative errno. */
static int change(struct mni_kq *kq, const struct kevent *given) {
    struct kevent c = *given;
    c.flags &= (unsigned short)~EV_SYSFLAGS;
    const struct mni_filter *f = filter_of(c.filter);
    if (!f || (c.flags & EV_ADD && c.flags & EV_KEEPUDATA))
        return -EINVAL;
    struct mni_note *n = mni_note_find(kq, c.ident, c.filter);
    if (n && !(c.flags & EV_DELETE)) {
        int r = modify(kq, n, &c);
        if (r != MNI_NOTE_STALE)
            return r;
        mni_note_drop(kq, n, true);
        n = NULL;
    }
    if (n) {
        /* The descriptor may have been closed, or be another by now: then the note had gone before. */
        int r = f->gone ? f->gone(kq, n) : 0;
        mni_note_drop(kq, n, true);
        return r;
    }
    if (c.flags & EV_ADD)
        return add(kq, f, &c);
    return f->gone && !mni_kq_os_open_fd(c.ident) ? -EBADF : -ENOENT;
}

/* Takes events out: how many. */
static int scan(struct mni_kq *kq, struct kevent *events, int most) {
    int n = 0;
    for (uint32_t left = kq->count; left && n < most; left--) {
        struct mni_note *note = list_entry(list_first(&kq->active), struct mni_note, active);
        mni_note_calm(kq, note);
        struct kevent e = note->ev;
        int r = note->state & MNI_NOTE_FORCED ? MNI_REPORT_LAST : note->filter->report(kq, note, &e);
        if (r == MNI_REPORT_NO)
            continue;
        if (r == MNI_REPORT_GONE) {
            mni_note_drop(kq, note, true);
            continue;
        }
        events[n++] = e;
        if (r == MNI_REPORT_LAST || note->ev.flags & EV_ONESHOT) {
            mni_note_drop(kq, note, true);
        } else if (note->ev.flags & EV_DISPATCH) {
            note->state |= MNI_NOTE_DISABLED;
            if (note->filter->enable)
                note->filter->enable(kq, note);
        } else if (r == MNI_REPORT_AGAIN && !(note->ev.flags & EV_CLEAR)) {
            mni_note_activate(kq, note);
        }
    }
    return n;
}

/*
 * Whether the kernel is to be asked.  Not if there is enough in memory, and not by one who is going to wait
 * while the runtime watches the descriptor and has seen nothing; but every so often, since the runtime looks at
 * times only, when it is busy.
 */
static bool to_look(struct mni_kq *kq, int most, bool waits) {
    if (kq->stirred)
        return !(kq->stirred = false);
    if (!kq->sources)
        return false;
    if ((kq->count < (uint32_t)most && !(waits && kq->watched && kq->watched == a32_load(&mni_poller_epoch))) ||
        ++kq->scan >= LOOK_EVERY) {
        kq->scan = 0;
        return true;
    }
    return false;
}

/* All that is there now.  *due: when the next timer is.  -EBADF: the kqueue has vanished. */
static int collect(struct mni_kq *kq, struct kevent *events, int most, bool waits, int64_t *due) {
    *due = mni_kq_timers_run(kq);
    if (to_look(kq, most, waits)) {
        int r = mni_kq_os_look(kq);
        if (r < 0)
            return r;
    }
    return kq->count ? scan(kq, events, most) : 0;
}

/* The runtime is to say when the descriptor is readable. */
static int watch(struct mni_kq *kq) {
    /* Acquire: pairs with the release of mni_poller_open. */
    uint32_t epoch = a32_load_acquire(&mni_poller_epoch);
    if (kq->watched == epoch)
        return 0;
    int r = mni_fd_watch(kq->fd);
    if (r == 0)
        kq->watched = epoch;
    return r;
}

/* Claims those who wait and have to be told something; they are in *out then.  The lock is held. */
static void call_waiters(struct mni_kq *kq, struct mni_queue *out) {
    bool all = kq->retime || (kq->sources && kq->blind) || (kq->sources && watch(kq) < 0);
    kq->retime = false;
    if (all) {
        mni_claim_all(&kq->waiters, out);
        kq->blind = 0;
    } else if (kq->count) {
        struct mni_waiter *w = mni_claim_first(&kq->waiters);
        if (w)
            mni_queue_append(out, w);
    }
}

/* The end of a call that may leave notes behind; the lock is held, and dropped. */
static void settle(struct mni_kq *kq) {
    struct mni_queue out = {0};
    if (!mni_queue_empty(&kq->waiters))
        call_waiters(kq, &out);
    if (mni_queue_empty(&out) && __builtin_expect(kq->rung != (kq->count != 0), 0))
        mni_kq_os_ring(kq, kq->count != 0);
    mni_kq_drop(kq);
    mni_wake_all(&out);
}

void mni_kq_event(int fd) {
    struct mni_kq *kq = mni_kq_take(fd);
    if (!kq)
        return;
    kq->watched = 0;
    struct mni_waiter *w = mni_claim_first(&kq->waiters);
    mni_kq_drop(kq);
    if (w)
        mni_wake(w->parker);
}

/*
 * What a waiter knows of the kqueue when it decides to wait, in its record: w->data is the kqueue, w->tag
 * generation, changes and whether there were sources.
 */
static uint64_t known(const struct mni_kq *kq) {
    return (uint64_t)kq->generation << 32 | (kq->changes << 1 & 0xffffffff) | (kq->sources != 0);
}

/* Under the lock: 0: it is in the queue, and will be told; 1: something has changed; or a negative errno. */
static int queue_up(struct mni_kq *kq, struct mni_waiter *w) {
    if (w->tag != known(kq) || kq->count)
        return 1;
    int r = kq->sources ? watch(kq) : 0;
    if (r < 0)
        return r;
    if (!kq->sources)
        kq->blind = 1;
    mni_queue_append(&kq->waiters, w);
    return 0;
}

/* On the next stack, as in io/fd.c: while a thread looks for the next one events may be handed out, to this
 * kqueue too. */
static void after_kevent(struct mni_cpu *c, struct mni_thread *t) {
    struct mni_kq *kq = t->waiter.data;
    mni_lock_take(&kq->lock);
    int r = queue_up(kq, &t->waiter);
    if (r == 0) {
        mni_begin_wait(c, t);
        mni_kq_drop(kq);
        return;
    }
    mni_kq_drop(kq);
    if (mni_begin_wait(c, t) && mni_claim(&t->park, r < 0 ? r : 0))
        mni_ready(c, t);
}

/* Waits as a thread of the runtime.  The lock is held before, and after it. */
static int wait_here(struct mni_kq *kq, struct mni_cpu *c, int64_t deadline) {
    struct mni_waiter *w = mni_waiter_self();
    const bool polls = kq->sources != 0;
    int r;
    w->data = kq;
    w->tag = known(kq);
    if (polls && (r = mni_poller_open()) < 0)
        return r;
    if (c) {
        mni_kq_drop(kq);
        if (polls)
            mni_poller_waits(c);
        r = mni_wait_after(c, "kevent", kq, deadline, after_kevent);
        if (polls)
            mni_poller_waited(mni_cpu_self());
    } else {
        if ((r = queue_up(kq, w)) != 0)
            return r < 0 ? r : 0;
        if (polls)
            mni_poller_waits(NULL);
        r = mni_wait("kevent", kq, &kq->lock, deadline);
        if (polls)
            mni_poller_waited(NULL);
    }
    mni_lock_take(&kq->lock);
    mni_leave_queue(&kq->waiters, w);
    return r;
}

/* Waits as an LWP, in the kernel. */
static int sleep_here(struct mni_kq *kq, int64_t deadline) {
    int fd = kq->fd, bell = mni_kq_os_bell(kq) < 0 ? -1 : kq->bell;
    int64_t soon = (int64_t)clock_now_ns() + (bell < 0 ? BELLLESS_NS : PROBE_NS);
    kq->sleepers++;
    mni_kq_drop(kq);
    int r = mni_kq_os_sleep(fd, bell, deadline < soon ? deadline : soon);
    mni_lock_take(&kq->lock);
    kq->stirred |= r == 0;
    return r;
}

/* The lock is held, and dropped. */
static int wait_events(struct mni_kq *kq, struct kevent *events, int most, int64_t deadline, bool lwp) {
    const uint32_t generation = kq->generation;
    bool interrupted = false;
    for (;;) {
        int64_t due;
        int n = collect(kq, events, most, !lwp && !mni_passed(deadline), &due);
        if (n < 0) {
            mni_kq_vanished(kq);
            return n;
        }
        if (n > 0 || interrupted || mni_passed(deadline)) {
            settle(kq);
            return n == 0 && interrupted ? -EINTR : n;
        }
        if (kq->rung)
            mni_kq_os_ring(kq, false);
        if (due > deadline)
            due = deadline;
        if (lwp) {
            int r = sleep_here(kq, due);
            if (mni_kq_awake(kq, generation))
                return -EBADF;
            interrupted = r == -EINTR && !mni_kq_os_silent();
            if (r == -ETIMEDOUT && !mni_kq_os_is(kq->fd)) {
                mni_kq_vanished(kq);
                return -EBADF;
            }
        } else {
            int r = wait_here(kq, mni_worker_self() ? mni_cpu_self() : NULL, due);
            bool closed = kq->generation != generation;
            if (closed || (r < 0 && r != -ETIMEDOUT)) {
                if (closed)
                    mni_kq_drop(kq);
                else
                    settle(kq);
                return r < 0 && r != -ETIMEDOUT ? r : -EBADF;
            }
        }
    }
}

/* Of a change: whether it becomes an event; the rest of the changes is not made if *stop. */
static int changes_made(struct mni_kq *kq, const struct kevent *changes, int nchanges, struct kevent *events,
                        int nevents, bool *stop) {
    int errors = 0;
    for (int i = 0; i < nchanges; i++) {
        struct kevent c = changes[i]; /* events may be the same array */
        if (!c.filter)                /* is no change, as on FreeBSD */
            continue;
        int r = change(kq, &c);
        if (r == 0 && !(c.flags & EV_RECEIPT))
            continue;
        if (errors == nevents) {
            *stop = true;
            return r < 0 ? r : errors;
        }
        c.flags |= EV_ERROR;
        c.data = -r;
        events[errors++] = c;
    }
    *stop = errors != 0;
    return errors;
}

static int kevent_inside(struct mni_cpu *cpu, int fd, const struct kevent *changes, int nchanges,
                         struct kevent *events, int nevents, int64_t deadline) {
    if (nchanges < 0 || nevents < 0)
        return -EINVAL;
    if ((nchanges && !changes) || (nevents && !events))
        return -EFAULT;
    if (nevents && mni_call_cancelled(cpu))
        return -ECANCELED;
    bool lwp = !cpu && !mni_bound_self();
    if (lwp)
        mni_kq_os_signals(changes, nchanges);
    struct mni_kq *kq = mni_kq_take(fd);
    if (!kq)
        return -EBADF;
    if (nchanges) {
        bool stop = false;
        int r = changes_made(kq, changes, nchanges, events, nevents, &stop);
        if (stop || !nevents) {
            settle(kq);
            return r;
        }
    }
    if (!nevents) {
        mni_kq_drop(kq);
        return 0;
    }
    return wait_events(kq, events, nevents, deadline, lwp);
}

MN_EXPORT int mn_kevent_until(int kq, const struct kevent *changes, int nchanges, struct kevent *events,
                              int nevents, int64_t deadline) {
    struct mni_cpu *cpu = mni_call_begin();
    int r = kevent_inside(cpu, kq, changes, nchanges, events, nevents, deadline);
    mni_call_end_moved(cpu);
    return r;
}

MN_EXPORT int mn_kevent(int kq, const struct kevent *changes, int nchanges, struct kevent *events, int nevents,
                        const struct timespec *timeout) {
    int64_t deadline = MN_FOREVER;
    if (timeout) {
        if (timeout->tv_sec < 0 || !clock_valid(timeout))
            return -EINVAL;
        int64_t ns;
        if (timeout->tv_sec == 0 && timeout->tv_nsec == 0)
            deadline = 0;
        else if (!__builtin_mul_overflow(timeout->tv_sec, 1000000000, &ns) &&
                 !__builtin_add_overflow(ns, timeout->tv_nsec, &ns))
            deadline = mn_after(ns);
    }
    return mn_kevent_until(kq, changes, nchanges, events, nevents, deadline);
}
