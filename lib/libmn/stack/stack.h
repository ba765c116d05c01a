/*
 * stack: the stacks of green threads.
 *
 * A slot is 16, 64, 256 or 1024 KiB of address space, aligned to its size:
 *
 *     lowest address                                                                     end
 *     | guard: 16 KiB (4 in the 16K class) | ... the stack grows down ... | header | colour |
 *
 * The colour is 0 to 15 times 128 bytes, by the slot's number: otherwise the first frames of all threads would
 * share a few sets of the caches.  The header is two words that lie in the cache line of the first frame: the
 * first is the thread that has the slot, which is how a faulting address finds its owner, or NULL.
 *
 * Per CPU and class there is an array of slots that were used before (their page is mapped), taken last in,
 * first out, and a range of slots without pages.  An array, not a list through the slots: of a list, the place
 * of the next is known when the present one's line has arrived, and with 100,000 of them each such line is a
 * miss of the TLB and of all caches.  Those of the array are touched MNI_STACK_AHEAD at a time, so that the
 * misses overlap.
 *   All of it belongs to the CPU's owner: no atomics.  More comes from, and goes back to, the
 * process-wide slab (slab.h) under a lock, in batches.
 *
 * A thread gets its slot when it is first dispatched, on whatever CPU that is; a spawn only reserves, and it is
 * the reservation that fails for want of memory.  A reservation is a unit of credit, not a slot: it can be
 * taken on one CPU, used on a second and come back on a third.  slab.h says why there is then always a slot.
 */
#ifndef MNI_STACK_H
#define MNI_STACK_H

#include <mn/run.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "atomic.h"

#include "sanitizer.h"

struct mni_thread;

enum {
    MNI_STACK_CLASSES = MN_STACK_1M + 1, /* index 0 is not used */
    MNI_STACK_COLOURS = 16,
    MNI_STACK_COLOUR = 128,
    MNI_STACK_BATCH = 64, /* the most slots that move at a time */
    MNI_STACK_AHEAD = 16, /* slots that are touched at a time */
};

struct mni_stack_cache {
    uint32_t nfree;   /* recycled slots; written by mni_stack_count, since statistics read it */
    uint32_t cold;    /* of these, the first so many came from the slab and were not touched since */
    uint32_t credit;  /* reservations that this CPU may still give out */
    uint32_t batch;   /* how many slots move at a time; 0: the slab does not know of this cache yet */
    char *bump, *end; /* slots without pages */
    char *free[2 * MNI_STACK_BATCH]; /* the recycled ones, the youngest last */
};

struct mni_stacks {
    struct mni_stack_cache class[MNI_STACK_CLASSES];
};

/* What every return of a slot has to look at: MNI_WATCH_* of stack_watch.h, 0 in an ordinary run. */
extern uint32_t mni_stack_watch __attribute__((visibility("hidden")));

/* The slow paths of the functions below. */
int mni_stack_refill(struct mni_stacks *s, unsigned class);
char *mni_stack_take_slow(struct mni_stacks *s, unsigned class);
void mni_stack_give_slow(struct mni_stacks *s, unsigned class);
void mni_stack_touch(struct mni_stack_cache *c, unsigned class);
void mni_stack_watched_give(char *slot, unsigned class);

/* Bytes from the slot's lowest address to its end, and of its guard. */
static inline size_t mni_stack_bytes(unsigned class) {
    return (size_t)1 << (12 + 2 * class);
}
static inline size_t mni_stack_guard(unsigned class) {
    return class == MN_STACK_16K ? 4096 : 16384;
}

/* The header's two words. */
static inline char **mni_stack_header(char *slot, unsigned class) {
    size_t bytes = mni_stack_bytes(class), number = (uintptr_t)slot / bytes;
    return (char **)(void *)(slot + bytes - number % MNI_STACK_COLOURS * MNI_STACK_COLOUR) - 2;
}

/* Where the first frame goes, 16-byte aligned: below the header. */
static inline void *mni_stack_top(char *slot, unsigned class) {
    return mni_stack_header(slot, class);
}

/* Notes whose slot it is: by whoever takes it, before the thread runs.  The lowest bit says that it is a
 * thread. */
static inline void mni_stack_own(char *slot, unsigned class, struct mni_thread *t) {
    aptr_store(mni_stack_header(slot, class), (char *)t + 1); /* relaxed: others look (mni_stack_owner) */
}

