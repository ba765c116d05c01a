/*
 * cond: condition variables.
 *
 * Guarantee.  A signal wakes a thread that waited when it was sent, if there was one that still waits; nobody
 * wakes without a signal, a deadline or a cancellation; a broadcast does not make a crowd run for one mutex.
 *
 * Waiting.  The caller holds the condition variable's lock from the time that it queues until it is off its
 * stack (mni_wait), and releases the mutex meanwhile.  So whoever has the mutex next, and then signals, finds
 * it in the queue, and ready to be claimed.  If the release has to wake somebody, that is done with the lock
 * held, which is otherwise avoided: a wake-up takes no object's lock, and a signal between release and sleep
 * must not be lost.
 *
 * Signalling claims the waiter first: from then on neither deadline nor cancellation counts for it.  Then the
 * mutex adopts it (mutex.c): if that is held, the waiter moves to the queue of the mutex without having run,
 * and wakes when it is its turn there; if it is free, it is woken at once.  A waiter that cannot be claimed is
 * about to leave with -ETIMEDOUT or -ECANCELED, and the signal goes to the next one.
 *
 * Broadcast takes BATCH waiters at a time, so that the lock is not held for long; the waiters carry the round
 * in which they came, and those of later rounds are left alone.
 *
 *     inside   waiters that were not signalled, and broadcasts that will take the lock again: what destroy refuses
 *     round    broadcasts so far
 *     data, tag of a waiter: its mutex; the round in which it came, then what the mutex makes of it
 * All are guarded by the lock.  Lock order: condition variable, mutex.
 */
#include <errno.h>
#include <mn/cond.h>

#include "export.h"
#include "mutex.h"

enum { BATCH = 64 };

MN_EXPORT void mn_cond_init(struct mn_cond *c) {
    *c = (struct mn_cond)MN_COND_INIT;
}

MN_EXPORT int mn_cond_destroy(struct mn_cond *c) {
    struct mni_cpu *cpu = mni_call_begin();
    mni_lock_take(mni_lock_in(c));
    int r = c->inside > 0 ? -EBUSY : 0;
    mni_lock_drop(mni_lock_in(c));
    mni_call_end_here(cpu);
    return r;
}

static void count(struct mn_cond *c, int n) {
    /* Relaxed: signals ask without the lock whether anyone is inside. */
    a32_store(&c->inside, c->inside + (uint32_t)n);
}

static int wait_until(struct mn_cond *c, struct mn_mutex *m, int64_t deadline) {
    struct mni_olock *lock = mni_lock_in(c);
    const struct mni_parker *self = mni_parker_self();
    if (!mni_mutex_mine(m, self))
        return -EPERM;
    if (mni_cancelled_self())
        return -ECANCELED;
    struct mni_waiter *w = mni_waiter_self();
    mni_lock_take(lock);
    w->data = m;
    w->tag = c->round;
    mni_queue_append(mni_queue_in(&c->queue), w);
    count(c, 1);
    struct mni_parker *wake = mni_mutex_release(m);
    if (wake)
        mni_wake(wake);
    int r = mni_wait("condition", c, lock, deadline);
    if (r >= 0) /* signalled; c may be gone */
        return mni_mutex_take_back(m, self, true);
    mni_lock_take(lock);
    mni_leave_queue(mni_queue_in(&c->queue), w);
    count(c, -1);
    mni_lock_drop(lock);
    int back = mni_mutex_take_back(m, self, false);
    mni_cancelled_self(); /* that may have begun another slice */
    return back < 0 ? back : r;
}

MN_EXPORT int mn_cond_wait_until(struct mn_cond *c, struct mn_mutex *m, int64_t deadline) {
    struct mni_cpu *cpu = mni_begin_blocking();
    int r = wait_until(c, m, deadline);
    mni_end_blocking(cpu);
    return r;
}

MN_EXPORT int mn_cond_wait(struct mn_cond *c, struct mn_mutex *m) {
    return mn_cond_wait_until(c, m, MN_FOREVER);
}

/* Whether anyone waits, as far as the caller can know. */
static bool nobody(const struct mn_cond *c) {
    /* Relaxed: a waiter of whom the caller knows queued before it released the mutex that the caller had
     * since then. */
    return a32_load(&c->inside) == 0;
}

/* Claims the first waiter and gives it to its mutex; *wake: who is to be woken, or NULL.  The lock is held. */
static bool signal_first(struct mn_cond *c, struct mni_waiter **wake) {
    struct mni_waiter *w = mni_claim_first(mni_queue_in(&c->queue));
    *wake = NULL;
    if (!w)
        return false;
    count(c, -1);
    *wake = mni_mutex_adopt(w->data, w, mni_parker_self());
    return true;
}

MN_EXPORT int mn_cond_signal(struct mn_cond *c) {
    if (nobody(c))
        return 0;
    struct mni_waiter *wake;
    struct mni_cpu *cpu = mni_call_begin();
    mni_lock_take(mni_lock_in(c));
    int n = signal_first(c, &wake);
    mni_lock_drop(mni_lock_in(c));
    if (wake)
        mni_wake(wake->parker);
    mni_call_end_here(cpu);
    return n;
}

MN_EXPORT int mn_cond_broadcast(struct mn_cond *c) {
    if (nobody(c))
        return 0;
    struct mni_olock *lock = mni_lock_in(c);
    struct mni_queue *q = mni_queue_in(&c->queue);
    int n = 0;
    struct mni_cpu *cpu = mni_call_begin();
    mni_lock_take(lock);
    uint64_t round = c->round++;
    count(c, 1);
    for (;;) {
        struct mni_queue out = {0};
        struct mni_waiter *wake;
        for (int i = 0; i < BATCH && q->head && q->head->tag <= round; i++) {
            n += signal_first(c, &wake);
            if (wake)
                mni_queue_append(&out, wake);
        }
        bool more = q->head && q->head->tag <= round;
        count(c, more ? 0 : -1);
        mni_lock_drop(lock);
        mni_wake_all(&out);
        if (!more)
            break;
        mni_lock_take(lock);
    }
    mni_call_end_here(cpu);
    return n;
}
