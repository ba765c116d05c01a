/* The fast paths of lock.h. */
#ifndef OD_LOCK_INLINE_H
#define OD_LOCK_INLINE_H

#include "atomic.h"

#ifdef OD_LOCK_RANKS
#define OD_RANK_PUSH(l) lock_rank_push(l)
#define OD_RANK_POP(l) lock_rank_pop(l)
#else
#define OD_RANK_PUSH(l) ((void)(l))
#define OD_RANK_POP(l) ((void)(l))
#endif

static inline void lock_take(struct lock *l) {
    OD_RANK_PUSH(l);
    if (!a32_cas_acquire(&l->word, 0, 1)) /* acquire: pairs with the release in lock_drop */
        lock_slow(l);
}

static inline bool lock_try(struct lock *l) {
    if (!a32_cas_acquire(&l->word, 0, 1)) /* acquire: as lock_take */
        return false;
    OD_RANK_PUSH(l);
    return true;
}

static inline void lock_drop(struct lock *l) {
    OD_RANK_POP(l);
    if (a32_add_release(&l->word, (uint32_t)-1) != 1) /* release: pairs with the acquire of the next holder */
        unlock_slow(l);
}

static inline void lock_reset(struct lock *l) {
    l->word = 0;
}

#endif
