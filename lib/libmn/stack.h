/*
 * stack: the stacks of green threads.
 *
 * Per CPU and class: a LIFO list of slots that were used before (their top page is warm and mapped) and a range of slots
 * that never were.  All of it belongs to the CPU's owner; more comes from, and goes back to, the process-wide slab under a
 * lock, in batches.  A thread gets its stack when it is first dispatched, so a spawn only reserves: that a slot will be
 * there is counted, and a reservation is what fails for want of memory.
 */
#ifndef MNI_STACK_H
#define MNI_STACK_H

#include <mn/run.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MNI_STACK_CLASSES = MN_STACK_1M + 1 }; /* index 0 is not used */

struct mni_stack_cache {
    char *free;      /* recycled slots, linked through the word below their top */
    char *bump, *end; /* slots that were never used */
    uint32_t cached; /* in both */
    uint32_t reserved; /* of these, promised to threads that have not run */
};

struct mni_stacks {
    struct mni_stack_cache class[MNI_STACK_CLASSES];
};

/* Promises a slot: 0 or -ENOMEM. */
int mni_stack_refill(struct mni_stacks *s, unsigned class); /* slow path: gets more slots; 0 or -ENOMEM */
static inline int mni_stack_reserve(struct mni_stacks *s, unsigned class) {
    struct mni_stack_cache *c = &s->class[class];
    if (__builtin_expect(c->cached == c->reserved, 0)) {
        int r = mni_stack_refill(s, class);
        if (r < 0)
            return r;
    }
    c->reserved++;
    return 0;
}

/* Takes a promised slot; returns its lowest address.  Cannot fail. */
char *mni_stack_take(struct mni_stacks *s, unsigned class);

/* Gives a slot back; the stack is no longer in use. */
void mni_stack_give(struct mni_stacks *s, unsigned class, char *slot);

/* Where the first frame goes, 16-byte aligned: below the slot's end, coloured. */
void *mni_stack_top(char *slot, unsigned class);

/* A CPU's caches go back to the slab; the runtime ends: everything is unmapped. */
void mni_stacks_flush(struct mni_stacks *s);
void mni_stack_slab_end(void);
int mni_stack_slab_start(enum mn_stack default_class);

/* For threads that a foreign LWP starts: takes a slot from the slab itself; NULL: -ENOMEM.  Any caller. */
char *mni_stack_take_shared(unsigned class);

/* Bytes from the slot's lowest address to its end. */
size_t mni_stack_bytes(unsigned class);

#endif
