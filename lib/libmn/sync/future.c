/*
 * future: a value that is set once.
 *
 * settled goes from 0 to 1 once, under the lock, after value and error were written; from then on they are
 * constant and are read without the lock.  A waiter looks at settled under the lock before it queues, and the
 * setter takes the whole queue under the lock after it has stored it: so either the waiter sees the value, or
 * the setter sees the waiter.
 *
 * Freeing: each party has a hold of its own.  The setter touches the future after it has woken a getter (it
 * drops the lock, and its own hold later), so the last hold, not the getter, must free it.
 */
#include "future.h"

#include <errno.h>
#include <stdlib.h>

#include "chan/select.h"
#include "export.h"
#include "fault.h"
#include "solo.h"
#include "thread/bound.h"
#include "wait/call.h"

static struct mn_future *future_new(uint32_t holds) {
    struct mn_future *f = fault("malloc") ? NULL : calloc(1, sizeof *f);
    if (f)
        f->holds = holds;
    return f;
}

MN_EXPORT int mn_future_create(struct mn_future **out) {
    if (!out)
        return -EINVAL;
    struct mn_future *f = future_new(1);
    if (!f)
        return -ENOMEM;
    *out = f;
    return 0;
}

/* The count is never plain, also in solo mode: it is rarely touched, and then callers need not be inside. */
MN_EXPORT struct mn_future *mn_future_hold(struct mn_future *f) {
    if (f)
        a32_add(&f->holds, 1); /* relaxed: the caller has a hold, so nobody can free it */
    return f;
}

MN_EXPORT void mn_future_release(struct mn_future *f) {
    /*
     * Full: what each did before its release is done before the last one frees it; the partners are all the
     * releases.
     */
    if (f && a32_add_full(&f->holds, (uint32_t)-1) == 1)
        free(f);
}

static int settle(struct mn_future *f, void *value, int error) {
    struct mni_queue woken = {0};
    mni_lock_take(&f->lock);
    if (mni_future_settled(f)) {
        mni_lock_drop(&f->lock);
        return -EALREADY;
    }
    f->value = value;
    f->error = error;
    a32_store_release(&f->settled, 1); /* release: pairs with mni_future_settled */
    mni_claim_all_waiters(&f->waiters, MNI_WOKEN_DONE, &woken);
    mni_lock_drop(&f->lock);
    mni_wake_all(&woken);
    return 0;
}

/* Between the beginning and the end of a call. */
static int settle_call(struct mn_future *f, void *value, int error) {
    struct mni_cpu *cpu = mni_call_begin();
    int r = settle(f, value, error);
    mni_call_end_here(cpu);
    return r;
}

MN_EXPORT int mn_future_set(struct mn_future *f, void *value) {
    return f ? settle_call(f, value, 0) : -EINVAL;
}

MN_EXPORT int mn_future_fail(struct mn_future *f, int error) {
    return f && error < 0 ? settle_call(f, NULL, error) : -EINVAL;
}

/* Waits until it is settled: 0, -ETIMEDOUT, -ECANCELED. */
static int wait_settled(struct mn_future *f, int64_t deadline) {
    if (mni_future_settled(f))
        return 0;
    mni_lock_take(&f->lock);
    int r = mni_future_settled(f) ? 0 : mni_passed(deadline) ? -ETIMEDOUT : 1;
    if (r <= 0) {
        mni_lock_drop(&f->lock);
        return r;
    }
    struct mni_waiter *w = mni_waiter_self();
    w->tag = 0;
    mni_queue_append(&f->waiters, w);
    r = mni_wait("future", f, &f->lock, deadline);
    if (r < 0) {
        mni_lock_take(&f->lock);
        mni_leave_queue(&f->waiters, w);
        mni_lock_drop(&f->lock);
    }
    return r < 0 ? r : 0;
}

MN_EXPORT int mn_future_get_until(struct mn_future *f, void **value, int64_t deadline) {
    if (!f)
        return -EINVAL;
    struct mni_cpu *cpu = mni_call_begin();
    int r = mni_call_cancelled(cpu) ? -ECANCELED : wait_settled(f, deadline);
    mni_call_end_moved(cpu);
    if (r == 0 && (r = f->error) == 0 && value)
        *value = f->value;
    return r;
}

MN_EXPORT int mn_future_get(struct mn_future *f, void **value) {
    return mn_future_get_until(f, value, MN_FOREVER);
}

MN_EXPORT bool mn_future_ready(const struct mn_future *f) {
    return f && mni_future_settled(f);
}

/*
 * A thread with a future.  Its value is set by a deferred function, so that it is set however the thread ends:
 * by return or by mn_exit.
 */
struct async {
    struct mn_future *future;
    void *(*fn)(void *arg);
    void *arg;
};

static void async_end(void *arg) {
    struct async *a = arg;
    struct mni_cpu *cpu = mni_call_begin();
    struct mni_thread *t = cpu ? cpu->current : mni_bound_self();
    settle(a->future, t->arg, 0); /* what the thread returned, or gave to mn_exit: see mni_thread_cleanup */
    mni_call_end_here(cpu);
    mn_future_release(a->future);
    free(a);
}

static void *async_main(void *arg) {
    struct async *a = arg;
    int r = mn_defer(async_end, a);
    if (r < 0) {
        mn_future_fail(a->future, r);
        mn_future_release(a->future);
        free(a);
        return NULL;
    }
    return a->fn(a->arg);
}

MN_EXPORT int mn_async(struct mn_future **out, const struct mn_attr *attr, void *(*fn)(void *arg), void *arg) {
    if (!out || !fn)
        return -EINVAL;
    struct mn_future *f = future_new(2);
    struct async *a = fault("malloc") ? NULL : malloc(sizeof *a);
    int r = -ENOMEM;
    if (f && a) {
        *a = (struct async){f, fn, arg};
        *out = f; /* before the thread runs: it may look there */
        r = mn_go_attr(NULL, attr, async_main, a);
    }
    if (r < 0) {
        *out = NULL;
        free(f);
        free(a);
    }
    return r;
}
