/*
 * The caches of stack slots, one a CPU: the slow paths of stack.h.
 *
 * A cache keeps up to two batches of recycled slots.  When both are full, the batch that lies longest goes to
 * the slab; when it is empty, a batch comes from there.  So whole batches move, and a CPU that alternates
 * around a boundary does not go to the slab each time.
 *
 * A cache that the slab does not count as one (mni_slab_join failed, or was not called yet) keeps nothing.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "stack.h"

#include <errno.h>
#include <string.h>

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

/*
 * The next slots to be taken, from the slab and most likely cold.  Loads, since a CPU may leave out a prefetch
 * whose page is not in the TLB; once it is, prefetches bring the lines of the first frames.
 */
void mni_stack_touch(struct mni_stack_cache *c, unsigned class) {
    uint32_t end = c->nfree, from = end > MNI_STACK_AHEAD ? end - MNI_STACK_AHEAD : 0;
    for (uint32_t i = from; i < end; i++)
        (void)*(char *const volatile *)mni_stack_header(c->free[i], class);
    for (uint32_t i = from; i < end; i++) {
        const char *first = (const char *)mni_stack_header(c->free[i], class);
        for (int line = 0; line < 6; line++)
            __builtin_prefetch(first - 64 * line, 1);
    }
    c->cold = from;
}

char *mni_stack_take_slow(struct mni_stacks *s, unsigned class) {
    struct mni_stack_cache *c = &s->class[class];
    char *slot = c->bump;
    if (slot != c->end) {
        c->bump += mni_stack_bytes(class);
        return slot;
    }
    unsigned n = join(c, class) < 0 ? 1 : c->batch;
    char *end;
    slot = mni_slab_take(class, c->free, &n, &end);
    if (end) {
        c->bump = slot + mni_stack_bytes(class);
        c->end = end;
        return slot;
    }
    mni_stack_count(c, n);
    mni_stack_touch(c, class);
    mni_stack_count(c, n - 1);
    return c->free[n - 1];
}

void mni_stack_give_slow(struct mni_stacks *s, unsigned class) {
    struct mni_stack_cache *c = &s->class[class];
    bool member = join(c, class) == 0;
    unsigned n = member ? c->batch : c->nfree;
    if (n > 0 && c->nfree >= (member ? 2 * n : n)) {
        mni_slab_give(class, c->free, n);
        mni_stack_count(c, c->nfree - n);
        c->cold = c->cold > n ? c->cold - n : 0;
        memmove(c->free, c->free + n, c->nfree * sizeof c->free[0]);
    }
    if (c->credit > 2 * c->batch) {
        mni_slab_release(class, c->credit - c->batch);
        c->credit = c->batch;
    }
}

/* The recycled slots, while there are more than max, go back in batches. */
static void give_all(struct mni_stack_cache *c, unsigned class, unsigned max) {
    while (c->nfree > max) {
        unsigned n = c->nfree < MNI_STACK_BATCH ? c->nfree : MNI_STACK_BATCH;
        mni_slab_give(class, c->free + c->nfree - n, n);
        mni_stack_count(c, c->nfree - n);
    }
    c->cold = c->cold < c->nfree ? c->cold : c->nfree;
}

void mni_stacks_flush(struct mni_stacks *s) {
    for (unsigned class = 1; class < MNI_STACK_CLASSES; class++) {
        struct mni_stack_cache *c = &s->class[class];
        give_all(c, class, 0);
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
        give_all(c, class, max);
        done += mni_slab_trim(class, max, (unsigned)(TRIM_MOST - done));
    }
    return done;
}

char *mni_stack_take_shared(unsigned class) {
    if (mni_slab_promise(class, 1) < 0)
        return NULL;
    unsigned n = 1;
    char *end, *slot = NULL;
    char *unused = mni_slab_take(class, &slot, &n, &end);
    return end ? unused : slot;
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
