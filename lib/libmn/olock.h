/*
 * olock: the lock inside an object (4 bytes, all-zero is free).
 *
 * Held for a few dozen instructions, never across a switch except by mni_wait, which drops it on the next stack.
 * Spins for about a microsecond, then sleeps in the kernel: the holder may have been preempted.  Plain in solo mode.
 *     0 free   1 held   2 held, and an LWP may sleep
 */
#ifndef MNI_OLOCK_H
#define MNI_OLOCK_H

#include "solo.h"

struct mni_olock {
    uint32_t word;
};

void mni_olock_slow(struct mni_olock *l);
void mni_olock_wake(struct mni_olock *l); /* frees the lock, and wakes one that sleeps */

static inline void mni_lock_take(struct mni_olock *l) {
    /* Full; pairs with the release of whoever drops it. */
    if (__builtin_expect(!mni_cas32(&l->word, 0, 1), 0))
        mni_olock_slow(l);
}

static inline bool mni_lock_try(struct mni_olock *l) {
    return mni_cas32(&l->word, 0, 1);
}

static inline void mni_lock_drop(struct mni_olock *l) {
    if (mni_solo()) {
        a32_store(&l->word, 0);
        return;
    }
    /* Full: pairs with the taker's.  An addition, since it cannot fail: 1 becomes 0; 2 becomes 1, still held. */
    if (__builtin_expect(a32_add_full(&l->word, (uint32_t)-1) != 1, 0))
        mni_olock_wake(l);
}

#endif
