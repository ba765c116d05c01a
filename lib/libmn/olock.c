/*
 * olock.h's contended path.
 *
 * Guarantee: one holder at a time; a waiter is woken in the end; who finds the lock held by an LWP that does not run
 * spends about a microsecond on it and then leaves the CPU to others.
 *
 * Three states, as in Drepper's "Futexes Are Tricky" (2011), mutex2:
 *
 *     0  free
 *     1  held; nobody sleeps.  Entered by whoever finds 0 without having slept
 *     2  held; an LWP may sleep.  Entered by everybody that comes from, or is about to go to, sleep
 *
 * The naive lock, which only spins, is as fast while every holder runs.  But LWPs outnumber CPUs as soon as a CPU was
 * handed over, foreign LWPs call in, or the machine has other work: then a holder loses its CPU inside its few dozen
 * instructions, and each of the others burns its time slice on a lock that cannot become free.  The lock that sleeps at
 * once costs two system calls where a hundred nanoseconds of waiting would have done.  So: spin for a while, then sleep.
 *
 * A drop subtracts one.  From 1 that frees the lock; from 2 it leaves 1, still held, and the slow path frees it and wakes a
 * sleeper.  (An exchange for 0 would do too, but is a loop of compare-and-swaps here, and fails under contention.)
 *
 * A woken waiter takes the lock as 2, since it cannot know whether others sleep; so a wake-up is sometimes for nothing,
 * and never missing.  The lock is not fair: whoever comes first after a drop has it.  It is held too briefly for that to
 * starve anyone in practice; objects that promise an order have a queue of their own.
 *
 * The waker touches nothing of the object after the word has become 0, except that it passes the word's address to the
 * kernel: an object may be freed by the next holder.
 *
 * In solo mode there is one LWP; it would wait for itself.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "olock.h"

#include <stddef.h>

#include "cpu.h"
#include "panic.h"
#include "umtx.h"

enum { AWAY = 20, LOOKS = 3 }; /* times cpu_relax() before the first look: about 0.5 us where this was measured */

void mni_olock_slow(struct mni_olock *l) {
    invariant(!mni_solo());
    for (int look = 0, away = AWAY; look < LOOKS; look++, away *= 2) {
        for (int i = 0; i < away; i++)
            cpu_relax();
        uint32_t seen = a32_load(&l->word); /* relaxed: the compare-and-swap decides */
        if (seen == 0 && a32_cas_full(&l->word, 0, 1)) /* full: pairs with mni_lock_drop */
            return;
        if (seen == 2)
            break; /* others sleep already: the holder does not run, or the lock is overrun */
    }
    while (a32_swap_full(&l->word, 2) != 0) /* full: pairs with mni_lock_drop */
        umtx_wait(&l->word, 2, NULL, CLOCK_MONOTONIC, UMTX_PRIVATE);
}

void mni_olock_wake(struct mni_olock *l) {
    a32_store_release(&l->word, 0); /* release: pairs with the next taker's full operation */
    umtx_wake(&l->word, 1, UMTX_PRIVATE);
}
