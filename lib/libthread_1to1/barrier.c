/*
 * pthread_barrier_* and pthread_barrierattr_*.
 *
 * Guarantee.  Every count-th caller completes a round: it gets PTHREAD_BARRIER_SERIAL_THREAD, the others of
 * the round 0.  What any of them did before the wait is seen by all of them after it.  A thread that has
 * returned may wait again at once, also when others of its round have not left yet; it may also destroy the
 * barrier and release its memory at once.  More threads than count may use one barrier.
 *
 * The naive design, a counter and a separate round number, fails twice.  If the last thread first resets the
 * counter and then advances the round, a caller in between reads the old round with the new counter, and the
 * other way round. And after a round is over its threads still look at the round number, while one that was
 * faster frees the memory.
 *
 * Design.  Counter and round are the two halves of one 64-bit word, `at`: arriving is one compare-and-swap,
 * and the arrival that completes a round resets the counter and advances the round in the same step.  The
 * others sleep on the half that holds the round, and say so before, by a compare-and-swap of the same word: so
 * the last arrival finds it, or they find the round over.  Leaving is counted in `left`, the last word a thread
 * touches.  Since count threads leave in each round, destroy knows how many must have left, round * count,
 * and waits for that number: with a flag in `left` that tells the leavers, in the very operation that counts
 * them, to wake it.  (The wake-up names an address and touches no memory, so it may come after the memory is
 * gone.)
 *
 *   word    who writes               meaning
 *   at      arrivals; sleepers       low half: arrived in this round, < count; bit 31, SLEEPING: some of them
 *                                    may sleep; high half: rounds completed (mod 2^32)
 *   left    leavers; destroy (flag)  bit 0: DESTROYING; above: how many have left (mod 2^31)
 *
 * Memory order.  An arrival releases and acquires on `at`; the arrivals of a round form one release
 * sequence, so the last one has seen all; the others acquire the round that it wrote.  A leaver releases on
 * `left`, destroy acquires.
 *
 * Limits.  A waiter that sleeps through exactly 2^32 rounds would miss its own; rounds cannot outrun it
 * unless more than count threads take part.  A process-shared barrier works between processes on this
 * library only.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "thr.h"

#include <errno.h>
#include <limits.h>

#include "spinwait.h"
#include "umtx.h"

struct barrier {
    uint64_t at;
    uint32_t count;
    uint32_t flags; /* for umtx: UMTX_PRIVATE or UMTX_SHARED */
    uint32_t left;
};
_Static_assert(sizeof(struct barrier) <= sizeof(pthread_barrier_t), "the libc's size is the ABI");

enum { COUNT_MAX = INT_MAX - 1 }; /* the libc's limit */
enum { DESTROYING = 1, LEFT = 2 };
#define SLEEPING ((uint64_t)1 << 31)

static __thread struct spinwait history __attribute__((tls_model("initial-exec")));

static struct barrier *barrier_of(pthread_barrier_t *b) {
    return (struct barrier *)b;
}

static uint32_t round_of(uint64_t at) {
    return (uint32_t)(at >> 32);
}

static uint32_t arrived(uint64_t at) {
    return (uint32_t)(at & ~SLEEPING);
}

static uint32_t *round_word(struct barrier *b) {
    return (uint32_t *)&b->at + 1;
}

THR_EXPORT int pthread_barrier_init(pthread_barrier_t *barrier, const pthread_barrierattr_t *attr,
                                    unsigned count) {
    int pshared = PTHREAD_PROCESS_PRIVATE;
    if (count == 0 || count > COUNT_MAX)
        return EINVAL;
    if (attr)
        pthread_barrierattr_getpshared(attr, &pshared);
    *barrier_of(barrier) = (struct barrier){
        .count = count,
        .flags = pshared == PTHREAD_PROCESS_SHARED ? UMTX_SHARED : UMTX_PRIVATE,
    };
    return 0;
}

