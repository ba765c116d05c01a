/*
 * event: a switch that threads wait for.
 *
 * word: SET, QUEUE.  QUEUE: threads may wait; it changes under the lock only.  Set claims those who wait first,
 * then publishes SET by its last touch (waiters.h), then wakes them: also when a reset follows at once, they
 * have been let go.
 */
#include <errno.h>
#include <mn/event.h>

#include "chan/select.h"
#include "export.h"
#include "waiters.h"

enum { QUEUE = MNI_QUEUE, SET = 2 };

MN_EXPORT void mn_event_init(struct mn_event *e) {
    *e = (struct mn_event)MN_EVENT_INIT;
}

MN_EXPORT int mn_event_destroy(struct mn_event *e) {
    struct mni_cpu *cpu = mni_call_begin();
    mni_lock_take(mni_lock_in(e));
    int r = a32_load(&e->word) & QUEUE ? -EBUSY : 0;
    mni_lock_drop(mni_lock_in(e));
    mni_call_end_here(cpu);
    return r;
}

static bool set(struct mn_event *e) {
    struct mni_queue out = {0};
    bool was;
    for (;;) {
        uint32_t word = a32_load_acquire(&e->word); /* acquire: what was done before an earlier set is known */
        was = word & SET;
        if (was)
            break;
        if (!(word & QUEUE)) {
            /* Full; pairs with the acquire of who finds it SET.  The event is not touched after it. */
            if (mni_cas32(&e->word, word, SET))
                break;
            continue;
        }
        mni_lock_take(mni_lock_in(e));
        mni_claim_all_waiters(mni_queue_in(&e->queue), MNI_WOKEN_DONE, &out);
        mni_bits(&e->word, QUEUE, 0);
        mni_lock_drop(mni_lock_in(e));
    }
    mni_wake_all(&out);
    return was;
}

MN_EXPORT bool mn_event_set(struct mn_event *e) {
    struct mni_cpu *cpu = mni_call_begin();
    bool was = set(e);
    mni_call_end_here(cpu);
    return was;
}

MN_EXPORT bool mn_event_reset(struct mn_event *e) {
    bool was;
    struct mni_cpu *cpu = mni_call_begin();
    for (;;) {
        uint32_t word = a32_load(&e->word);
        was = word & SET;
        if (!was || mni_cas32(&e->word, word, word & ~(uint32_t)SET)) /* full; pairs with set */
            break;
    }
    mni_call_end_here(cpu);
    return was;
}

MN_EXPORT bool mn_event_is_set(const struct mn_event *e) {
    return a32_load_acquire(&e->word) & SET; /* acquire; pairs with the compare-and-swap of set */
}

static int wait_until(struct mn_event *e, int64_t deadline) {
    struct mni_olock *lock = mni_lock_in(e);
    if (mni_cancelled_self())
        return -ECANCELED;
    if (a32_load_acquire(&e->word) & SET) /* acquire; pairs with the compare-and-swap of set */
        return 0;
    mni_lock_take(lock);
    for (;;) {
        uint32_t word = a32_load_acquire(&e->word); /* acquire, as above */
        if (word & SET) {
            mni_lock_drop(lock);
            return 0;
        }
        if (mni_cas32(&e->word, word, word | QUEUE)) /* full; pairs with set: it sees QUEUE, or we SET */
            break;
    }
    return mni_wait_in_queue("event", e, &e->word, lock, mni_queue_in(&e->queue), deadline);
}

MN_EXPORT int mn_event_wait_until(struct mn_event *e, int64_t deadline) {
    struct mni_cpu *cpu = mni_begin_blocking();
    int r = wait_until(e, deadline);
    mni_end_blocking(cpu);
    return r;
}

MN_EXPORT int mn_event_wait(struct mn_event *e) {
    return mn_event_wait_until(e, MN_FOREVER);
}
