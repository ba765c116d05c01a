/*
 * select: waiting for several channels, futures, events, semaphores and descriptors at once.
 *
 * Guarantee.  Exactly one case happens, or none and the result says so; a case that is ready all the time is
 * not passed over for ever; "none was ready" is true of one moment.
 *
 * First pass: of the cases that look ready without a lock, one at random is tried under its object's lock, then
 * those after it.  Most selects end here, with one lock taken. Second pass: the locks of all objects are taken,
 * each once, in the order of their addresses; so two selects cannot wait for each other.  All cases are tried
 * again, and only if none can happen, which is then true of all at the same time, a waiter is queued in each.
 * Third: the thread waits, as many.c has it.
 *
 * A waker of any of the objects claims the thread with the index of its case; the claim decides between
 * several, as between waker and deadline (wait.h), and only who claimed copies an element.  Awake, the select
 * takes its other waiters out of their queues, one lock at a time.  It may not leave that to the wakers that
 * find them: the records are used again.
 *
 *     a select waits on A and B; both are sent to at once, from two CPUs
 *         sender of A: lock A, take the waiter out, lock the select, claim (WAITING -> CLAIMED), copy, wake
 *         sender of B: lock B, take the waiter out, lock the select, the claim fails: next waiter, or buffer
 *     B's waiter is then in no queue, which the select sees under B's lock.
 *
 * A waker that comes between the second pass and the third claims nothing: it leaves the select out and notes
 * that, and the select begins again with the second pass.
 *
 * Descriptors.  Whether one is ready is no state of ours, but poll(2)'s answer, and the runtime hears of
 * changes only (io/poll.c).  So they come first in each pass: poll(2) is asked for all; if none is ready, their
 * waiters are queued, before any lock of an object is taken, since that makes system calls; an event that comes
 * from then on is noted, whether the select waits or not, and has it begin again.  With descriptors "none was
 * ready" is true of the objects at one moment, and of the descriptors at another just before it.  Without a
 * runtime nobody hears of changes: then they are looked at again every millisecond.
 */
#include <errno.h>
#include <mn/chan.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>

#include "chan.h"
#include "clock.h"
#include "export.h"
#include "fault.h"
#include "io/poll.h"
#include "io/poller.h"
#include "select.h"
#include "select_case.h"
#include "thread/bound.h"
#include "thread/thread.h"
#include "wait/call.h"

enum {
    MOST_CASES = 1 << 24,
    KEEP_CASES = 256, /* records for more are freed after use */
    FIRST_CASES = 8,
    LOOK_NS = 1000000, /* at descriptors, without a runtime */
};

