/*
 * wait: how a thread, green or foreign, blocks on an object, and how it is woken.
 *
 * An object (mutex, channel, ...) has a small lock and one or more queues of waiters.  To block:
 *
 *     mni_lock_take(&m->lock);
 *     ... it has to wait ...
 *     struct mni_waiter *w = mni_waiter_self();          the caller's own record
 *     w->data = ...; mni_queue_append(&m->queue, w);
 *     int r = mni_wait("mutex", m, &m->lock, deadline);  drops the lock once the caller is off its stack
 *     if (r < 0) {                                       -ETIMEDOUT, -ECANCELED: nobody took it out of the queue yet
 *         mni_lock_take(&m->lock);
 *         mni_leave_queue(&m->queue, w);
 *         ...
 *     }
 *
 * and to wake, holding the lock:
 *
 *     while ((w = mni_queue_take(&m->queue)) && !mni_claim(w->parker, result)) continue;
 *     mni_lock_drop(&m->lock);
 *     if (w) mni_wake(w->parker);                         w's thread returns result (0 or more) from mni_wait
 *
 * Claim.  A waiter can be woken by the object, by its deadline and by a cancellation, all at once.
 * parker.claim decides:
 *
 *     IDLE     -> WAITING   by the waiter, on the next stack, when it has left its own
 *     IDLE     -> CLAIMED   likewise, if it finds CANCEL (sched.h)
 *     WAITING  -> CLAIMED   by whoever wakes it; exactly one succeeds, and then calls mni_wake once
 *     CLAIMED  -> IDLE      by the waiter, when it runs again
 *     any      |  CANCEL    by mn_cancel, sticky: a wait that begins with it set ends at once
 *
 * An object claims under its lock, and only a waiter that it has just taken out of its queue; a waiter whose
 * deadline claimed it takes itself out, under the lock, before it can wait for anything else.  So a claim never
 * hits a later wait.  The transitions are full atomic operations (plain in solo mode, solo.h): that to WAITING
 * pairs with that to CLAIMED, so that who claims may touch all that the waiter wrote.
 */
#ifndef MNI_WAIT_H
#define MNI_WAIT_H

#include <mn/time.h>
#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "list.h"
#include "solo.h"
#include "sync/olock.h"

enum {
    MNI_IDLE = 0,
    MNI_WAITING_CLAIM = 1,
    MNI_CLAIMED = 2,
    MNI_CLAIM_MASK = 3,
    MNI_CANCEL = 4,   /* cancellation was requested */
    MNI_SHIELD = 8,   /* and is not to be seen for now */
    MNI_POKED = 16,   /* CANCEL was set by an exit signal only (proc/poke.c) */
    MNI_CLAIM_SEQ = 32, /* above: counts the waits, so that mn_unpark, which has no lock, never claims a later one */
};

/* The part of a thread that others wake: at the start of a descriptor, and one for each foreign LWP. */
struct mni_parker {
    uint32_t claim;
    int32_t result;
    uint32_t foreign; /* 0: a green thread; MNI_ASLEEP: an LWP sleeps on it; STIRRED: and is to look again */
    uint32_t owner;   /* a number that is nobody else's at this time: what mutexes note as their owner */
};

/* The word of mn_park and mn_unpark, see park.c. */
enum { MNI_PERMIT = 1, MNI_PARKED = 2, MNI_PARK_SEQ = 2 /* above: the number of a wait */ };
static inline bool mni_permitted(uint32_t permit) {
    return permit & MNI_PERMIT;
}

enum { MNI_GREEN = 0, MNI_AWAKE = 1, MNI_ASLEEP = 2, MNI_STIRRED = MNI_ASLEEP + 1 };

/* A place in the queue of an object.  A select has one for each case. */
struct mni_waiter {
    struct list link;          /* next == NULL: in no queue */
    struct mni_parker *parker; /* whose it is */
    void *data;                /* the object's: what is to be sent, where to receive to, ... */
    uint64_t tag;              /* the object's: which case, reader or writer, ... */
};

/* FIFO; guarded by the object's lock.  All-zero is an empty queue, so that objects can be initialised by
 * {0}. */
struct mni_queue {
    struct mni_waiter *head, *tail;
};

/* The caller's own record and parker.  The record is free whenever the caller is not in a wait. */
struct mni_waiter *mni_waiter_self(void);
struct mni_parker *mni_parker_self(void);

/*
 * Blocks the caller until it is woken, then returns the result that it was given; -ETIMEDOUT after the deadline
 * (MN_FOREVER: none), -ECANCELED on a cancellation.  The lock (or NULL) is dropped when the caller is off its
 * stack; it is not taken again.  what and on are for dumps.
 */
