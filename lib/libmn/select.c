/*
 * select: waiting for several channels and futures at once.
 *
 * Guarantee.  Exactly one case happens, or none and the result says so; a case that is ready all the time is
 * not passed over for ever; "none was ready" is true of one moment.
 *
 * First pass: of the cases that look ready without a lock, one at random is tried under its object's lock, then
 * those after it.  Most selects end here, with one lock taken. Second pass: the locks of all objects are taken,
 * each once, in the order of their addresses; so two selects cannot wait for each other.  All cases are tried
 * again, and only if none can happen, which is then true of all at the same time, a waiter is queued in each.
 * select.h says how the locks are then exchanged for one.
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
 */
#include <errno.h>
#include <mn/chan.h>
#include <mn/future.h>
#include <pthread.h>
#include <stdlib.h>

#include "bound.h"
#include "call.h"
#include "chan.h"
#include "clock.h"
#include "export.h"
#include "fault.h"
#include "future.h"
#include "select.h"
#include "thread.h"

enum {
    MOST_CASES = 1 << 24,
    KEEP_CASES = 256, /* records for more are freed after use */
    FIRST_CASES = 8,
};

static struct mni_olock *lock_of(const struct mn_case *c) {
    return c->kind == MN_CASE_NONE     ? NULL
           : c->kind == MN_CASE_FUTURE ? &c->future->lock
                                       : &c->channel->lock;
}

static bool valid(const struct mn_case *c) {
    switch (c->kind) {
    case MN_CASE_NONE:
        return true;
    case MN_CASE_SEND:
    case MN_CASE_RECV:
        return c->channel && (c->data || c->channel->size == 0);
    case MN_CASE_FUTURE:
        return c->future != NULL;
    }
    return false;
}

/* Without a lock. */
static bool looks_ready(const struct mn_case *c) {
    return c->kind == MN_CASE_NONE     ? false
           : c->kind == MN_CASE_FUTURE ? mni_future_settled(c->future)
                                       : mni_chan_ready(c->channel, c->kind == MN_CASE_SEND);
}

static void take_future(struct mn_case *c) {
    c->error = c->future->error;
    if (c->error == 0 && c->data)
        *(void **)c->data = c->future->value;
}

/* With its object's lock held: enum mni_chan_try. */
static int try_locked(struct mn_case *c, struct mni_queue *woken) {
    int r;
    switch (c->kind) {
    case MN_CASE_SEND:
        r = mni_chan_try_send_locked(c->channel, c->data, woken);
        break;
    case MN_CASE_RECV:
        r = mni_chan_try_recv_locked(c->channel, c->data, true, woken);
        break;
    case MN_CASE_FUTURE:
        if (!mni_future_settled(c->future))
            return MNI_CHAN_NOT_NOW;
        take_future(c);
        return MNI_CHAN_DONE;
    default:
        return MNI_CHAN_NOT_NOW;
    }
    if (r == MNI_CHAN_DONE || r < 0)
        c->error = r < 0 ? r : 0;
    return r < 0 ? MNI_CHAN_DONE : r;
}

/* The same without it.  An unbounded channel that cannot grow has happened, with an error. */
static bool try_case(struct mn_case *c) {
    struct mni_olock *lock = lock_of(c);
    for (;;) {
        struct mni_queue woken = {0};
        mni_lock_take(lock);
        int r = try_locked(c, &woken);
        mni_lock_drop(lock);
        mni_chan_wake(&woken);
        if (r != MNI_CHAN_NO_ROOM)
            return r == MNI_CHAN_DONE;
        c->error = mni_chan_more_room(c->channel);
        if (c->error < 0)
            return true;
    }
}

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

/* The first pass: the index, or -1. */
static int try_each(struct mn_case *cases, int n) {
    uint32_t ready = 0;
    int choice = 0;
    for (int i = 0; i < n; i++)
        if (looks_ready(&cases[i]) && (ready++ == 0 || below(ready) == 0))
            choice = i;
    for (int k = 0; k < n && ready > 0; k++) {
        int i = choice + k < n ? choice + k : choice + k - n;
        if (!looks_ready(&cases[i]))
            continue;
        if (try_case(&cases[i]))
            return i;
    }
    return -1;
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
    struct mni_worker *w = mni_worker_self();
    struct mni_thread *t = w ? w->cpu->current : mni_bound_self();
    return t ? t->own->select : foreign_records;
}

/* False: there is no way to free them at the end of the caller. */
static bool set_own(struct mni_select *s) {
    struct mni_worker *w = mni_worker_self();
    struct mni_thread *t = w ? w->cpu->current : mni_bound_self();
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
    free(old);
    memset(s, 0, sizeof *s + room * sizeof s->cases[0]);
    s->room = room;
    s->order = (uint32_t *)(void *)&s->cases[room];
    return s;
}

