/*
 * scope: threads that end before the one that opened the scope goes on (mn/scope.h).
 *
 * Guarantee.  When mn_scope_close returns, no code of any member runs any more, and nothing of libmn touches
 * the scope's memory again.  Entering and leaving take constant time, however many members there are.
 *
 * The record is not the program's, on its stack: a thread that returns with an open scope has left that frame,
 * and its members have yet to be ended.
 *
 * A member is entered by who starts it, before anyone could run it, and leaves by itself when its function, its
 * deferred functions and its destructors are done: all that is left is libmn's own, on the member's stack,
 * which libmn keeps.  The last to leave claims the owner under the lock and wakes it after.  The owner always
 * takes the lock once more before it believes that nobody is left, so it cannot free the lock under somebody
 * who has yet to drop it; and dropping is the leaver's last touch.
 *
 * Cancelling many.  The naive way walks the members under the lock: 100,000 of them take 10 ms, during which
 * none can leave and their CPUs spin.  Here they are moved from one list (members) to another (told), a batch
 * at a time; each batch is noted by its handles, and cancelled without the lock: a handle goes stale when its
 * thread ends, and cancelling by a stale handle does nothing.  Once CANCELLED is set nobody enters, so the walk
 * ends.
 *
 *     state       entering   leaving   set by
 *     0           yes        yes       open
 *     CANCELLED   no         yes       cancel, fail, close; a cancelled owner that waits
 *
 * All words are guarded by the lock, but for owner, outer and defers, which are the owner's.
 */
#include "scope.h"

#include <errno.h>
#include <mn/scope.h>
#include <stdlib.h>

#include "bound.h"
#include "create.h"
#include "export.h"
#include "fault.h"
#include "sync/waiters.h"

enum { CANCELLED = 1, BATCH = 64 };

struct mn_scope {
    uint32_t lock, state;
    int32_t error; /* the first */
    uint32_t flags;
    uint64_t alive; /* members */
    struct mni_parker *owner, *waiter; /* the owner, while it waits */
    struct list members, told;
    struct mn_scope *outer; /* the owner's next open scope */
    struct mni_defer *defers; /* the owner's latest, when it was opened */
};

/* The caller, if it is a thread; it is in the runtime. */
static struct mni_thread *caller(const struct mni_cpu *c) {
    return c ? c->current : mni_bound_self();
}

MN_EXPORT int mn_scope_open(struct mn_scope **scope, unsigned flags) {
    if (!scope || flags & ~(unsigned)MN_SCOPE_KEEP_GOING)
        return -EINVAL;
    struct mn_scope *s = fault("malloc") ? NULL : malloc(sizeof *s);
    if (!s)
        return -ENOMEM;
    struct mni_cpu *c = mni_call_begin();
    *s = (struct mn_scope){.flags = flags, .owner = mni_parker_self()};
    list_init(&s->members);
    list_init(&s->told);
    struct mni_thread *t = caller(c);
    if (t) {
        s->defers = t->own->defers;
        s->outer = t->own->scopes;
        t->own->scopes = s;
        t->flags |= MNI_UNTIDY;
    }
    mni_call_end_here(c);
    *scope = s;
    return 0;
}

int mni_scope_enter(struct mn_scope *s, struct mni_thread *t) {
    mni_lock_take(mni_lock_in(s));
    int r = s->state & CANCELLED ? -ECANCELED : 0;
    if (r == 0) {
        list_append(&s->members, &mni_extra(t)->scope_link);
        mni_extra(t)->scope = s;
        t->flags |= MNI_UNTIDY;
        s->alive++;
    }
    mni_lock_drop(mni_lock_in(s));
    return r;
}

MN_EXPORT int mn_scope_cancel(struct mn_scope *s) {
    mn_thread batch[BATCH];
    unsigned n;
    do {
        struct mni_cpu *c = mni_call_begin();
        n = 0;
        mni_lock_take(mni_lock_in(s));
        s->state |= CANCELLED;
        struct list *link;
        while (n < BATCH && (link = list_pop(&s->members))) {
            list_append(&s->told, link);
            batch[n++] = mni_thread_handle(mni_extra_thread(list_entry(link, struct mni_extra, scope_link)));
        }
        mni_lock_drop(mni_lock_in(s));
        mni_call_end_here(c);
        for (unsigned i = 0; i < n; i++)
            mn_cancel(batch[i]);
    } while (n == BATCH);
    return 0;
}

MN_EXPORT int mn_scope_fail(struct mn_scope *s, int error) {
    if (error >= 0)
        return -EINVAL;
    bool keep_going = s->flags & MN_SCOPE_KEEP_GOING;
    struct mni_cpu *c = mni_call_begin();
    mni_lock_take(mni_lock_in(s));
    if (s->error == 0)
        s->error = error;
    mni_lock_drop(mni_lock_in(s));
    mni_call_end_here(c);
    return keep_going ? 0 : mn_scope_cancel(s);
}

