/* table: taking and giving back descriptors; visiting all. */
#ifndef MNI_TABLE_H
#define MNI_TABLE_H

#include "runtime/runtime.h"
#include "sched/enter.h"

enum { MNI_FREE_MOST = 4096 };

/* Where the descriptors are: segments, the first `used` of which are mapped. */
struct mni_table {
    struct mni_thread_segment **segments; /* the array itself is mapped for max_threads */
    uint32_t used;                /* atomic */
    uint32_t wanted;              /* so many callers look for free descriptors of other cpus; atomic */
};
extern struct mni_table mni_table __attribute__((visibility("hidden")));

/* The descriptor with that index; it is there. */
static inline struct mni_thread *mni_thread_at(uint32_t index) {
    struct mni_thread *first = mni_table.segments[index / MNI_SEGMENT]->thread;
    return first + index % MNI_SEGMENT;
}

/* The descriptor of a handle; NULL: no such thread.  May be called by anyone; what is read from it may be
 * stale. */
static inline struct mni_thread *mni_thread_find(mn_thread handle) {
    uint32_t index = (uint32_t)handle - 1;
    /* Acquire: pairs with the release of add_segment.  (An index of 0 - 1 is out of range.) */
    if (__builtin_expect(index / MNI_SEGMENT >= a32_load_acquire(&mni_table.used) || handle >> 32 == 0, 0))
        return NULL; /* generation 0 is that of descriptors that were never used */
    struct mni_thread *t = mni_thread_at(index);
    /* Acquire: pairs with the release of mni_thread_retire. */
    return a32_load_acquire(&t->generation) == (uint32_t)(handle >> 32) ? t : NULL;
}

int mni_table_start(uint64_t max_threads, unsigned ncpus);
void mni_table_end(void);

int mni_thread_refill(struct mni_cpu *c); /* 0, -ENOMEM, -EAGAIN */
void mni_thread_flush(struct mni_cpu *c, bool all);

/* Somebody looks for descriptors, and those of a worker that is inside the runtime cannot be taken: it gives
 * them, now and then. */
static inline void mni_thread_share(struct mni_cpu *c) {
    /* Relaxed: who misses it is looked at again. */
    if (__builtin_expect(a32_load(&mni_table.wanted) != 0, 0))
        mni_thread_flush(c, true);
}

/* For foreign LWPs. */
struct mni_thread *mni_thread_take_shared(int *error);
void mni_thread_give_shared(struct mni_thread *t);

/* Its handles are stale from here on.  A generation is never 0, so no handle is 0. */
static inline void mni_thread_retire(struct mni_thread *t) {
    uint32_t next = t->generation + 1;
    a8_store(&t->state, MNI_FREE);
    /* Release: pairs with the acquire of mni_thread_find. */
    a32_store_release(&t->generation, next ? next : 1);
}

/*
 * Free descriptors lie in two lists of a cpu, since most threads that end have their stack taken over by the
 * next one (exit.c says which): one that starts by the short way looks at those that have one only, however
 * many others there are.
 */
static inline void mni_thread_give(struct mni_cpu *c, struct mni_thread *t) {
    mni_thread_retire(t);
    if (__builtin_expect(t->own != NULL, 1)) {
        t->next = c->kept;
        c->kept = t;
        a32_store(&c->kept_count, c->kept_count + 1); /* relaxed: a hint for others */
        return;
    }
    t->next = c->free;
    c->free = t;
    uint32_t count = c->free_count + 1;
    a32_store(&c->free_count, count); /* relaxed: a hint for others */
    if (__builtin_expect(count > MNI_FREE_MOST, 0))
        mni_thread_flush(c, false);
}

/* Takes the first that has kept its stack; there is one. */
static inline struct mni_thread *mni_thread_take_kept(struct mni_cpu *c) {
    struct mni_thread *t = c->kept;
    c->kept = t->next;
    a32_store(&c->kept_count, c->kept_count - 1); /* relaxed, here and below: a hint for others */
    return t;
}

/* The first of those without. */
static inline struct mni_thread *mni_thread_take_bare(struct mni_cpu *c) {
    struct mni_thread *t = c->free;
    c->free = t->next;
    a32_store(&c->free_count, c->free_count - 1);
    return t;
}

/* Whether a cpu has free descriptors; a hint when others ask. */
static inline bool mni_thread_any_free(const struct mni_cpu *c) {
    return a32_load(&c->kept_count) || a32_load(&c->free_count);
}

/* Its stack's slot, which are aligned; NULL: it has none of the slab's. */
static inline char *mni_thread_stack(const struct mni_thread *t) {
    return t->flags & MNI_BOUND ? NULL : (char *)((uintptr_t)t->own & -mni_stack_bytes(t->stack_class));
}

/* The stack that a free descriptor kept goes back. */
static inline void mni_thread_drop_stack(struct mni_cpu *c, struct mni_thread *t) {
    mni_fiber_end(&mni_extra(t)->fiber);
    mni_stack_give(&c->stacks, t->stack_class, mni_thread_stack(t));
    t->own = NULL;
}

/* Calls visit for every thread that is not free, until it returns false.  Threads start and end meanwhile. */
void mni_table_each(bool (*visit)(struct mni_thread *t, void *arg), void *arg);

#endif
