/*
 * solo: atomic operations that are plain while nobody else could see the difference.
 *
 * A locked instruction costs more than the rest of a channel operation together.  While one cpu only runs
 * threads, and no foreign LWP is in a call of the library's, every word of the library is touched by the owner
 * of that cpu only, inside the runtime (enter.h): mni_solo is true, and these operations are ordinary loads and
 * stores.  How that begins and ends: sched/solo_mode.c.
 *
 * Without solo, each is the operation of its name in lib/base/atomic.h.  Solo is expected where code is laid
 * out: the locked operation takes so long that a jump to it is not noticed, while those of the plain ones add
 * up (2 ns of a ping-pong).
 */
#ifndef MNI_SOLO_H
#define MNI_SOLO_H

#include <stdbool.h>
#include <stdint.h>

#include "atomic.h"

/* One of these, none when it is over; above them a count of the changes (solo_mode.c). */
enum { MNI_SOLO_ON = 1, MNI_SOLO_BEGINS = 2, MNI_SOLO_ENDS = 4, MNI_SOLO_STATE = 7 };
extern uint32_t mni_solo_word __attribute__((visibility("hidden")));

/* With lock ranks: the caller is a worker, or solo mode is kept from beginning (wait/foreign.c). */
#ifdef OD_LOCK_RANKS
void mni_solo_check(void) __attribute__((visibility("hidden")));
#else
static inline void mni_solo_check(void) {
}
#endif

/* For workers that run threads, inside the runtime. */
static inline bool mni_solo(void) {
    mni_solo_check();
    /* Relaxed: who ends it touches nothing before the worker has been outside (solo_mode.c). */
    return a32_load(&mni_solo_word) & MNI_SOLO_ON;
}

/* The same, and it has been on since the runtime started with its one worker: nobody else has ever come. */
static inline bool mni_solo_unbroken(void) {
    return a32_load(&mni_solo_word) == MNI_SOLO_ON;
}

/* For all others: whether they may touch what is the worker's in solo mode. */
static inline bool mni_solo_over(void) {
    /* Acquire: pairs with the full operation of who ended it. */
    return (a32_load_acquire(&mni_solo_word) & MNI_SOLO_STATE) == 0;
}

static inline bool mni_cas32(uint32_t *p, uint32_t old, uint32_t new) {
    if (__builtin_expect(mni_solo(), 1)) {
        if (__builtin_expect(a32_load(p) != old, 0))
            return false;
        a32_store(p, new);
        return true;
    }
    return a32_cas_full(p, old, new);
}

static inline uint32_t mni_swap32(uint32_t *p, uint32_t new) {
    if (__builtin_expect(mni_solo(), 1)) {
        uint32_t old = a32_load(p);
        a32_store(p, new);
        return old;
    }
    return a32_swap_full(p, new);
}

static inline uint32_t mni_add32(uint32_t *p, uint32_t n) {
    if (__builtin_expect(mni_solo(), 1)) {
        uint32_t old = a32_load(p);
        a32_store(p, old + n);
        return old;
    }
    return a32_add_full(p, n);
}

static inline bool mni_cas64(uint64_t *p, uint64_t old, uint64_t new) {
    if (__builtin_expect(mni_solo(), 1)) {
        if (__builtin_expect(a64_load(p) != old, 0))
            return false;
        a64_store(p, new);
        return true;
    }
    return a64_cas_full(p, old, new);
}

static inline uint64_t mni_swap64(uint64_t *p, uint64_t new) {
    if (__builtin_expect(mni_solo(), 1)) {
        uint64_t old = a64_load(p);
        a64_store(p, new);
        return old;
    }
    return a64_swap_full(p, new);
}

#endif