void mni_select_release(struct mni_select *s) {
    free(s);
}

static void give_back(struct mni_select *s) {
    if (s->room > KEEP_CASES && set_own(NULL))
        mni_select_release(s);
}

static int by_lock(const void *a, const void *b, void *arg) {
    const struct mni_select *s = arg;
    uintptr_t x = (uintptr_t)s->cases[*(const uint32_t *)a].lock,
              y = (uintptr_t)s->cases[*(const uint32_t *)b].lock;
    return x < y ? -1 : x > y;
}

/* Notes the cases' locks and sorts them by address; those of MN_CASE_NONE are NULL and come first. */
static void sort(struct mni_select *s, const struct mn_case *cases, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        s->cases[i].lock = lock_of(&cases[i]);
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

static void queue(struct mn_case *c, struct mni_waiter *w) {
    if (c->kind == MN_CASE_FUTURE)
        mni_queue_append(&c->future->waiters, w);
    else if (c->kind != MN_CASE_NONE)
        mni_chan_queue(c->channel, w, c->kind == MN_CASE_SEND);
}

static void unqueue(struct mn_case *c, struct mni_waiter *w) {
    if (c->kind == MN_CASE_NONE)
        return;
    mni_lock_take(lock_of(c));
    if (c->kind != MN_CASE_FUTURE)
        mni_chan_unqueue(c->channel, w, c->kind == MN_CASE_SEND);
    else if (mni_queued(w))
        mni_queue_remove(&c->future->waiters, w);
    mni_lock_drop(lock_of(c));
}

/* What happened in the case that a waker chose. */
static void finish(struct mn_case *c, int woken) {
    c->error = woken == MNI_WOKEN_CLOSED ? -EPIPE : 0;
    if (c->kind == MN_CASE_FUTURE)
        take_future(c);
    else if (woken == MNI_WOKEN_COMING)
        mni_chan_arrive(c->channel, c->kind == MN_CASE_SEND);
}

/* The second pass: the index, or an error. */
static int wait_for_one(struct mn_case *cases, uint32_t n, int64_t deadline) {
    bool poll = deadline != MN_FOREVER && (deadline <= 0 || deadline <= (int64_t)clock_now_ns());
    struct mni_select *s = records(n);
    if (!s)
        return -ENOMEM;
    sort(s, cases, n);
    uint32_t start = n > 0 ? below(n) : 0;
again:;
    struct mni_queue woken = {0};
    int happened = -1, r = MNI_CHAN_NOT_NOW;
    for_locks(s, n, lock_take);
    for (uint32_t k = 0; k < n && r == MNI_CHAN_NOT_NOW; k++) {
        happened = (int)((start + k) % n);
        r = try_locked(&cases[happened], &woken);
    }
    if (r != MNI_CHAN_NOT_NOW || poll) {
        for_locks(s, n, lock_drop);
        mni_chan_wake(&woken);
        if (r == MNI_CHAN_NO_ROOM && (cases[happened].error = mni_chan_more_room(cases[happened].channel)) == 0)
            goto again;
        give_back(s);
        return r == MNI_CHAN_NOT_NOW ? -ETIMEDOUT : happened;
    }
    for (uint32_t i = 0; i < n; i++) {
        struct mni_waiter *w = &s->cases[i].waiter;
        w->parker = mni_parker_self();
        w->data = cases[i].data;
        w->tag = mni_select_tag(i);
        queue(&cases[i], w);
    }
    mni_lock_take(&s->lock);
    for_locks(s, n, lock_drop);
    r = mni_wait("select", s, &s->lock, deadline);
    happened = r >= 0 ? r >> MNI_WOKEN_BITS : -1;
    for (uint32_t i = 0; i < n; i++)
        if ((int)i != happened)
            unqueue(&cases[i], &s->cases[i].waiter);
    if (r >= 0)
        finish(&cases[happened], r & MNI_WOKEN_MASK);
    give_back(s);
    return r >= 0 ? happened : r;
}

MN_EXPORT int mn_select(struct mn_case *cases, int n, int64_t deadline) {
    if (n < 0 || n > MOST_CASES || (n > 0 && !cases))
        return -EINVAL;
    for (int i = 0; i < n; i++)
        if (!valid(&cases[i]))
            return -EINVAL;
    struct mni_cpu *cpu = mni_call_begin();
    int r = mni_call_cancelled(cpu) ? -ECANCELED : try_each(cases, n);
    if (r == -1)
        r = wait_for_one(cases, (uint32_t)n, deadline);
    mni_call_end_moved(cpu);
    return r;
}
