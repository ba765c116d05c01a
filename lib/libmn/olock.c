/*
 * olock.h's contended path.
 *
 * Guarantee: one holder at a time; a waiter is woken in the end; who finds the lock held by an LWP that does not run
 * spends a few microseconds on it and then leaves the CPU to others.
 *
 * Dropping.  A lock that keeps "somebody may sleep" in its word has to drop it by a locked instruction, 5 ns of the 15 of a
 * whole operation on an object, to learn what hardly ever happens.  Here the word is 0 or 1, sleepers are counted apart,
 * in a small table by address, and the price is the sleeper's (membarrier.h):
 *
 *     drop:   word = 0;    [light fence]     read sleepers  -> not 0: wake one
 *     sleep:  sleepers++;  [heavy barrier]   compare-and-swap word 0 -> 1; while that fails, sleep while word == 1
 *
 * Either the sleeper sees the 0, or the dropper the sleeper.  Each drop that finds sleepers wakes one; if that one finds the
 * lock held again, by who came between, that one's drop wakes the next.  Locks that share an entry of the table cause
 * wake-ups of nobody, no more.  Where there is no heavy barrier (no membarrier, or no runtime yet that registered for it),
 * a wake-up could be missed: sleeps are then short.  tests/model/olock.c walks through all orders.
 *
 * Keeping away.  On finding the lock held, the naive spin looks again and again, and takes the line away from the holder
 * each time; then both go on in turns, a line's journey (100 ns and more) for each operation of 10.  Who finds the lock held
 * here does not look for 0.5 us, then 1, then 2.  The holder's CPU does up to hundreds of operations in that time, and when it
 * is the other's turn, the same.  Two CPUs that do nothing but use one channel: 45 ns an operation by spinning, 14 so,
 * 8 with the drop above (measured; doc/design/mn-channels.md).
 * These 3.5 us are more than other locks here spin before they sleep, since a sleep costs both sides more than that.
 *
 * The lock is not fair: whoever comes first after a drop has it.  It is held too briefly for that to starve anyone in
 * practice; objects that promise an order have a queue of their own.
 *
 * The dropper touches nothing of the object after the word has become 0, except that it passes the word's address to the
 * kernel: an object may be freed by the next holder.
 *
 * In solo mode there is one LWP; it would wait for itself.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "olock.h"

#include <stddef.h>

#include "clock.h"
#include "cpu.h"
#include "panic.h"
#include "umtx.h"

enum {
    AWAY = 20,       /* times cpu_relax() before the first look: about 0.5 us on the machines this was measured on */
    LOOKS = 3,       /* each after twice the time of the last */
    NAP_NS = 500000, /* where a wake-up may be missed */
};

uint32_t mni_olock_sleepers[MNI_OLOCK_ENTRIES];

void mni_olock_slow(struct mni_olock *l) {
    invariant(!mni_solo());
    for (int look = 0, away = AWAY; look < LOOKS; look++, away *= 2) {
        for (int i = 0; i < away; i++)
            cpu_relax();
        /* Relaxed: the compare-and-swap decides, which is full and pairs with the release of mni_lock_drop. */
        if (a32_load(&l->word) == 0 && a32_cas_full(&l->word, 0, 1))
            return;
    }
    uint32_t *sleepers = mni_olock_entry(l);
    a32_add_full(sleepers, 1); /* with the heavy barrier, pairs with the load of mni_lock_drop after its light fence */
    bool sure = mni_heavy_barrier();
    while (!a32_cas_full(&l->word, 0, 1)) { /* full: pairs with mni_lock_drop */
        struct timespec nap;
        if (!sure)
            nap = clock_deadline(CLOCK_MONOTONIC, NAP_NS);
        umtx_wait(&l->word, 1, sure ? NULL : &nap, CLOCK_MONOTONIC, UMTX_PRIVATE);
    }
    a32_add_full(sleepers, (uint32_t)-1); /* relaxed would do: who misses it wakes nobody */
}

void mni_olock_wake(struct mni_olock *l) {
    umtx_wake(&l->word, 1, UMTX_PRIVATE);
}