int mni_wait(const char *what, const void *on, struct mni_olock *lock, int64_t deadline);

/* From now on a cancellation does not wake the caller, or does again.  Returns whether it was so before. */
bool mni_shield_self(bool shielded);

/* Tries to be the one who wakes it: true, and then mni_wake must follow.  Any caller. */
static inline bool mni_claim(struct mni_parker *parker, int result) {
    uint32_t claim = a32_load(&parker->claim);
    while ((claim & MNI_CLAIM_MASK) == MNI_WAITING_CLAIM) {
        /* Full: pairs with the one that set WAITING. */
        if (__builtin_expect(mni_cas32(&parker->claim, claim, claim ^ (MNI_WAITING_CLAIM | MNI_CLAIMED)), 1)) {
            parker->result = result;
            return true;
        }
        claim = a32_load(&parker->claim);
    }
    return false;
}

/* The same for one wait and no later one: the wait that began with this count of waits. */
static inline bool mni_claim_wait(struct mni_parker *parker, uint32_t seq, int result) {
    uint32_t claim = a32_load(&parker->claim);
    while ((claim & MNI_CLAIM_MASK) == MNI_WAITING_CLAIM && claim / MNI_CLAIM_SEQ == seq) {
        /* Full: pairs with the one that set WAITING. */
        if (__builtin_expect(mni_cas32(&parker->claim, claim, claim ^ (MNI_WAITING_CLAIM | MNI_CLAIMED)), 1)) {
            parker->result = result;
            return true;
        }
        claim = a32_load(&parker->claim);
    }
    return false;
}

/* Makes a claimed waiter run.  Not with an object's lock held.  Any caller. */
void mni_wake(struct mni_parker *parker);

/* Whether it has passed, which MN_FOREVER never has; 0 and less are no reason to ask the clock. */
static inline bool mni_passed(int64_t deadline) {
    return __builtin_expect(deadline != MN_FOREVER, 0) &&
           (deadline <= 0 || deadline <= (int64_t)clock_now_ns());
}

/*
 * Whether a cancellation of the caller is to be seen: what a blocking call that need not block looks at first.
 * If so, the end of the call finds the slice used up, and looks whether the caller is a process that does not
 * come back from it.
 */
bool mni_cancelled_self(void);

static inline bool mni_queued(const struct mni_waiter *w) {
    return w->link.next != NULL;
}
static inline bool mni_queue_empty(const struct mni_queue *q) {
    return q->head == NULL;
}
/* A queue's links: next of the last is the queue itself as a mark, so that a waiter in a queue always has a
 * next. */
static inline struct list *mni_queue_end(struct mni_queue *q) {
    return (struct list *)(void *)q;
}

static inline void mni_queue_append(struct mni_queue *q, struct mni_waiter *w) {
    w->link.next = mni_queue_end(q);
    w->link.prev = q->tail ? &q->tail->link : mni_queue_end(q);
    if (q->tail)
        q->tail->link.next = &w->link;
    else
        q->head = w;
    q->tail = w;
}

static inline void mni_queue_prepend(struct mni_queue *q, struct mni_waiter *w) {
    w->link.prev = mni_queue_end(q);
    w->link.next = q->head ? &q->head->link : mni_queue_end(q);
    if (q->head)
        q->head->link.prev = &w->link;
    else
        q->tail = w;
    q->head = w;
}

static inline void mni_queue_remove(struct mni_queue *q, struct mni_waiter *w) {
    struct list *next = w->link.next, *prev = w->link.prev;
    if (next == mni_queue_end(q))
        q->tail = prev == mni_queue_end(q) ? NULL : list_entry(prev, struct mni_waiter, link);
    else
        next->prev = prev;
    if (prev == mni_queue_end(q))
        q->head = next == mni_queue_end(q) ? NULL : list_entry(next, struct mni_waiter, link);
    else
        prev->next = next;
    w->link.next = w->link.prev = NULL;
}

/* Takes out the first; NULL: none. */
static inline struct mni_waiter *mni_queue_take(struct mni_queue *q) {
    struct mni_waiter *w = q->head;
    if (w)
        mni_queue_remove(q, w);
    return w;
}

/* After a wait that ended by itself: the caller takes itself out, if it is still in.  The object's lock is
 * held. */
static inline void mni_leave_queue(struct mni_queue *q, struct mni_waiter *w) {
    if (mni_queued(w))
        mni_queue_remove(q, w);
}

/* Wakes all in a queue of claimed waiters, each of which is its owner's again then.  No lock is held. */
static inline void mni_wake_all(struct mni_queue *claimed) {
    for (struct mni_waiter *w; (w = mni_queue_take(claimed));)
        mni_wake(w->parker);
}

#endif
