/*
 * Biased read locks: readers that share nothing.
 *
 * Guarantee.  While a lock is biased, taking and dropping it for reading writes to a cache line of the caller's
 * cpu only.  The exclusion of writers is what it is without.
 *
 * Problem.  A reader that is counted in the lock pulls the lock's line to its CPU, twice a pair, and the CPUs
 * fight for it: that is nearly all of the time, in every design with one counter.
 *
 * Design (after BRAVO, Dice and Kogan, USENIX ATC 2019; who may write to a slot, and the transfer of holds, are
 * ours).  Each cpu has a line of slots, and a lock an index in each line.  A reader that finds BIAS in the word
 * puts the lock's tag into its cpu's slot, and looks again: still BIAS, it holds the lock.  Who wants it for
 * writing makes BIAS REVOKING, under the lock's own lock, and counts what is in the slots into the word; from
 * there on the lock is an ordinary one.  BRAVO's writer waits for the slots to empty; here nobody waits for a
 * slot, and the last reader lets the writer in.
 *
 *   holds for reading = readers in the word + holds in slots with the tag  (+ those that the revoker has in
 * hand)
 *
 * Holds are alike: nobody cares which of them is whose.  So a thread that has moved to another cpu may give
 * back any of them: one that is in that cpu's slot, one of the word's, or one from wherever there is one; it
 * does the sum no harm.  It may find none although it holds the lock: while it looks into one slot after the
 * other, another thread locks behind it and unlocks before it; or a revoker has what it looks for in hand.
 * Then it becomes a revoker itself, after which all is in the word.
 *
 * Why the reader cannot miss the revoker and the revoker the reader.
 *
 *     reader:   slot := tag;    [light fence]    BIAS?
 *     revoker:  BIAS := 0;      [heavy barrier]  slot?           at least one sees the other's write
 *
 * So the common way has no locked instruction, since only the owner of a cpu makes a slot anything else that is
 * 0.  Giving back has one, since anyone may take holds out.  A reader that finds BIAS gone takes a hold out of
 * its slot again.  If there is none, it has become one of the word's, or another's was left in place of it:
 * then it holds the lock indeed.
 *
 * REVOKING keeps writers out that do not look under the lock, while holds go from the slots to the word.
 * Readers may count themselves meanwhile.  BIAS and REVOKING are never set together with QUEUE, WANTED or WRITER.
 *
 * When.  A lock is biased when a reader that counts itself was disturbed by another CPU.  The barrier takes a
 * writer some us; for NINEFOLD that time the lock is not biased again: a tenth of the time at the worst.
 * Nor are robust locks, foreign LWPs have no slot, and without membarrier(2) there is no bias.
 *
 * The table is there for the life of the process, since a lock may be held longer than a runtime lives.  A lock
 * that init makes where another one lay has another epoch, and is not taken for it though a thread ended with a
 * hold on that one; but for one in a thousand, and for locks with an initialiser, which all have 0.
 *
 * tests/model/mn_rwlock.c walks through all orders.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "cpu.h"
#include "membarrier.h"
#include "rwlock.h"

enum { NINEFOLD = 9 };

struct mni_bias_line mni_bias_lines[MNI_WORKERS_MAX];
static uint32_t used; /* lines of the table */

void mni_bias_start(unsigned cpus) {
    if (used < cpus)
        a32_store(&used, cpus); /* relaxed: before there are threads that could lock */
}

uint64_t mni_bias_new(void) {
    /* Locks with an initialiser have 0; a new one where a made one lay must differ from it. */
    return (cpu_ticks() * 0x9e3779b97f4a7c15u >> (64 - MNI_BIAS_EPOCH_BITS)) | 1;
}

bool mni_bias_drop_any(const struct mn_rwlock *l) {
    uint64_t tag = mni_bias_tag(l);
    for (uint32_t i = 0, n = a32_load(&used); i < n; i++)
        if (mni_bias_take(mni_bias_slot(l, i), tag))
            return true;
    return false;
}

void mni_bias_consider(struct mn_rwlock *l) {
    if (l->state || !mni_rt->membarrier || (uintptr_t)l >> MNI_BIAS_ADDRESS_BITS ||
        cpu_ticks() < a64_load(&l->bias)) /* relaxed: a hint */
        return;
    uint32_t word = a32_load(&l->word); /* relaxed: a guess for the compare-and-swap */
    /* It tries once: whoever disturbs it is a reader that may try as well, or a writer.  Full, of which
     * release: continues the last writer's release, see mni_bias_hold. */
    if (!(word & (MNI_RW_SHUT | MNI_RW_BIASED)))
        mni_cas32(&l->word, word, word | MNI_RW_BIAS);
}

void mni_bias_end(struct mn_rwlock *l) {
    uint32_t word;
    do {
        if (!((word = a32_load(&l->word)) & MNI_RW_BIAS))
            return;
        /* Full; pairs with the acquire of mni_bias_hold by way of the barrier. */
    } while (!mni_cas32(&l->word, word, word ^ MNI_RW_BIASED));
    uint64_t start = cpu_ticks(), tag = mni_bias_tag(l);
    mni_heavy_barrier(); /* pairs with the light fence of mni_bias_hold */
    uint32_t holds = 0;
    for (uint32_t i = 0, n = a32_load(&used); i < n; i++) {
        uint64_t *slot = mni_bias_slot(l, i), v;
        /* Acquire: what who held it has read, it read before it emptied the slot; pairs with mni_bias_take. */
        while (((v = a64_load_acquire(slot)) & MNI_BIAS_TAG) == tag) {
            if (mni_cas64(slot, v, 0)) { /* full: as the load */
                holds += (uint32_t)(v / MNI_BIAS_HOLD);
                break;
            }
        }
    }
    uint64_t now = cpu_ticks();
    /* Relaxed: hints, but for the epoch, which stays as it is. */
    a64_store(&l->bias,
              ((now + (now - start) * NINEFOLD) & ~MNI_BIAS_EPOCH) | (a64_load(&l->bias) & MNI_BIAS_EPOCH));
    do {
        word = a32_load(&l->word);
        /* Full, of which release: continues that of the holders whose slots were empty. */
    } while (!mni_cas32(&l->word, word, (word & ~(uint32_t)MNI_RW_REVOKING) + holds * MNI_RW_READER));
}
