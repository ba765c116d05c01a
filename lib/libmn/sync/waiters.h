/*
 * waiters: what the objects of mn/sync.h do alike.
 *
 * Each has a word that the fast paths change by compare-and-swap, and a lock and a queue for those who have to
 * wait.  A bit of the word, QUEUE, says that the queue may hold somebody: it is set and cleared under the lock,
 * and sends every fast path that would let a waiter go on to the slow one.
 *
 * The rule of the last touch.  A thread that is let go may free the memory of the object at once, and so may
 * one that never waited, but found the word as it wished.  So the step that publishes the new state is the last
 * that touches the object, and the lock is dropped before it:
 *
 *     for (;;) {
 *         if (no QUEUE in the word) { compare-and-swap the new state; if that failed, again; wake whom we have; return; }
 *         take the lock; claim the waiters into a queue of our own; clear QUEUE; drop the lock;
 *     }
 *
 * Claimed waiters are asleep until mni_wake, and their records (in their own descriptors) may be queued
 * elsewhere.  Where ownership goes from thread to thread (mutex, rwlock, semaphore), the heir is claimed and
 * asleep: it cannot free anything before the lock is dropped.
 */
#ifndef MNI_WAITERS_H
#define MNI_WAITERS_H

#include <mn/object.h>

#include "wait/call.h"
#include "wait/wait.h"

_Static_assert(sizeof(struct mn_waiters) == sizeof(struct mni_queue), "a queue in a public object");

/*
 * mni_call_begin, and an end, for calls that can block.  A thread that is past its slice lets others run before
 * it takes a lock: those who want it, too, would otherwise find it held by one that does not run.
 */
static inline struct mni_cpu *mni_begin_blocking(void) {
    struct mni_cpu *cpu = mni_call_begin();
    if (cpu && __builtin_expect(cpu->budget <= 0, 0)) {
        mni_resched();
        cpu = mni_cpu_self();
    }
    return cpu;
}
static inline void mni_end_blocking(const struct mni_cpu *cpu) {
    if (__builtin_expect(cpu != NULL, 1)) {
        struct mni_cpu *c = mni_cpu_self();
        /* A wait that ended by a cancellation has left no budget (mni_block). */
        if (__builtin_expect(c->budget <= 0, 0) &&
            (a32_load(&c->current->park.claim) & (MNI_CANCEL | MNI_SHIELD)) == MNI_CANCEL)
            mni_proc_cancelled(c);
        mni_leave(c);
    }
}

/* QUEUE, in the words of events, semaphores and wait groups. */
enum { MNI_QUEUE = 1 };

/* The lock and a queue of a public object. */
#define mni_lock_in(object) ((struct mni_olock *)(void *)&(object)->lock)
#define mni_queue_in(waiters) ((struct mni_queue *)(void *)(waiters))

/* Takes out the first that can still be woken, and claims it; NULL: there is none.  The object's lock is
 * held. */
static inline struct mni_waiter *mni_claim_first(struct mni_queue *q) {
    struct mni_waiter *w;
    while ((w = mni_queue_take(q)) && !mni_claim(w->parker, 0))
        continue;
    return w;
}

/* The same with all of them: they go to the end of `to`.  Returns how many.  The object's lock is held. */
static inline uint32_t mni_claim_all(struct mni_queue *q, struct mni_queue *to) {
    uint32_t n = 0;
    for (struct mni_waiter *w; (w = mni_claim_first(q)); n++)
        mni_queue_append(to, w);
    return n;
}

/* Changes some bits of a word whose other bits anyone may change. */
static inline void mni_bits(uint32_t *word, uint32_t clear, uint32_t set) {
    for (;;) {
        uint32_t old = a32_load(word);
        /* Full; pairs with the compare-and-swap of the fast paths: they see the bits, or we their state. */
        if (mni_cas32(word, old, (old & ~clear) | set))
            return;
    }
}

/*
 * Waits in the queue of an object whose word has MNI_QUEUE; the lock is held, and dropped.  0: it was woken, and
 * the object may be gone; or the errors of mni_wait.
 */
static inline int mni_wait_in_queue(const char *what, const void *object, uint32_t *word, struct mni_olock *lock,
                                    struct mni_queue *q, int64_t deadline) {
    struct mni_waiter *w = mni_waiter_self();
    w->tag = 0; /* no select's */
    mni_queue_append(q, w);
    int r = mni_wait(what, object, lock, deadline);
    if (r >= 0)
        return 0;
    mni_lock_take(lock);
    mni_leave_queue(q, w);
    if (mni_queue_empty(q))
        mni_bits(word, MNI_QUEUE, 0);
    mni_lock_drop(lock);
    return r;
}

#endif
