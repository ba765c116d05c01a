/* table: taking and giving back descriptors; visiting all. */
#ifndef MNI_TABLE_H
#define MNI_TABLE_H

#include "runtime.h"
#include "enter.h"

enum { MNI_FREE_MOST = 4096 };

int mni_table_start(uint64_t max_threads);
void mni_table_end(void);

int mni_thread_refill(struct mni_cpu *c); /* 0, -ENOMEM, -EAGAIN */
void mni_thread_flush(struct mni_cpu *c, bool all);

/* For foreign LWPs. */
struct mni_thread *mni_thread_take_shared(int *error);
void mni_thread_give_shared(struct mni_thread *t);

/* Its handles are stale from here on.  A generation is never 0, so no handle is 0. */
static inline void mni_thread_retire(struct mni_thread *t) {
    uint32_t next = t->generation + 1;
    t->state = MNI_FREE;
    /* Release: pairs with the acquire of mni_thread_find. */
    a32_store_release(&t->generation, next ? next : 1);
}

static inline void mni_thread_give(struct mni_cpu *c, struct mni_thread *t) {
    mni_thread_retire(t);
    t->next = c->free;
    c->free = t;
    if (__builtin_expect(++c->free_count > MNI_FREE_MOST, 0))
        mni_thread_flush(c, false);
}

/* Calls visit for every thread that is not free, until it returns false.  Threads start and end meanwhile. */
void mni_table_each(bool (*visit)(struct mni_thread *t, void *arg), void *arg);

#endif