/* relaxed: read_cpu (stats.c) looks */
static inline void mni_stack_count(struct mni_stack_cache *c, uint32_t n) {
    a32_store(&c->nfree, n);
}

/* Promises a slot: 0 or -ENOMEM. */
static inline int mni_stack_reserve(struct mni_stacks *s, unsigned class) {
    struct mni_stack_cache *c = &s->class[class];
    if (__builtin_expect(c->credit == 0, 0)) {
        int r = mni_stack_refill(s, class);
        if (r < 0)
            return r;
    }
    c->credit--;
    return 0;
}

/* Takes a promise back that will not be used.  (Every taken slot carries one, and mni_stack_give returns
 * that.) */
static inline void mni_stack_unreserve(struct mni_stacks *s, unsigned class) {
    s->class[class].credit++;
}

/* Takes a promised slot; returns its lowest address.  Cannot fail. */
static inline char *mni_stack_take(struct mni_stacks *s, unsigned class) {
    struct mni_stack_cache *c = &s->class[class];
    uint32_t n = c->nfree;
    if (__builtin_expect(n == 0, 0))
        return mni_stack_take_slow(s, class);
    if (__builtin_expect(n <= c->cold, 0))
        mni_stack_touch(c, class);
    mni_stack_count(c, n - 1);
    return c->free[n - 1];
}

/* Gives a slot back; the stack is no longer in use. */
static inline void mni_stack_give(struct mni_stacks *s, unsigned class, char *slot) {
    struct mni_stack_cache *c = &s->class[class];
    sanitizer_is_free(slot + mni_stack_guard(class), mni_stack_bytes(class) - mni_stack_guard(class));
    /* Relaxed: set before the runtime has threads, or when the first slot without a guard is handed out. */
    if (__builtin_expect(*(volatile uint32_t *)&mni_stack_watch != 0, 0))
        mni_stack_watched_give(slot, class);
    aptr_store(mni_stack_header(slot, class), NULL); /* relaxed: as in mni_stack_own */
    c->free[c->nfree] = slot;
    mni_stack_count(c, c->nfree + 1);
    c->credit++;
    if (__builtin_expect(c->nfree >= 2 * c->batch || c->credit > 2 * c->batch, 0))
        mni_stack_give_slow(s, class);
}

/* A CPU's caches go back to the slab, all of them; its owner's, or nobody runs it any more. */
void mni_stacks_flush(struct mni_stacks *s);

/*
 * Of the recycled slots in this cache and the slab, those beyond `max` in each class lose their pages, needed
 * or not (mni_slab_decay chooses better).  Does a bounded piece of the work (some 100 us); returns how many
 * slots it did, 0: nothing is left to do.
 */
int mni_stack_trim(struct mni_stacks *s, unsigned max);

/* The runtime starts: 0 or -ENOMEM.  It has ended: everything is unmapped; all caches were flushed. */
int mni_stack_slab_start(enum mn_stack default_class);
void mni_stack_slab_end(void);

/* In a fork's child: the parent's stacks stay mapped, the caller may run on one, and are forgotten. */
void mni_stack_slab_forked(void);

/* For threads that a foreign LWP starts: reserves and takes from the slab itself; NULL: -ENOMEM.  Any
 * caller. */
char *mni_stack_take_shared(unsigned class);

/* Undoes that; the slot was not used.  Any caller. */
void mni_stack_give_shared(unsigned class, char *slot);

/*
 * The thread in whose slot the address lies, NULL: in none, or nobody has the slot.  *slot, *class (either may
 * be NULL): which; *slot == NULL if none.  Signal safe.
 */
struct mni_thread *mni_stack_owner(const void *address, char **slot, unsigned *class);

/* For statistics: a recent view of one class. */
struct mni_stack_totals {
    uint64_t mapped_bytes;   /* address space */
    uint64_t resident_bytes; /* at least: a page for each slot that was used and not trimmed since */
    uint64_t slots;          /* mapped */
    uint64_t touched;        /* of these, handed to some CPU at least once and not trimmed since */
    uint64_t promised;       /* reserved or in use; up to a few batches a CPU more */
    uint64_t warm, cold;     /* in the slab: recycled with a page, trimmed */
    uint64_t trimmed;        /* so often did a slot lose its pages */
    uint64_t unguarded;      /* slots that no guard could be made for */
};
void mni_stack_totals(unsigned class, struct mni_stack_totals *totals);

#endif
