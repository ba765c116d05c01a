/*
 * slab: where the slots of stack.h come from.  Process-wide, under one lock.
 */
#ifndef MNI_SLAB_H
#define MNI_SLAB_H

#include "stack.h"

/* A mapping, full of slots of one class.  Grows only in number: found without the lock, by signal handlers
 * too. */
struct mni_step {
    char *base;
    size_t bytes;       /* mapped: the slots, then note */
    uint32_t *note;     /* for each slot: MNI_NOTE_* and, while it is cold, the next cold slot */
    uint32_t slots;
    uint32_t used;      /* of these, the first `used` were handed out */
    uint32_t dumped;    /* the first `dumped` go into core dumps */
    unsigned class;
};

#define MNI_NOTE_BARE 0x80000000u /* it has no guard */
#define MNI_NOTE_NEXT 0x7fffffffu /* the next cold slot (its step and its place in it), 0: none */

/* A cache that begins: how many slots it may move at a time (at least 1), or -ENOMEM. */
int mni_slab_join(unsigned class);
void mni_slab_leave(unsigned class);

/* Promises n slots, or fewer if memory is short: returns how many (at least 1), or -ENOMEM. */
int mni_slab_promise(unsigned class, unsigned n);
void mni_slab_release(unsigned class, unsigned n);

/*
 * Slots for a cache, up to *n (at most MNI_STACK_BATCH), one of two ways.  Recycled: stores *n of them in
 * slots; *end is NULL.  Without pages, guarded: returns the first, and *end is behind the last.  Cannot fail
 * for a caller that has been promised a slot.
 */
char *mni_slab_take(unsigned class, char **slots, unsigned *n, char **end);

/* n recycled slots, at most MNI_STACK_BATCH; slots without pages. */
void mni_slab_give(unsigned class, char *const *slots, unsigned n);
void mni_slab_give_cold(unsigned class, char *from, char *end);

/* Trims at most `most` slots, while there are more than max: how many. */
int mni_slab_trim(unsigned class, unsigned max, unsigned most);

/*
 * A worker that is about to sleep calls this: trims a few of the slots that nobody needed for a while (some 50
 * us), if there are.  Returns when to call again: a time not after now if there is more, INT64_MAX if there
 * will be nothing.
 */
int64_t mni_slab_decay(void);
extern int64_t mni_slab_decay_ns; /* after how long without use; tests make it short */

/* The step that an address lies in, or NULL.  Steps by number, NULL: no more.  Signal safe. */
struct mni_step *mni_slab_step(const void *address);
struct mni_step *mni_slab_step_at(unsigned number);

#endif