/* Different on each LWP, and never kept across a switch. */
static __attribute__((noinline)) uint32_t some_number(void) {
    static __thread uint32_t state;
    if (state == 0)
        state = (uint32_t)((uintptr_t)&state >> 4) | 1;
    /* xorshift32 */
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

static uint32_t below(uint32_t n) {
    return (uint32_t)((uint64_t)some_number() * n >> 32);
}

/*
 * Where the caller keeps its records.  Green and bound threads: in the descriptor; mni_thread_cleanup frees
 * them.  A foreign LWP: in a __thread variable, whose key frees them at its end.
 */
static __thread void *foreign_records;
static pthread_key_t foreign_key;
static pthread_once_t foreign_once = PTHREAD_ONCE_INIT;
static bool foreign_key_made;

static void foreign_end(void *s) {
    foreign_records = NULL;
    mni_select_release(s);
}

static void make_key(void) {
    foreign_key_made = pthread_key_create(&foreign_key, foreign_end) == 0;
}

static struct mni_select *own(void) {
    struct mni_thread *t = mni_thread_here();
    return t ? t->own->select : foreign_records;
}

/* False: there is no way to free them at the end of the caller. */
static bool set_own(struct mni_select *s) {
    struct mni_thread *t = mni_thread_here();
    if (t) {
        t->own->select = s;
        t->flags |= MNI_UNTIDY;
        return true;
    }
    pthread_once(&foreign_once, make_key);
    if (!foreign_key_made || pthread_setspecific(foreign_key, s) != 0)
        return false;
    foreign_records = s;
    return true;
}

/* The caller's records, with room for n cases; NULL: no memory. */
static struct mni_select *records(uint32_t n) {
    struct mni_select *old = own();
    if (old && old->room >= n)
        return old;
    uint32_t room = n > FIRST_CASES ? n : FIRST_CASES;
    struct mni_select *s =
        fault("malloc") ? NULL : malloc(sizeof *s + room * (sizeof s->cases[0] + sizeof s->order[0]));
    if (!s || !set_own(s)) {
        free(s);
        return NULL;
    }
    if (old)
        mni_select_release(old);
    memset(s, 0, sizeof *s + room * sizeof s->cases[0]);
    s->room = room;
    s->order = (uint32_t *)(void *)&s->cases[room];
    return s;
}

void mni_select_release(struct mni_select *s) {
    free(s->polled);
    free(s);
}

/* Notes the cases' descriptors: 0 or a negative errno. */
static int note_descriptors(struct mni_select *s, const struct mn_case *cases, uint32_t n, uint32_t count) {
    if (s->fd_room < count) {
        struct mni_polled *p = fault("malloc") ? NULL : malloc(count * (sizeof *p + sizeof *s->fds));
        if (!p)
            return -ENOMEM;
        free(s->polled);
        s->polled = p;
        s->fds = (struct pollfd *)(void *)(p + count);
        s->fd_room = count;
    }
    s->nfds = 0;
    for (uint32_t i = 0; i < n; i++)
        if (mni_case_is_fd(&cases[i])) {
            s->fds[s->nfds] = (struct pollfd){.fd = cases[i].fd,
                                              .events = cases[i].kind == MN_CASE_READABLE ? POLLIN : POLLOUT};
            s->cases[i].place = s->nfds++;
        }
    return mni_polled_begin(s->fds, s->nfds, s->polled);
}

static void give_back(struct mni_select *s) {
    if (s->room > KEEP_CASES && set_own(NULL))
        mni_select_release(s);
}

/* Whether it may happen, without a lock. */
static bool looks_ready(const struct mni_select *s, const struct mn_case *c, uint32_t i) {
    return mni_case_is_fd(c) ? s->fds[s->cases[i].place].revents != 0 : mni_case_ready(c);
}

/* The first pass: the index, or -1. */
static int try_each(const struct mni_select *s, struct mn_case *cases, int n) {
    uint32_t ready = 0;
    int choice = 0;
    for (int i = 0; i < n; i++)
        if (looks_ready(s, &cases[i], (uint32_t)i) && (ready++ == 0 || below(ready) == 0))
            choice = i;
    for (int k = 0; k < n && ready > 0; k++) {
        int i = choice + k < n ? choice + k : choice + k - n;
        if (!looks_ready(s, &cases[i], (uint32_t)i))
            continue;
        if (mni_case_is_fd(&cases[i])) {
            cases[i].error = s->fds[s->cases[i].place].revents & POLLNVAL ? -EBADF : 0;
            return i;
        }
        if (mni_case_try(&cases[i]))
            return i;
    }
    return -1;
}

static int by_lock(const void *a, const void *b, void *arg) {
    const struct mni_select *s = arg;
    uintptr_t x = (uintptr_t)s->cases[*(const uint32_t *)a].lock,
              y = (uintptr_t)s->cases[*(const uint32_t *)b].lock;
    return x < y ? -1 : x > y;
}

/* Notes the cases' locks and sorts them by address; those that have none are NULL and come first. */
static void sort(struct mni_select *s, const struct mn_case *cases, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        s->cases[i].lock = mni_case_lock(&cases[i]);
        s->order[i] = i;
    }
    if (n > 16) {
        qsort_r(s->order, n, sizeof s->order[0], by_lock, s);
        return;
    }
    for (uint32_t i = 1; i < n; i++) {
        uint32_t x = s->order[i], k = i;
        for (; k > 0 && by_lock(&s->order[k - 1], &x, s) > 0; k--)
            s->order[k] = s->order[k - 1];
        s->order[k] = x;
    }
}

static void for_locks(struct mni_select *s, uint32_t n, void (*each)(struct mni_olock *)) {
    struct mni_olock *last = NULL;
    for (uint32_t k = 0; k < n; k++) {
        struct mni_olock *l = s->cases[s->order[k]].lock;
        if (l != last)
            each(l);
        last = l;
    }
}

static void lock_take(struct mni_olock *l) {
    mni_lock_take(l);
}
static void lock_drop(struct mni_olock *l) {
    mni_lock_drop(l);
}

/*
 * The second pass: enum mni_chan_try, and the index of the case.  NOT_NOW: none can happen at this moment; with
 * wait, waiters are queued in all objects.
 */
