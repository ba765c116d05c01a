/*
 * waitgroup: waiting until a number of things are done.
 *
 * word = count << 1 | QUEUE.  QUEUE: threads may wait; it changes under the lock only.  The add that makes the
 * count 0 claims those who wait first, then publishes the 0 by its last touch (waiters.h), then wakes them.
 */
#include <errno.h>
#include <mn/waitgroup.h>

#include "export.h"
#include "waiters.h"

enum { QUEUE = MNI_QUEUE, ONE = 2 };

MN_EXPORT void mn_waitgroup_init(struct mn_waitgroup *g) {
    *g = (struct mn_waitgroup)MN_WAITGROUP_INIT;
}

MN_EXPORT int mn_waitgroup_destroy(struct mn_waitgroup *g) {
    struct mni_cpu *cpu = mni_call_begin();
    mni_lock_take(mni_lock_in(g));
    int r = a32_load(&g->word) ? -EBUSY : 0;
    mni_lock_drop(mni_lock_in(g));
    mni_call_end_here(cpu);
    return r;
}

static int add(struct mn_waitgroup *g, int32_t n) {
    struct mni_queue out = {0};
    int r = 0;
    for (;;) {
        uint32_t word = a32_load(&g->word); /* relaxed: the compare-and-swap checks it */
        int64_t count = (int64_t)(word / ONE) + n;
        if (count < 0 || count > INT32_MAX) {
            r = count < 0 ? -EINVAL : -EOVERFLOW;
            break;
        }
        if (count > 0 || !(word & QUEUE)) {
            /* Full; pairs with the acquire of who finds it 0.  The group is not touched after it. */
            if (mni_cas32(&g->word, word, (uint32_t)count * ONE | (word & QUEUE)))
                break;
            continue;
        }
        mni_lock_take(mni_lock_in(g));
        mni_claim_all(mni_queue_in(&g->queue), &out);
        mni_bits(&g->word, QUEUE, 0);
        mni_lock_drop(mni_lock_in(g));
    }
    mni_wake_all(&out);
    return r;
}

MN_EXPORT int mn_waitgroup_add(struct mn_waitgroup *g, int32_t n) {
    struct mni_cpu *cpu = mni_call_begin();
    int r = add(g, n);
    mni_call_end_here(cpu);
    return r;
}

MN_EXPORT int mn_waitgroup_done(struct mn_waitgroup *g) {
    return mn_waitgroup_add(g, -1);
}

static int wait_until(struct mn_waitgroup *g, int64_t deadline) {
    struct mni_olock *lock = mni_lock_in(g);
    if (mni_cancelled_self())
        return -ECANCELED;
    if (a32_load_acquire(&g->word) < ONE) /* acquire; pairs with the compare-and-swap of add */
        return 0;
    mni_lock_take(lock);
    for (;;) {
        uint32_t word = a32_load_acquire(&g->word); /* acquire, as above */
        if (word < ONE) {
            mni_lock_drop(lock);
            return 0;
        }
        if (mni_cas32(&g->word, word, word | QUEUE)) /* full; pairs with add: it sees QUEUE, or we the 0 */
            break;
    }
    return mni_wait_in_queue("wait group", g, &g->word, lock, mni_queue_in(&g->queue), deadline);
}

MN_EXPORT int mn_waitgroup_wait_until(struct mn_waitgroup *g, int64_t deadline) {
    struct mni_cpu *cpu = mni_begin_blocking();
    int r = wait_until(g, deadline);
    mni_end_blocking(cpu);
    return r;
}

MN_EXPORT int mn_waitgroup_wait(struct mn_waitgroup *g) {
    return mn_waitgroup_wait_until(g, MN_FOREVER);
}

MN_EXPORT uint32_t mn_waitgroup_count(const struct mn_waitgroup *g) {
    return a32_load(&g->word) / ONE; /* relaxed: a number that may be old in any case */
}
