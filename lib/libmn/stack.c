/*
 * The caches of stack slots, one a CPU: the slow paths of stack.h.
 *
 * A cache keeps two lists of recycled slots, `free` and at most one full batch in `spare`.  When free is full it becomes
 * the spare, and an old spare goes to the slab; when free is empty, the spare takes its place.  So whole batches move, by
 * one pointer, without being walked, and a CPU that alternates around a boundary does not go to the slab each time.
 *
 * A cache that the slab does not count as one (mni_slab_join failed, or was not called yet) keeps nothing.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "stack.h"

#include <errno.h>

#include "atomic.h"
#include "panic.h"
#include "slab.h"

enum { TRIM_MOST = 128 };

uint32_t mni_stack_watch;

static int join(struct mni_stack_cache *c, unsigned class) {
    if (c->batch == 0) {
        int r = mni_slab_join(class);
        if (r < 0)
            return r;
        c->batch = (uint32_t)r;
    }
    return 0;
}

int mni_stack_refill(struct mni_stacks *s, unsigned class) {
    struct mni_stack_cache *c = &s->class[class];
    int r = join(c, class);
    r = mni_slab_promise(class, r < 0 ? 1 : c->batch);
    if (r < 0)
        return r;
    c->credit += (uint32_t)r;
    return 0;
}

char *mni_stack_take_slow(struct mni_stacks *s, unsigned class) {
    struct mni_stack_cache *c = &s->class[class];
    if (c->spare) {
        char *slot = c->spare;
        c->free = *mni_stack_header(slot, class);
        c->nfree = c->batch - 1;
        c->spare = NULL;
        return slot;
    }
    char *slot = c->bump;
    if (slot != c->end) {
        c->bump += mni_stack_bytes(class);
        return slot;
    }
    unsigned n = join(c, class) < 0 ? 1 : c->batch;
    char *end;
    slot = mni_slab_take(class, &n, &end);
    if (end) {
        c->bump = slot + mni_stack_bytes(class);
        c->end = end;
    } else {
        c->nfree = n - 1;
        c->free = n > 1 ? *mni_stack_header(slot, class) : NULL;
    }
    return slot;
}

void mni_stack_give_slow(struct mni_stacks *s, unsigned class) {
    struct mni_stack_cache *c = &s->class[class];
    bool member = join(c, class) == 0;
    if (c->nfree > 0 && (!member || c->nfree >= c->batch)) {
        if (c->spare || !member)
            mni_slab_give(class, member ? c->spare : c->free, member ? c->batch : c->nfree);
        c->spare = member ? c->free : NULL;
        c->free = NULL;
        c->nfree = 0;
    }
    if (c->credit > 2 * c->batch) {
        mni_slab_release(class, c->credit - c->batch);
        c->credit = c->batch;
    }
}

void mni_stacks_flush(struct mni_stacks *s) {
    for (unsigned class = 1; class < MNI_STACK_CLASSES; class++) {
        struct mni_stack_cache *c = &s->class[class];
        if (c->spare)
            mni_slab_give(class, c->spare, c->batch);
        if (c->free)
            mni_slab_give(class, c->free, c->nfree);
        if (c->bump != c->end)
            mni_slab_give_cold(class, c->bump, c->end);
        if (c->credit > 0)
            mni_slab_release(class, c->credit);
        if (c->batch > 0)
            mni_slab_leave(class);
        *c = (struct mni_stack_cache){0};
    }
}

int mni_stack_trim(struct mni_stacks *s, unsigned max) {
    int done = 0;
    for (unsigned class = 1; class < MNI_STACK_CLASSES && done < TRIM_MOST; class++) {
        struct mni_stack_cache *c = &s->class[class];
        if (c->spare && c->nfree + c->batch > max) {
            mni_slab_give(class, c->spare, c->batch);
            c->spare = NULL;
        }
        if (c->free && c->nfree > max) {
            mni_slab_give(class, c->free, c->nfree);
            c->free = NULL;
            c->nfree = 0;
        }
        done += mni_slab_trim(class, max, (unsigned)(TRIM_MOST - done));
    }
    return done;
}

char *mni_stack_take_shared(unsigned class) {
    if (mni_slab_promise(class, 1) < 0)
        return NULL;
    unsigned n = 1;
    char *end;
    return mni_slab_take(class, &n, &end);
}

void mni_stack_give_shared(unsigned class, char *slot) {
    mni_slab_give_cold(class, slot, slot + mni_stack_bytes(class));
    mni_slab_release(class, 1);
}

struct mni_thread *mni_stack_owner(const void *address, char **slot, unsigned *class) {
    struct mni_step *step = mni_slab_step(address);
    if (slot)
        *slot = NULL;
    if (!step)
        return NULL;
    size_t bytes = mni_stack_bytes(step->class), place = (size_t)((const char *)address - step->base) / bytes;
    char *found = step->base + place * bytes;
    if (slot)
        *slot = found;
    if (class)
        *class = step->class;
    /* Relaxed: the caller asks of a thread that is stopped, or takes the answer for what it is. */
    char *word = aptr_load(mni_stack_header(found, step->class));
    return (uintptr_t)word & 1 ? (struct mni_thread *)(void *)(word - 1) : NULL;
}
