/*
 * olock.h's contended path.
 *
 * Guarantee: one holder at a time; a waiter is woken in the end; who finds the lock held by an LWP that does
 * not run spends 2.5 to 10 microseconds on it and then leaves the CPU to others.
 *
 * Dropping.  A lock that keeps "somebody may sleep" in its word has to drop it by a locked instruction, 5 ns of
 * the 15 of a whole operation on an object, to learn what hardly ever happens.  Here the word is 0 or not,
 * sleepers are noted apart, in a small table of beds by address, and the price is the sleeper's (membarrier.h):
 *
 *     drop:   word = 0;              [light fence]    read call  -> 1: swap it for 0; if it was 1: turn++, wake
 *     sleep:  read turn;  call = 1;  [heavy barrier]  try to take the lock; failing that, sleep while turn is so
 *
 * Either the sleeper sees the 0, or the dropper the call.  If another's drop has answered the call meanwhile
 * (of any lock that has this bed), turn has changed, and the sleeper comes again.  A call is answered once:
 * until the LWP that was woken has come to, which takes long when it finds no CPU, drops are as cheap as ever.
 * Where there is no heavy barrier (no membarrier, or no runtime yet that registered for it), a call could be
 * missed: sleeps are then short. tests/model/olock.c walks through all orders.
 *
 * Keeping away.  On finding the lock held, the naive spin looks again and again, and takes the line away from
 * the holder each time; then both go on in turns, a line's journey (100 ns and more) for each operation of 10.
 * Who finds the lock held here does not look for 1 us: the holder's CPU does a hundred operations in that time;
 * then it looks until it is its turn, and the other stays away.  Two CPUs that do nothing but use one channel,
 * ns an operation: 45 with plain spinning, 14 so, 9 with the drop above as well (measured;
 * doc/design/mn-channels.md).  Only a holder that does not run holds the lock through two such rounds, 2.5 us
 * in all at first.
 *
 * A processor runs ahead of a loop of pauses, and where it guesses the loop's end in each round, which depends
 * on the addresses of the code, it fetches the word in each round, for nothing: the holder then waited 150 ns
 * for the line in every third operation, and a message between 32 threads on two CPUs took 75 to 110 ns in one
 * build and 20 in another.  So a barrier stands between the loop and the look.
 *
 * How long a stay pays depends on the way of a line, 50 ns or 230 on the same virtual machine an hour later,
 * since each turn costs some.  An LWP that finds locks held again soon after its last look keeps away twice as
 * long as then, up to 4 us; who finds one held now and then, 1 us.
 *
 * Between its drop and its next operation the holder leaves a few nanoseconds, and the shorter they are the
 * less often a look meets them.  So who begins to look marks the word, and the holder, when it drops the lock,
 * pauses once: two CPUs at one channel need 22 to 26 ns a message so, 54 to 95 without.
 *
 * The lock is not fair: whoever comes first after a drop has it.  It is held too briefly for that to starve
 * anyone in practice; objects that promise an order have a queue of their own.
 *
 * The dropper touches nothing of the object after the word has become 0: an object may be freed by the next
 * holder.
 *
 * In solo mode there is one LWP; it would wait for itself.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "olock.h"

#include <stddef.h>

#include "away.h"
#include "clock.h"
#include "cpu.h"
#include "panic.h"
#include "umtx.h"

enum {
    AWAY = 40, /* times cpu_relax(), at first: about 1 us on the machines this was measured on */
    AWAY_MOST = 160,
    AGAIN = 16, /* times what its last look took: who looks again within that is away for longer */
    LOOKS = 8, /* in a row, a cpu_relax() between them: a holder that runs drops the lock meanwhile */
    PAUSE = 10, /* after a drop, when somebody looks: a cpu_relax() each, 0.25 us */
    TIMES = 2, /* that often both, before it sleeps */
    NAP_NS = 500000, /* where a wake-up may be missed */
};

struct mni_olock_bed mni_olock_beds[MNI_OLOCK_BEDS];

void mni_olock_pause(void) {
    stay_away(PAUSE);
}

/* What this LWP found the last time: when it came back from its look, how long that took, and how long it kept
 * away. */
static __thread struct {
    uint64_t back, took; /* cpu_ticks() */
    int away;
} last;

/* Without sleeping: true: taken. */
static bool look(struct mni_olock *l, int away) {
    for (int time = 0; time < TIMES; time++) {
        stay_away(away);
        a32_cas_full(&l->word, 1, MNI_OLOCK_ASKED); /* a hint; whoever drops the lock overwrites it */
        for (int i = 0; i < LOOKS; i++) {
            /*
             * Relaxed: the compare-and-swap decides, which is full and pairs with the release of mni_lock_drop.
             */
            if (a32_load(&l->word) == 0 && a32_cas_full(&l->word, 0, 1))
                return true;
            cpu_relax();
        }
    }
    return false;
}

/* The same, for longer when such looks follow each other. */
static bool look_again(struct mni_olock *l) {
    uint64_t from = cpu_ticks();
    if (from - last.back >= AGAIN * last.took)
        last.away = AWAY;
    else if (last.away < AWAY_MOST)
        last.away *= 2;
    bool taken = look(l, last.away);
    last.back = cpu_ticks();
    last.took = last.back - from;
    return taken;
}

void mni_olock_slow(struct mni_olock *l) {
    invariant(!mni_solo());
    struct mni_olock_bed *bed = mni_olock_bed(l);
    while (!look_again(l)) {
        uint32_t turn = a32_load_acquire(&bed->turn); /* acquire: before the call, see above */
        a32_swap_full(&bed->call, 1); /* and the heavy barrier: with the light fence of mni_lock_drop */
        bool sure = mni_heavy_barrier();
        if (a32_cas_full(&l->word, 0, 1)) /* full: pairs with mni_lock_drop */
            return;
        struct timespec nap;
        if (!sure)
            nap = clock_deadline(CLOCK_MONOTONIC, NAP_NS);
        umtx_wait(&bed->turn, turn, sure ? NULL : &nap, CLOCK_MONOTONIC, UMTX_PRIVATE);
    }
}

void mni_olock_wake(struct mni_olock_bed *bed) {
    /* Full: before the change of turn; pairs with the other who answers. */
    if (a32_swap_full(&bed->call, 0) == 0)
        return;
    a32_add_full(&bed->turn, 1); /* full: pairs with the acquire of who calls */
    umtx_wake(&bed->turn, UMTX_WAKE_ALL, UMTX_PRIVATE);
}