void mni_scope_leave(struct mni_thread *t, void *result) {
    struct mn_scope *s = mni_extra(t)->scope;
    int error = t->flags & MNI_INT_RESULT ? (int)(intptr_t)result : 0;
    struct mni_cpu *c;
    if (error < 0) {
        c = mni_call_begin();
        mni_lock_take(mni_lock_in(s));
        /* That it was cancelled is no failure of its own. */
        bool obeyed = error == -ECANCELED && s->state & CANCELLED;
        mni_lock_drop(mni_lock_in(s));
        mni_call_end_here(c);
        if (!obeyed)
            mn_scope_fail(s, error);
    }
    c = mni_call_begin();
    mni_lock_take(mni_lock_in(s));
    list_remove(&mni_extra(t)->scope_link);
    mni_extra(t)->scope = NULL;
    struct mni_parker *waiter = NULL;
    if (--s->alive == 0 && s->waiter && mni_claim(s->waiter, 0))
        waiter = s->waiter;
    mni_lock_drop(mni_lock_in(s));
    if (waiter)
        mni_wake(waiter);
    mni_call_end_here(c);
}

/* Whether the caller may wait for it. */
static bool mine(const struct mn_scope *s) {
    struct mni_cpu *c = mni_call_begin();
    bool r = s->owner == mni_parker_self();
    mni_call_end_here(c);
    return r;
}

/* Waits until nobody is left: 0, -ETIMEDOUT.  Enters and leaves by itself; a cancellation is passed on. */
static int wait(struct mn_scope *s, int64_t deadline) {
    struct mni_cpu *c = mni_begin_blocking();
    int r = 0;
    bool told = false, shielded = false;
    mni_lock_take(mni_lock_in(s));
    while (s->alive) {
        s->waiter = s->owner;
        r = mni_wait("scope", s, mni_lock_in(s), deadline);
        mni_lock_take(mni_lock_in(s));
        s->waiter = NULL;
        if (r == -ETIMEDOUT)
            break;
        if (r == -ECANCELED && !told) {
            mni_lock_drop(mni_lock_in(s));
            mni_call_end_here(c ? mni_cpu_self() : NULL);
            mn_scope_cancel(s);
            c = mni_call_begin();
            told = true;
            shielded = mni_shield_self(true);
            mni_lock_take(mni_lock_in(s));
        }
    }
    r = s->alive ? -ETIMEDOUT : 0;
    mni_lock_drop(mni_lock_in(s));
    if (told)
        mni_shield_self(shielded);
    mni_end_blocking(c);
    return r;
}

MN_EXPORT int mn_scope_wait_until(struct mn_scope *s, int64_t deadline) {
    if (!mine(s))
        return -EPERM;
    int r = wait(s, deadline);
    if (r < 0)
        return r;
    struct mni_cpu *c = mni_call_begin();
    r = mni_cancelled_self() ? -ECANCELED : s->error;
    mni_call_end(c);
    return r;
}

MN_EXPORT int mn_scope_wait(struct mn_scope *s) {
    return mn_scope_wait_until(s, MN_FOREVER);
}

MN_EXPORT int mn_scope_close(struct mn_scope *s) {
    if (!mine(s))
        return -EPERM;
    mn_scope_cancel(s);
    wait(s, MN_FOREVER);
    struct mni_cpu *c = mni_call_begin();
    struct mni_thread *t = caller(c);
    /* Usually the innermost. */
    for (struct mn_scope **p = t ? &t->own->scopes : NULL; p && *p; p = &(*p)->outer)
        if (*p == s) {
            *p = s->outer;
            break;
        }
    int r = s->error;
    free(s);
    mni_cancelled_self(); /* the end of the call looks */
    mni_call_end(c);
    return r;
}

MN_EXPORT uint64_t mn_scope_alive(struct mn_scope *s) {
    struct mni_cpu *c = mni_call_begin();
    mni_lock_take(mni_lock_in(s));
    uint64_t n = s->alive;
    mni_lock_drop(mni_lock_in(s));
    mni_call_end_here(c);
    return n;
}

bool mni_scope_is_next(const struct mni_thread *t) {
    /* No deferred function is left: those that were there have been taken back since. */
    return t->own->scopes && (!t->own->defers || t->own->scopes->defers == t->own->defers);
}

MN_EXPORT int mn_scope_go_attr(struct mn_scope *s, const struct mn_attr *attr, int (*fn)(void *), void *arg) {
    struct mn_attr a = attr ? *attr : (struct mn_attr){0};
    a.scope = s;
    return mni_go_int(&a, fn, arg);
}

MN_EXPORT int mn_scope_go(struct mn_scope *s, int (*fn)(void *), void *arg) {
    const struct mn_attr a = {.scope = s};
    return mni_go_int(&a, fn, arg);
}
