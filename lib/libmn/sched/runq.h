/*
 * runq: a cpu's queue of ready threads.  The owner's, plain memory; all functions are called by the owner.
 *
 * The hot slot runs next and inherits what is left of the slice, so that two threads which wake each other stay
 * together without starving the rest: for some sixteen such switches, while the ring holds others (MNI_HOP).  A
 * slice of a thousand calls would be too long: who asks again and again for what one of the others has, asks in
 * vain all the while.  Then the ring, oldest first.  A full ring grows, and is small again when it has run
 * empty; where there is no memory for that, the rest goes to the overflow list, behind it, so that making a
 * thread ready never fails.  A child-first spawn pushes its parent to the ring's young end and takes it from
 * there when the child has ended.  High goes before everything, low when there is nothing else, and once in 64
 * turns.
 */
#ifndef MNI_RUNQ_H
#define MNI_RUNQ_H

#include "enter.h"
#include "idle.h"

enum { MNI_AHEAD = 16 };

enum { MNI_OTHER_OVERFLOW = 1, MNI_OTHER_HIGH = 2, MNI_OTHER_LOW = 4 };

void mni_ring_shrink(struct mni_cpu *c);
void mni_runq_overflow(struct mni_cpu *c, struct mni_thread *t);
void mni_runq_other(struct mni_cpu *c, struct mni_thread *t);
void mni_runq_put_other(struct mni_cpu *c, struct mni_thread *t);
struct mni_thread *mni_runq_pick_other(struct mni_cpu *c);

/*
 * What a thief is given: half of the ring (at most `most`), oldest first, at least one; with an empty ring the
 * hot slot, if `hot`.  Pinned threads stay.  Returns how many; 0: nothing.
 *
 * An array, since the thief would walk a list of threads that lie in another CPU's caches, or in none, at one
 * miss after the other.
 */
unsigned mni_runq_give(struct mni_cpu *c, bool hot, struct mni_thread **out, unsigned most);

/* What another cpu has given goes to the young end. */
void mni_runq_adopt(struct mni_cpu *c, struct mni_thread *const *all, unsigned n);

static inline uint32_t mni_ring_length(const struct mni_cpu *c) {
    return a32_load(&c->tail) - a32_load(&c->head);
}

/*
 * The thread will run soon: what it needs of its stack is fetched meanwhile.  With a million threads each
 * switch meets a cold page, and a miss of the TLB and the caches is 250 ns when nothing else goes on at the
 * time.
 */
static inline void mni_prefetch_stack(const struct mni_thread *t) {
    const char *sp = t->sp;
    for (int line = 0; line < 5; line++)
        __builtin_prefetch(sp + 64 * line);
}

void mni_fetch_ahead(struct mni_cpu *c, uint32_t head);

/* Whether more than one thread could run here at once; a hint when read by others. */
static inline bool mni_runq_more(const struct mni_cpu *c) {
    return mni_ring_length(c) != 0 || a32_load(&c->others) != 0;
}

static inline bool mni_runq_empty(const struct mni_cpu *c) {
    return !aptr_load(&c->hot) && !mni_runq_more(c);
}

/* Relaxed stores below: thieves read these words as hints, and act only when the cpu is theirs. */

static inline bool mni_ring_full(const struct mni_cpu *c) {
    return c->tail - c->head > c->mask || (c->others & MNI_OTHER_OVERFLOW);
}

/* To the young end; it is not full. */
static inline void mni_ring_put(struct mni_cpu *c, struct mni_thread *t) {
    uint32_t tail = c->tail;
    c->ring[tail & c->mask] = t;
    a32_store(&c->tail, tail + 1);
}

/* There is more here than what runs next: sleepers may be called. */
static inline void mni_runq_seek_help(struct mni_cpu *c) {
    if (__builtin_expect(a32_load(&mni_rt->idlers) != 0, 0))
        mni_call_help(c);
}

static inline void mni_runq_put(struct mni_cpu *c, struct mni_thread *t) {
    if (__builtin_expect(mni_ring_full(c), 0))
        mni_runq_overflow(c, t);
    else
        mni_ring_put(c, t);
}

static inline void mni_runq_push(struct mni_cpu *c, struct mni_thread *t) {
    mni_runq_put(c, t);
    mni_runq_seek_help(c);
}

/* By priority; a thread that was just woken or started goes to the hot slot, and moves up who was there. */
static inline void mni_runq_push_next(struct mni_cpu *c, struct mni_thread *t) {
    struct mni_thread *old = c->hot;
    aptr_store(&c->hot, t);
    if (old)
        mni_runq_push(c, old);
}
static inline void mni_runq_push_hot(struct mni_cpu *c, struct mni_thread *t) {
    if (__builtin_expect(a8_load(&t->priority) != MN_NORMAL, 0))
        mni_runq_other(c, t);
    else
        mni_runq_push_next(c, t);
}

