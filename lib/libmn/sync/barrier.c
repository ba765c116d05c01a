/*
 * barrier: barriers.
 *
 * All under the lock: who comes last claims everybody in the queue.  One that cannot be claimed was ended by
 * its deadline or a cancellation at this moment, but has not said so: it was counted, so it has passed.  It
 * will find itself out of the queue, and returns 0.  As it comes back to the barrier for that, `leaving` keeps
 * destroy away.  Those that were claimed do not come back.
 *
 * here: how many wait; never count, except for a moment in the last one's hands.
 */
#include <errno.h>
#include <mn/barrier.h>

#include "export.h"
#include "waiters.h"

MN_EXPORT int mn_barrier_init(struct mn_barrier *b, uint32_t count) {
    if (count == 0)
        return -EINVAL;
    *b = (struct mn_barrier)MN_BARRIER_INIT(count);
    return 0;
}

MN_EXPORT int mn_barrier_destroy(struct mn_barrier *b) {
    struct mni_cpu *cpu = mni_call_begin();
    mni_lock_take(mni_lock_in(b));
    int r = b->here || b->leaving ? -EBUSY : 0;
    mni_lock_drop(mni_lock_in(b));
    mni_call_end_here(cpu);
    return r;
}

static int pass(struct mn_barrier *b) {
    struct mni_queue *q = mni_queue_in(&b->queue), out = {0};
    uint32_t claimed = mni_claim_all(q, &out);
    b->leaving += b->count - 1 - claimed;
    b->here = 0;
    mni_lock_drop(mni_lock_in(b));
    mni_wake_all(&out);
    return MN_BARRIER_SERIAL;
}

static int wait_until(struct mn_barrier *b, int64_t deadline) {
    struct mni_olock *lock = mni_lock_in(b);
    struct mni_queue *q = mni_queue_in(&b->queue);
    struct mni_waiter *w = mni_waiter_self();
    if (b->count == 0)
        return -EINVAL;
    if (mni_cancelled_self())
        return -ECANCELED;
    mni_lock_take(lock);
    if (++b->here == b->count)
        return pass(b);
    mni_queue_append(q, w);
    int r = mni_wait("barrier", b, lock, deadline);
    if (r >= 0)
        return 0;
    mni_lock_take(lock);
    if (mni_queued(w)) {
        mni_queue_remove(q, w);
        b->here--;
    } else {
        b->leaving--;
        r = 0;
    }
    mni_lock_drop(lock);
    return r;
}

MN_EXPORT int mn_barrier_wait_until(struct mn_barrier *b, int64_t deadline) {
    struct mni_cpu *cpu = mni_begin_blocking();
    int r = wait_until(b, deadline);
    mni_end_blocking(cpu);
    return r;
}

MN_EXPORT int mn_barrier_wait(struct mn_barrier *b) {
    return mn_barrier_wait_until(b, MN_FOREVER);
}
