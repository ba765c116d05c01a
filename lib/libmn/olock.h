/*
 * olock: the lock inside an object (4 bytes, all-zero is free).
 *
 * Held for a few dozen instructions, never across a switch except by mni_wait, which drops it on the next stack.
 * Spins for a few microseconds, then sleeps in the kernel: the holder may have been preempted.  Plain in solo mode.
 *     0 free   1 held
 * One locked instruction takes it, and none drops it (olock.c).
 */
#ifndef MNI_OLOCK_H
#define MNI_OLOCK_H

#include "membarrier.h"
#include "solo.h"

struct mni_olock {
    uint32_t word;
};

/* How many LWPs sleep, or are about to, on locks whose addresses share this entry. */
enum { MNI_OLOCK_ENTRIES = 64 };
extern uint32_t mni_olock_sleepers[MNI_OLOCK_ENTRIES];

static inline uint32_t *mni_olock_entry(const struct mni_olock *l) {
    return &mni_olock_sleepers[(uintptr_t)l / 64 % MNI_OLOCK_ENTRIES];
}

void mni_olock_slow(struct mni_olock *l);
void mni_olock_wake(struct mni_olock *l);

static inline void mni_lock_take(struct mni_olock *l) {
    /* Full; pairs with the release of whoever drops it. */
    if (__builtin_expect(!mni_cas32(&l->word, 0, 1), 0))
        mni_olock_slow(l);
}

static inline bool mni_lock_try(struct mni_olock *l) {
    return mni_cas32(&l->word, 0, 1);
}

static inline void mni_lock_drop(struct mni_olock *l) {
    /* Release: pairs with the taker's.  The light fence, and the load: with the heavy one of who goes to sleep. */
    a32_store_release(&l->word, 0);
    mni_fence_light();
    if (__builtin_expect(a32_load(mni_olock_entry(l)) != 0, 0))
        mni_olock_wake(l);
}

#endif
