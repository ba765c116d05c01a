/*
 * sem: counting semaphores.
 *
 * word = value << 1 | QUEUE.  QUEUE: threads may wait; then the value is 0.  So taking a unit is one
 * compare-and-swap of a word that is even and not 0, and posting one of a word that is even.  With QUEUE set,
 * post gives its unit to the first waiter that it can claim: nobody overtakes.  QUEUE changes under the lock
 * only.
 *
 * A unit is not lost when a waiter leaves by its deadline: post claims before it gives, and takes the next if
 * that fails.
 */
#include <errno.h>
#include <mn/sem.h>

#include "chan/select_case.h"
#include "export.h"
#include "waiters.h"

enum { QUEUE = MNI_QUEUE, UNIT = 2 };

MN_EXPORT int mn_sem_init(struct mn_sem *s, uint32_t value) {
    if (value > MN_SEM_MAX)
        return -EINVAL;
    *s = (struct mn_sem)MN_SEM_INIT(value);
    return 0;
}

MN_EXPORT int mn_sem_destroy(struct mn_sem *s) {
    struct mni_cpu *cpu = mni_call_begin();
    mni_lock_take(mni_lock_in(s));
    int r = a32_load(&s->word) & QUEUE ? -EBUSY : 0;
    mni_lock_drop(mni_lock_in(s));
    mni_call_end_here(cpu);
    return r;
}

bool mni_sem_take(struct mn_sem *s) {
    for (;;) {
        uint32_t word = a32_load(&s->word); /* relaxed: the compare-and-swap checks it */
        if (word < UNIT)
            return false;
        if (mni_cas32(&s->word, word, word - UNIT)) /* full; pairs with post */
            return true;
    }
}

static int wait_slow(struct mn_sem *s, int64_t deadline) {
    struct mni_olock *lock = mni_lock_in(s);
    mni_lock_take(lock);
    for (;;) {
        if (mni_sem_take(s)) {
            mni_lock_drop(lock);
            return 0;
        }
        /* Full; pairs with post: it sees QUEUE, or we its unit. */
        if (a32_load(&s->word) == QUEUE || mni_cas32(&s->word, 0, QUEUE))
            break;
    }
    return mni_wait_in_queue("semaphore", s, &s->word, lock, mni_queue_in(&s->queue), deadline);
}

MN_EXPORT int mn_sem_wait_until(struct mn_sem *s, int64_t deadline) {
    int r = 0;
    struct mni_cpu *cpu = mni_begin_blocking();
    if (mni_cancelled_self())
        r = -ECANCELED;
    else if (!mni_sem_take(s))
        r = wait_slow(s, deadline);
    mni_end_blocking(cpu);
    return r;
}

MN_EXPORT int mn_sem_wait(struct mn_sem *s) {
    return mn_sem_wait_until(s, MN_FOREVER);
}

MN_EXPORT int mn_sem_trywait(struct mn_sem *s) {
    struct mni_cpu *cpu = mni_call_begin();
    int r = mni_sem_take(s) ? 0 : -EAGAIN;
    mni_call_end_here(cpu);
    return r;
}

static int post(struct mn_sem *s) {
    for (;;) {
        uint32_t word = a32_load(&s->word); /* relaxed: the compare-and-swap checks it */
        if (word / UNIT == MN_SEM_MAX)
            return -EOVERFLOW;
        if (!(word & QUEUE)) {
            /* Full; pairs with take.  The semaphore is not touched after it. */
            if (mni_cas32(&s->word, word, word + UNIT))
                return 0;
            continue;
        }
        mni_lock_take(mni_lock_in(s));
        struct mni_waiter *w = mni_claim_first_waiter(mni_queue_in(&s->queue), MNI_WOKEN_DONE);
        if (mni_queue_empty(mni_queue_in(&s->queue)))
            mni_bits(&s->word, QUEUE, 0);
        mni_lock_drop(mni_lock_in(s));
        if (w) {
            mni_wake(w->parker);
            return 0;
        }
    }
}

MN_EXPORT int mn_sem_post(struct mn_sem *s) {
    struct mni_cpu *cpu = mni_call_begin();
    int r = post(s);
    mni_call_end_here(cpu);
    return r;
}

MN_EXPORT uint32_t mn_sem_value(const struct mn_sem *s) {
    return a32_load(&s->word) / UNIT; /* relaxed: a number that may be old in any case */
}