THR_EXPORT int pthread_barrier_destroy(pthread_barrier_t *barrier) {
    struct barrier *b = barrier_of(barrier);
    uint64_t at = a64_load(&b->at); /* relaxed: whoever destroys knows that the last round is over */
    if ((uint32_t)at != 0)
        return EBUSY;
    uint32_t all = round_of(at) * b->count * LEFT;
    /* full, of which acquire: pairs with leave(), so that what we free was touched for the last time before */
    uint32_t left = a32_or_full(&b->left, DESTROYING);
    while ((left & ~(uint32_t)DESTROYING) != all) {
        umtx_wait(&b->left, left | DESTROYING, NULL, CLOCK_MONOTONIC, (int)b->flags);
        left = a32_load_acquire(&b->left); /* acquire: as above */
    }
    return 0;
}

static void leave(struct barrier *b) {
    int flags = (int)b->flags;
    /* release: pairs with the acquire in destroy.  No access to *b after this. */
    if (a32_add_release(&b->left, LEFT) & DESTROYING)
        umtx_wake(&b->left, UMTX_WAKE_ALL, flags);
}

/* Until the round is over, in which the word was `at` when the caller arrived. */
static void wait_for_others(struct barrier *b, uint64_t at) {
    const uint32_t round = round_of(at);
    /* Where every thread of the round has a CPU, the last one is near, or just waking up from the round before;
     * looking for less than that takes, each would sleep because the other does. */
    if (b->count <= a32_load(&thr_cpus)) /* relaxed: a hint */
        spinwait_event(&history, round_word(b), round);
    else
        spinwait_changed(&history, round_word(b), round);
    for (;;) {
        at = a64_load_acquire(&b->at); /* acquire: pairs with the last arrival's exchange */
        if (round_of(at) != round)
            return;
        /* Relaxed: it publishes nothing; the last arrival finds it in the word that it exchanges. */
        if (!(at & SLEEPING) && !a64_cas(&b->at, at, at | SLEEPING))
            continue;
        umtx_wait(round_word(b), round, NULL, CLOCK_MONOTONIC, (int)b->flags);
    }
}

THR_EXPORT int pthread_barrier_wait(pthread_barrier_t *barrier) {
    struct barrier *b = barrier_of(barrier);
    uint64_t at = a64_load(&b->at), seen; /* relaxed: the exchange orders */
    bool last;
    for (;;) {
        last = arrived(at) + 1 == b->count;
        uint64_t next = last ? (uint64_t)(round_of(at) + 1) << 32 : at + 1;
        /* full: release of what we did before, acquire of what the earlier arrivals of the round did */
        seen = a64_fetch_cas_full(&b->at, at, next);
        if (seen == at)
            break;
        at = seen;
    }
    if (!last)
        wait_for_others(b, at);
    else if (at & SLEEPING)
        umtx_wake(round_word(b), UMTX_WAKE_ALL, (int)b->flags);
    leave(b);
    return last ? PTHREAD_BARRIER_SERIAL_THREAD : 0;
}

THR_EXPORT int pthread_barrierattr_init(pthread_barrierattr_t *attr) {
    *(int *)attr = PTHREAD_PROCESS_PRIVATE;
    return 0;
}

THR_EXPORT int pthread_barrierattr_destroy(pthread_barrierattr_t *attr) {
    (void)attr;
    return 0;
}

THR_EXPORT int pthread_barrierattr_getpshared(const pthread_barrierattr_t *attr, int *pshared) {
    *pshared = *(const int *)attr;
    return 0;
}

THR_EXPORT int pthread_barrierattr_setpshared(pthread_barrierattr_t *attr, int pshared) {
    if (pshared != PTHREAD_PROCESS_PRIVATE && pshared != PTHREAD_PROCESS_SHARED)
        return EINVAL;
    *(int *)attr = pshared;
    return 0;
}
