/*
 * select: how an object's waker claims a waiter that may be one of several of a select.
 *
 * A select stands in the queues of several objects, so it waits as many.h has it: who comes before it waits
 * leaves it out, and it looks again.  Order of locks: objects by address, then the select's.
 *
 * The records live in heap memory that belongs to the thread, so a waker may touch them as long as it holds the
 * lock of an object in whose queue it found them: the select does not end before it has taken that lock again.
 */
#ifndef MNI_SELECT_H
#define MNI_SELECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sync/olock.h"
#include "wait/many.h"
#include "wait/wait.h"

/*
 * What mni_wait returns to a waiter of an object that can be selected: one of these, and the index of a
 * select's case above it.
 */
enum {
    MNI_WOKEN_DONE = 0,
    MNI_WOKEN_COMING = 1, /* done, and it is to call mni_chan_arrive */
    MNI_WOKEN_CLOSED = 2, /* the channel was closed */
    /* MNI_WOKEN_AGAIN = 3: of a select, see many.h */
    MNI_WOKEN_BITS = 2,
    MNI_WOKEN_MASK = 3,
};

/* One case of a select that waits. */
struct mni_select_case {
    struct mni_waiter waiter; /* tag: mni_select_tag */
    struct mni_olock *lock;   /* its object's; NULL: it has none */
    uint32_t place;           /* in fds, of a descriptor */
};

/* The records of a select: a thread has at most one, and keeps it. */
struct mni_select {
    struct mni_many many;
    uint32_t room;   /* in cases and order */
    uint32_t nfds;   /* cases of descriptors */
    uint32_t fd_room;
    struct mni_polled *polled; /* [fd_room]; in one piece of memory with fds */
    struct pollfd *fds;
    uint32_t *order; /* indices of the cases, by address of lock */
    struct mni_select_case cases[];
};

/* waiter.tag: 0 for a plain waiter, whose object stores that. */
static inline uint64_t mni_select_tag(uint32_t index) {
    return (uint64_t)index << 1 | 1;
}
static inline uint32_t mni_waiter_case(const struct mni_waiter *w) {
    return (uint32_t)(w->tag >> 1);
}

/* mni_claim for a waiter that was taken out of its object's queue; the object's lock is held. */
static inline bool mni_claim_waiter(struct mni_waiter *w, int woken) {
    if (__builtin_expect(!(w->tag & 1), 1))
        return mni_claim(w->parker, woken);
    uint32_t index = mni_waiter_case(w);
    struct mni_select_case *first = (struct mni_select_case *)(void *)w - index;
    struct mni_select *s = (struct mni_select *)(void *)((char *)first - offsetof(struct mni_select, cases));
    return mni_many_claim(&s->many, w->parker, (int)(index << MNI_WOKEN_BITS) | woken);
}

/* mni_claim_first and mni_claim_all (waiters.h) for such waiters. */
static inline struct mni_waiter *mni_claim_first_waiter(struct mni_queue *q, int woken) {
    struct mni_waiter *w;
    while ((w = mni_queue_take(q)) && !mni_claim_waiter(w, woken))
        continue;
    return w;
}
static inline void mni_claim_all_waiters(struct mni_queue *q, int woken, struct mni_queue *to) {
    for (struct mni_waiter *w; (w = mni_claim_first_waiter(q, woken));)
        mni_queue_append(to, w);
}

/* Frees a thread's records, at its end. */
void mni_select_release(struct mni_select *s);

#endif
