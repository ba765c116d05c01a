/*
 * rwlock: the words of a read-write lock, and what rwlock.c and rwlock_bias.c share.
 *
 * Biased read locks: readers that share nothing (rwlock_bias.c).
 */
#ifndef MNI_RWLOCK_H
#define MNI_RWLOCK_H

#include <mn/rwlock.h>
#include <stdbool.h>

#include "runtime/runtime.h"
#include "solo.h"

/* The word; its table is in rwlock.c. */
enum { MNI_RW_WRITER = 1, MNI_RW_QUEUE = 2, MNI_RW_BIAS = 4, MNI_RW_REVOKING = 8, MNI_RW_WANTED = 16 };
enum { MNI_RW_BIASED = MNI_RW_BIAS | MNI_RW_REVOKING, MNI_RW_SHUT = MNI_RW_WRITER | MNI_RW_QUEUE | MNI_RW_WANTED };
#define MNI_RW_READER 32u
#define MNI_RW_READERS_MOST (1u << 26)

/*
 * A cpu's holds of biased locks.  A slot is 0, or a lock's tag and so many holds of it: 48 bits of an address
 * that is a multiple of 8, shifted down, the lock's epoch, the count.
 */
enum { MNI_BIAS_SLOTS = 8, MNI_BIAS_ADDRESS_BITS = 48, MNI_BIAS_EPOCH_BITS = 11 };
#define MNI_BIAS_HOLD ((uint64_t)1 << 56)
#define MNI_BIAS_TAG (MNI_BIAS_HOLD - 1)
#define MNI_BIAS_EPOCH (((uint64_t)1 << MNI_BIAS_EPOCH_BITS) - 1) /* of `bias` in the lock */

struct mni_bias_line {
    _Alignas(64) uint64_t slot[MNI_BIAS_SLOTS];
};
extern struct mni_bias_line mni_bias_lines[MNI_WORKERS_MAX] __attribute__((visibility("hidden")));

static inline uint64_t mni_bias_tag(const struct mn_rwlock *l) {
    /* Relaxed: the epoch is there since init. */
    return (uint64_t)(uintptr_t)l >> 3 | (a64_load(&l->bias) & MNI_BIAS_EPOCH) << (MNI_BIAS_ADDRESS_BITS - 3);
}

static inline uint64_t *mni_bias_slot(const struct mn_rwlock *l, unsigned cpu) {
    uintptr_t a = (uintptr_t)l;
    return &mni_bias_lines[cpu].slot[(a >> 4 ^ a >> 7 ^ a >> 12) % MNI_BIAS_SLOTS];
}

/* Takes one hold of that lock out of a slot; false: there is none. */
static inline bool mni_bias_take(uint64_t *slot, uint64_t tag) {
    for (;;) {
        /* Acquire: who finds none in mni_bias_hold has that of who took it, and comes after the same writers. */
        uint64_t v = a64_load_acquire(slot);
        if ((v & MNI_BIAS_TAG) != tag)
            return false;
        /* Full, of which release: pairs with mni_bias_end, which looks at the slots for a writer. */
        if (mni_cas64(slot, v, v - tag == MNI_BIAS_HOLD ? 0 : v - MNI_BIAS_HOLD))
            return true;
    }
}

/*
 * BIAS was seen, and cpu is the caller's: tries to hold the lock for reading without writing to it.  False: the
 * caller does not hold it.
 */
static inline bool mni_bias_hold(const struct mn_rwlock *l, const struct mni_cpu *cpu) {
    uint64_t *slot = mni_bias_slot(l, cpu->index), tag = mni_bias_tag(l);
    /* Acquire, and release: they continue the release of who emptied it, for mni_bias_end. */
    uint64_t v = a64_load_acquire(slot);
    if (v == 0) {
        a64_store_release(slot, tag + MNI_BIAS_HOLD); /* only the owner of the cpu writes to an empty slot */
    } else if ((v & MNI_BIAS_TAG) != tag || v + MNI_BIAS_HOLD < v ||
               !mni_cas64(slot, v, v + MNI_BIAS_HOLD)) { /* full; others may take holds out meanwhile */
        return false;
    }
    mni_fence_light(); /* the slot is written before the word is read; pairs with the barrier of mni_bias_end */
    /* Acquire: BIAS was set after the last writer's release, by an operation that continues it. */
    if (__builtin_expect((a32_load_acquire(&l->word) & MNI_RW_BIAS) != 0, 1))
        return true;
    return !mni_bias_take(slot, tag);
}

/* Gives back a hold that is in the slot of the caller's cpu; false: there is none. */
static inline bool mni_bias_drop(const struct mn_rwlock *l, const struct mni_cpu *cpu) {
    return mni_bias_take(mni_bias_slot(l, cpu->index), mni_bias_tag(l));
}

/* The same for a hold in any slot. */
bool mni_bias_drop_any(const struct mn_rwlock *l);

/* For a reader, counted in the word, whose cpu was disturbed by another one: biases the lock, if that is likely
 * to pay. */
void mni_bias_consider(struct mn_rwlock *l);

/* All who hold the lock are counted in its word, and it is not biased.  The lock's own lock is held. */
void mni_bias_end(struct mn_rwlock *l);

/* A new lock's `bias`. */
uint64_t mni_bias_new(void);

/* A runtime with so many cpus starts. */
void mni_bias_start(unsigned cpus);

#endif