static int try_all(struct mni_select *s, struct mn_case *cases, uint32_t n, bool wait, uint32_t *index) {
    struct mni_queue woken = {0};
    uint32_t start = n > 0 ? below(n) : 0;
    int r = MNI_CHAN_NOT_NOW;
    for_locks(s, n, lock_take);
    for (uint32_t i = 0; i < n; i++)
        mni_case_mark(&cases[i]);
    for (uint32_t k = 0; k < n && r == MNI_CHAN_NOT_NOW; k++) {
        *index = (start + k) % n;
        r = mni_case_try_locked(&cases[*index], &woken);
    }
    for (uint32_t i = 0; i < n && wait && r == MNI_CHAN_NOT_NOW; i++) {
        struct mni_waiter *w = &s->cases[i].waiter;
        w->parker = mni_parker_self();
        w->data = cases[i].data;
        w->tag = mni_select_tag(i);
        mni_case_queue(&cases[i], w);
    }
    for (uint32_t i = 0; i < n; i++)
        mni_case_unmark(&cases[i]);
    for_locks(s, n, lock_drop);
    mni_wake_all(&woken);
    return r;
}

/* The third: the caller is queued everywhere.  The index of its case, MNI_WOKEN_AGAIN in *woken, or a
 * negative errno. */
static int wait_for_one(struct mni_select *s, struct mn_case *cases, uint32_t n, int64_t deadline) {
    if (s->nfds)
        mni_poller_waits(mni_cpu_here());
    int r = mni_many_wait(&s->many, s->nfds ? "select with descriptors" : "select", s, deadline);
    if (s->nfds)
        mni_poller_waited(mni_cpu_here());
    const bool chosen = r >= 0 && r != MNI_WOKEN_AGAIN;
    const int happened = chosen ? r >> MNI_WOKEN_BITS : -1;
    for (uint32_t i = 0; i < n; i++)
        if ((int)i != happened)
            mni_case_leave(&cases[i], &s->cases[i].waiter);
    if (chosen)
        mni_case_finish(&cases[happened], r & MNI_WOKEN_MASK);
    return chosen ? happened : r < 0 ? r : -EAGAIN;
}

/* What the second pass found out: the index; -EAGAIN: everything is to be looked at again; or an error. */
static int conclude(struct mni_select *s, struct mn_case *cases, uint32_t n, bool wait, int64_t deadline) {
    uint32_t index = 0;
    switch (try_all(s, cases, n, wait, &index)) {
    case MNI_CHAN_DONE:
        return (int)index;
    case MNI_CHAN_NO_ROOM:
        cases[index].error = mni_chan_more_room(cases[index].channel);
        return cases[index].error == 0 ? -EAGAIN : (int)index;
    default:
        return wait ? wait_for_one(s, cases, n, deadline) : -ETIMEDOUT;
    }
}

/* Second and third pass: as above. */
static int try_and_wait(struct mni_select *s, struct mn_case *cases, uint32_t n, int64_t deadline) {
    const bool wait = !mni_passed(deadline);
    s->many.fired = false;
    if (!s->nfds || !wait)
        return conclude(s, cases, n, wait, deadline);
    int r = mni_poller_open();
    if (r < 0)
        return r;
    if (r > 0) { /* no runtime */
        const int64_t next = (int64_t)clock_now_ns() + LOOK_NS;
        r = conclude(s, cases, n, true, next < deadline ? next : deadline);
        return r == -ETIMEDOUT ? -EAGAIN : r;
    }
    r = mni_polled_queue(s->fds, s->nfds, s->polled, &s->many);
    r = r == 0 ? conclude(s, cases, n, true, deadline) : r > 0 ? -EAGAIN : r;
    mni_polled_leave(s->nfds, s->polled);
    return r;
}

/* fds: cases of descriptors. */
static int select_inside(struct mn_case *cases, uint32_t n, uint32_t fds, int64_t deadline) {
    int r;
    if (!fds && (r = try_each(NULL, cases, (int)n)) >= 0)
        return r;
    struct mni_select *s = records(n);
    if (!s)
        return -ENOMEM;
    s->nfds = 0;
    r = fds ? note_descriptors(s, cases, n, fds) : 0;
    sort(s, cases, n);
    while (r == 0) {
        if (fds && (r = mni_polled_look(s->fds, s->nfds, s->polled)) < 0)
            break;
        if ((r = try_each(s, cases, (int)n)) < 0 && (r = try_and_wait(s, cases, n, deadline)) == -EAGAIN)
            r = 0;
        else
            break;
    }
    give_back(s);
    return r;
}

MN_EXPORT int mn_select(struct mn_case *cases, int n, int64_t deadline) {
    if (n < 0 || n > MOST_CASES || (n > 0 && !cases))
        return -EINVAL;
    uint32_t fds = 0;
    for (int i = 0; i < n; i++) {
        if (!mni_case_valid(&cases[i]))
            return -EINVAL;
        fds += mni_case_is_fd(&cases[i]);
    }
    struct mni_cpu *cpu = mni_call_begin();
    int r = mni_call_cancelled(cpu) ? -ECANCELED : select_inside(cases, (uint32_t)n, fds, deadline);
    mni_call_end_moved(cpu);
    return r;
}
