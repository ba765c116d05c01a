/*
 * once: what is to be done by the first who needs it.
 *
 *     NEW -> RUNNING    by who runs fn; owner says who
 *     RUNNING -> DONE   fn returned 0 or more: all who wait go on
 *     RUNNING -> NEW    it did not, or left by an exception or mn_exit: the first who waits tries
 * DONE stays, and is all that a caller has to see: it is published by the last touch (waiters.h), and read with
 * acquire.  QUEUE: threads may wait; it changes under the lock only, and so does NEW to RUNNING.
 */
#include <errno.h>
#include <mn/once.h>

#include "export.h"
#include "waiters.h"

enum { NEW = 0, RUNNING = 1, DONE = 2, STATE = 3, QUEUE = 4 };

/* Waits until the caller is to run fn (1), or it is done (0). */
static int begin(struct mn_once *o, int64_t deadline) {
    struct mni_olock *lock = mni_lock_in(o);
    struct mni_queue *q = mni_queue_in(&o->queue);
    const struct mni_parker *self = mni_parker_self();
    struct mni_waiter *w = mni_waiter_self();
    int r;
    if (mni_cancelled_self())
        return -ECANCELED;
    if (a32_load(&o->owner) == self->owner) /* relaxed: only the caller writes its own number */
        return -EDEADLK;
    mni_lock_take(lock);
    for (;;) {
        uint32_t word = a32_load_acquire(&o->word); /* acquire; pairs with the compare-and-swap of finish */
        if ((word & STATE) == DONE) {
            r = 0;
            break;
        }
        if ((word & STATE) == NEW) {
            if (!mni_cas32(&o->word, word, word | RUNNING)) /* full: pairs with finish */
                continue;
            a32_store(&o->owner, self->owner);
            r = 1;
            break;
        }
        /* Full; pairs with finish: it sees QUEUE, or we the end. */
        if (!mni_cas32(&o->word, word, word | QUEUE))
            continue;
        mni_queue_append(q, w);
        r = mni_wait("once", o, lock, deadline);
        if (r >= 0 && a32_load_acquire(&o->word) == DONE) /* acquire, as above */
            return 0;
        mni_lock_take(lock);
        if (r < 0) {
            mni_leave_queue(q, w);
            if (mni_queue_empty(q))
                mni_bits(&o->word, QUEUE, 0);
            break;
        }
    }
    mni_lock_drop(lock);
    return r;
}

static void finish(struct mn_once *o, bool is_done) {
    struct mni_queue *q = mni_queue_in(&o->queue), out = {0};
    struct mni_cpu *cpu = mni_call_begin();
    a32_store(&o->owner, 0);
    for (;;) {
        uint32_t word = a32_load(&o->word);
        if (!(word & QUEUE) || (!is_done && out.head)) {
            /* Full; pairs with the acquire of who finds it DONE, and with begin.  It is not touched after
             * it. */
            if (mni_cas32(&o->word, word, (word & QUEUE) | (is_done ? DONE : NEW)))
                break;
            continue;
        }
        mni_lock_take(mni_lock_in(o));
        if (is_done) {
            mni_claim_all(q, &out);
        } else {
            struct mni_waiter *w = mni_claim_first(q);
            if (w)
                mni_queue_append(&out, w);
        }
        if (mni_queue_empty(q))
            mni_bits(&o->word, QUEUE, 0);
        mni_lock_drop(mni_lock_in(o));
    }
    mni_wake_all(&out);
    mni_call_end_here(cpu);
}

struct run {
    struct mn_once *once;
    bool is_done;
};

static void end_run(struct run *run) {
    finish(run->once, run->is_done);
}

MN_EXPORT int mn_once_run_until(struct mn_once *o, int (*fn)(void *arg), void *arg, int64_t deadline) {
    if (__builtin_expect(a32_load_acquire(&o->word) == DONE, 1)) /* acquire; pairs with the release of finish */
        return 0;
    if (!fn)
        return -EINVAL;
    struct mni_cpu *cpu = mni_begin_blocking();
    int r = begin(o, deadline);
    mni_end_blocking(cpu);
    if (r <= 0)
        return r;
    struct run run __attribute__((cleanup(end_run))) = {o, false}; /* also when an exception passes */
    r = fn(arg);
    run.is_done = r >= 0;
    return r < 0 ? r : 0;
}

MN_EXPORT int mn_once_run(struct mn_once *o, int (*fn)(void *arg), void *arg) {
    return mn_once_run_until(o, fn, arg, MN_FOREVER);
}
