/*
 * olock: the lock inside an object (4 bytes, all-zero is free).
 *
 * Held for a few dozen instructions, never across a switch except by mni_wait, which drops it on the next
 * stack.  Spins for 2.5 to 10 microseconds, then sleeps in the kernel: the holder may have been preempted.
 * Plain in solo mode.
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

/* Where LWPs sleep that wait for one of the locks whose addresses share this entry. */
struct mni_olock_bed {
    uint32_t call; /* 1: somebody sleeps, or is about to, and wants to be woken */
    uint32_t turn; /* futex: counts the calls that were answered */
};
enum { MNI_OLOCK_BEDS = 64 };
extern struct mni_olock_bed mni_olock_beds[MNI_OLOCK_BEDS];

static inline struct mni_olock_bed *mni_olock_bed(const struct mni_olock *l) {
    return &mni_olock_beds[(uintptr_t)l / 64 % MNI_OLOCK_BEDS];
}

/* The word while somebody looks: whoever holds the lock pauses once after its drop.  A hint (olock.c). */
enum { MNI_OLOCK_ASKED = 2 };
void mni_olock_pause(void);
void mni_olock_slow(struct mni_olock *l);
void mni_olock_wake(struct mni_olock_bed *bed);

static inline void mni_lock_take(struct mni_olock *l) {
    /* Full; pairs with the release of whoever drops it. */
    if (__builtin_expect(!mni_cas32(&l->word, 0, 1), 0))
        mni_olock_slow(l);
}

static inline void mni_lock_drop(struct mni_olock *l) {
    /* Release, in both ways: pairs with the taker's. */
    if (__builtin_expect(mni_solo(), 1)) {
        a32_store_release(&l->word, 0);
        return; /* nobody looks or sleeps */
    }
    uint32_t word = a32_load(&l->word); /* relaxed: a mark that comes later is lost, and made again */
    a32_store_release(&l->word, 0);
    if (__builtin_expect(word == MNI_OLOCK_ASKED, 0))
        mni_olock_pause();
    mni_fence_light(); /* and the load: pair with the heavy one of who goes to sleep */
    struct mni_olock_bed *bed = mni_olock_bed(l);
    if (__builtin_expect(a32_load(&bed->call) != 0, 0))
        mni_olock_wake(bed);
}

#endif
