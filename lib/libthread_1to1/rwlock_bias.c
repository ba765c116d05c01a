/*
 * Biased read locks: readers that share nothing.
 *
 * Guarantee.  While a lock is biased, taking and dropping it for reading writes only to a cache line that is
 * as good as the thread's own.  The exclusion of writers is what it is without.
 *
 * Problem.  A reader that is counted in the lock pulls the lock's line to its CPU, twice a pair, and the
 * CPUs fight for it: with two readers and nothing between lock and unlock that is nearly all of the time
 * spent, in every design with one counter, this library's own too.
 *
 * Design (after BRAVO, Dice and Kogan, USENIX ATC 2019; the transfer of holds is ours).  There is one table
 * of slots for the process.  A thread has a line of it, and a lock an index in each line.  A reader that
 * finds BIAS in the word puts the lock's tag into its slot and looks again: still BIAS, it holds the lock.
 * A writer takes BIAS out of the word, counting itself as a reader in the same step so that no other writer
 * can get in, and goes through the table: each slot with the lock's tag is turned into a count in the word,
 * first the count, then the slot.  From there on the lock is an ordinary one, and the reader, when it does
 * not find its slot, unlocks the ordinary way.  BRAVO's writer waits for the slots to empty, spinning; here
 * nobody waits for a slot, and the last reader wakes the writer.
 *
 *   holds for reading = readers in the word + slots that contain the tag  (- writers at work on the table)
 *
 * Holds are alike: nobody cares which of them is whose.  So it does no harm that threads share lines (two
 * threads may clear each other's slot: the sum stays right), nor that a read lock is dropped by another
 * thread than took it.
 *
 * A reader that finds BIAS gone after it has put the tag takes it back.  If the slot has been cleared
 * meanwhile, some writer has counted it, and then it holds the lock indeed.
 *
 * Why the reader cannot miss the writer and the writer the reader: reader: slot := tag; fence; BIAS?
 * writer: BIAS := 0; fence; slot?  At least one sees the other's write.
 *
 * When.  A lock is biased when a reader, counting itself, sees another reader: nothing is gained before.  To
 * go through the table costs a writer a few hundred ns; for NINEFOLD that time the lock is not biased again,
 * so revocations take a tenth of the time at the worst.  Process-shared locks are never biased.
 *
 * Limits.  The tag holds 54 bits of the address (>> 3) and ten of an epoch that init draws, so that a lock
 * made anew where another one lay is not taken for it though some thread ended, or was left behind by fork,
 * with a hold on it.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "cpu.h"
#include "fork.h"
#include "rwlock.h"

enum { LINES = 64, SLOTS = 8, NINEFOLD = 9, EPOCH_BITS = 10 };

static struct line {
    uint64_t slot[SLOTS];
} lines[LINES] __attribute__((aligned(128)));

static __thread struct line *own_line __attribute__((tls_model("initial-exec")));

static uint64_t tag_of(const struct rwlock *l) {
    return (uint64_t)(uintptr_t)l >> 3 | (uint64_t)l->epoch << (64 - EPOCH_BITS);
}

static struct line *assign_line(void) {
    static uint32_t next; /* threads that live at the same time mostly get lines of their own */
    return own_line = &lines[a32_add(&next, 1) % LINES];
}

static uint64_t *slot_in(struct line *line, const struct rwlock *l) {
    uintptr_t a = (uintptr_t)l;
    return &line->slot[(a >> 4 ^ a >> 7 ^ a >> 12) % SLOTS];
}

enum bias_result bias_rdlock(struct rwlock *l) {
    struct line *line = likely(own_line != NULL) ? own_line : assign_line();
    uint64_t *slot = slot_in(line, l), tag = tag_of(l);
    /* full: the slot is written before BIAS is read; pairs with bias_revoke's exchange and fence */
    if (a64_load(slot) != 0 || !a64_cas_full(slot, 0, tag))
        return BIAS_NOT_HELD;
    /* acquire: BIAS was set after the last writer's release, by an operation that continues it */
    if (likely(a64_load_acquire(&l->word) & RW_BIAS))
        return BIAS_HELD;
    /* full, of which acquire when it fails: pairs with whoever counted us in the word and cleared the slot */
    return a64_fetch_cas_full(slot, tag, 0) == tag ? BIAS_NOT_HELD : BIAS_HELD;
}

static bool clear(uint64_t *slot, uint64_t tag) {
    /* release: pairs with the loads of bias_revoke */
    return a64_load(slot) == tag && a64_cas_release(slot, tag, 0);
}

bool bias_unlock(struct rwlock *l) {
    return own_line && clear(slot_in(own_line, l), tag_of(l));
}

bool bias_unlock_any(struct rwlock *l) {
    for (int i = 0; i < LINES; i++) {
        if (clear(slot_in(&lines[i], l), tag_of(l)))
            return true;
    }
    return false;
}

void bias_consider(struct rwlock *l) {
    if (l->shared || cpu_ticks() < a64_load(&l->inhibit)) /* relaxed: a hint */
        return;
    uint64_t w = a64_load(&l->word); /* relaxed: a guess for the exchange */
    /* The exchange tries once: whoever disturbs it is a reader that may try as well, or a writer.
     * release: continues the last writer's release, see bias_rdlock */
    if (!(w & (RW_WRITER | RW_PENDING | RW_BIAS | RW_SLEEPERS)))
        a64_cas_full(&l->word, w, w | RW_BIAS);
}

bool bias_revoke(struct rwlock *l) {
    uint64_t w = a64_load(&l->word); /* relaxed: a guess for the exchange */
    do {
        if (!(w & RW_BIAS))
            return false;
        uint64_t seen = a64_fetch_cas_full(&l->word, w, (w & ~RW_BIAS) + RW_READER);
        if (seen == w)
            break;
        w = seen;
    } while (true);
    fence_full(); /* BIAS is written before the slots are read; pairs with bias_rdlock's exchange */
    uint64_t start = cpu_ticks(), tag = tag_of(l);
    for (int i = 0; i < LINES; i++) {
        uint64_t *slot = slot_in(&lines[i], l);
        /* acquire: what the holder read, it read before it cleared the slot; pairs with clear() */
        if (a64_load_acquire(slot) != tag)
            continue;
        a64_add(&l->word, RW_READER); /* relaxed: before the slot's exchange, which orders */
        if (!a64_cas_full(slot, tag, 0))
            a64_add(&l->word, -RW_READER); /* it has left meanwhile; we count still, so this is not the last */
    }
    uint64_t now = cpu_ticks();
    a64_store(&l->inhibit, now + (now - start) * NINEFOLD);
    return true;
}

uint32_t bias_epoch(void) {
    /* Locks with a static initialiser have 0; a new one where a made one lay must differ from it. */
    return (uint32_t)(cpu_ticks() * 0x9e3779b97f4a7c15u >> (64 - EPOCH_BITS)) | 1;
}

/* In a fork's child: forgets the holds of threads that do not exist any more. */
static void fork_child(void) {
    for (int i = 0; i < LINES; i++) {
        if (&lines[i] != own_line)
            lines[i] = (struct line){0};
    }
}

__attribute__((constructor)) static void start(void) {
    thr_atfork(NULL, NULL, fork_child);
}
