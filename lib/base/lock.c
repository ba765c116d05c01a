/*
 * The contended path of lock.h: three states as in Drepper's "Futexes Are Tricky" (2011), mutex2.
 *
 * 0 free, 1 held, 2 held and someone may sleep.  A waiter that has slept takes the lock as 2, since it cannot
 * know whether others sleep too; so a wake-up is sometimes wasted and never lost.  unlock subtracts one: 1 -> 0
 * is done; 2 -> 1 is still held, and unlock_slow frees it and wakes one.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "lock.h"

#include "cpu.h"
#include "panic.h"
#include "umtx.h"

enum { SPINS = 40 }; /* times cpu_relax(): about 1 us on the machines this was measured on */

void lock_slow(struct lock *l) {
    for (int i = 0; i < SPINS; i++) {
        uint32_t seen = a32_load(&l->word);
        if (seen == 0 && a32_cas_acquire(&l->word, 0, 1)) /* acquire: pairs with lock_drop */
            return;
        if (seen == 2)
            break; /* others sleep already: spinning would only overtake them */
        cpu_relax();
    }
    while (a32_swap_full(&l->word, 2) != 0) /* full, of which acquire: pairs with lock_drop, unlock_slow */
        umtx_wait(&l->word, 2, NULL, CLOCK_MONOTONIC, UMTX_PRIVATE);
}

void unlock_slow(struct lock *l) {
    a32_store_release(&l->word, 0); /* release: pairs with the next holder's acquire */
    umtx_wake(&l->word, 1, UMTX_PRIVATE);
}

#ifdef OD_LOCK_RANKS
static __thread uint64_t held __attribute__((tls_model("initial-exec"))); /* bit r: a lock of rank r is held */

void lock_rank_push(const struct lock *l) {
    if (l->rank == 0 || l->rank >= 64)
        panic("lock without a rank", l->rank);
    if (held >> l->rank)
        panic("locks taken out of rank", (long)(l->rank * 100 + (63 - (unsigned)__builtin_clzl(held))));
    held |= (uint64_t)1 << l->rank;
}

void lock_rank_pop(const struct lock *l) {
    if (!(held >> l->rank & 1))
        panic("unlock of a lock that is not held", l->rank);
    held &= ~((uint64_t)1 << l->rank);
}
#else
void lock_rank_push(const struct lock *l) {
    (void)l;
}
void lock_rank_pop(const struct lock *l) {
    (void)l;
}
#endif