static inline void mni_runq_push_fair(struct mni_cpu *c, struct mni_thread *t) {
    if (__builtin_expect(a8_load(&t->priority) != MN_NORMAL, 0))
        mni_runq_other(c, t);
    else
        mni_runq_push(c, t);
}

/* The same, and nobody is called. */
static inline void mni_runq_push_quietly(struct mni_cpu *c, struct mni_thread *t) {
    if (__builtin_expect(a8_load(&t->priority) != MN_NORMAL, 0))
        mni_runq_put_other(c, t);
    else
        mni_runq_put(c, t);
}

/* The ring has threads, neither so many nor so cold ones that they are touched ahead, and is as small as it
 * gets. */
static inline bool mni_runq_plain(const struct mni_cpu *c, uint32_t head) {
    return head != c->tail && c->mask == MNI_RING - 1 && (int32_t)(c->cold - head) <= 0;
}

/* Its oldest, then. */
static inline struct mni_thread *mni_runq_pick_plain(struct mni_cpu *c, uint32_t head) {
    struct mni_thread *t = c->ring[head & (MNI_RING - 1)];
    c->budget = MNI_BUDGET;
    a32_store(&c->head, head + 1);
    /* The one after it will be switched to soon: its descriptor is on the way meanwhile. */
    __builtin_prefetch(c->ring[(head + 2) & (MNI_RING - 1)]);
    return t;
}

/* The hot slot's thread goes past the ring's. */
static inline void mni_runq_hop(struct mni_cpu *c) {
    c->budget -= c->head != c->tail ? MNI_HOP : 0;
}

/* The next to run, NULL: none.  Its slice is set. */
static inline struct mni_thread *mni_runq_pick(struct mni_cpu *c) {
    if (__builtin_expect((c->others & (MNI_OTHER_HIGH | MNI_OTHER_LOW)) != 0, 0)) {
        struct mni_thread *t = mni_runq_pick_other(c);
        if (t)
            return t;
    }
    struct mni_thread *t = c->hot;
    if (t) {
        aptr_store(&c->hot, NULL);
        if (__builtin_expect(c->budget > 0, 1)) {
            mni_runq_hop(c);
            return t;
        }
        mni_runq_push(c, t);
    }
    uint32_t head = c->head;
    if (__builtin_expect(mni_runq_plain(c, head), 1))
        return mni_runq_pick_plain(c, head);
    c->budget = MNI_BUDGET;
    if (head != c->tail) {
        t = c->ring[head & c->mask];
        a32_store(&c->head, head + 1);
        if (__builtin_expect(c->mask != MNI_RING - 1, 0) && head + 1 == c->tail)
            mni_ring_shrink(c);
        /* The one after it will be switched to soon: its descriptor is on the way meanwhile. */
        if (__builtin_expect(c->tail - head > MNI_RING || (int32_t)(c->cold - head) > 0, 0)) {
            if (c->fetched - head - 1 >= MNI_AHEAD) /* it is not one of those that were touched last */
                mni_fetch_ahead(c, head);
        } else
            __builtin_prefetch(c->ring[(head + 2) & c->mask]);
        return t;
    }
    return c->others ? mni_runq_pick_other(c) : NULL;
}

/*
 * Takes the youngest of the ring, if it is this thread and nobody comes before the ring.
 *
 * Threads that start each other child first go down and up a tree, and few of them live at once: as long as no
 * slice ends.  At the end of one the oldest of the ring runs, which is high up in the tree and begins another
 * way down beside the first.  So all threads on one way share MNI_STRAND slices, about a millisecond, before
 * others run; less, when the oldest of the ring has waited for a slice's time (mni_housekeep).
 */
static inline bool mni_runq_take_young(struct mni_cpu *c, const struct mni_thread *t) {
    uint32_t tail = c->tail;
    if (tail == c->head || c->ring[(tail - 1) & c->mask] != t || c->hot || c->others)
        return false;
    if (__builtin_expect(c->budget < MNI_BUDGET / 2, 0)) {
        if (c->strand < MNI_STRAND) {
            c->strand++;
            c->budget = MNI_BUDGET;
        } else if (c->budget <= 0) {
            /* Here, too: who starts threads and waits for none makes no call that ends its slice. */
            c->strand = 0;
            return false;
        }
    }
    a32_store(&c->tail, tail - 1);
    return true;
}

#endif
