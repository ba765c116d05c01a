/*
 * lock: the mutex that our own structures are guarded with.
 *
 * Spins for at most about a microsecond, then waits in the kernel (a preempted or SCHED_FIFO holder is never
 * spun on).  Not recursive, not robust, private to the process.  It is never a cancellation point.
 *
 * Every lock has a rank; a thread takes locks in rising rank only.  Builds with --enable-lock-ranks check that
 * and panic with both ranks.  Signal handlers take no lock unless every holder blocks signals (lock_rank says
 * which).
 */
#ifndef OD_LOCK_H
#define OD_LOCK_H

#include <stdbool.h>
#include <stdint.h>

/* Lowest first: who holds a lock may take only those below it in this list. */
enum lock_rank {
    RANK_NAMED_SEM = 1, /* open named semaphores; fork takes it first, since its handlers were registered last */
    RANK_INIT,          /* start-up of a library, once */
    RANK_REGISTRY,      /* the table of all threads */
    RANK_THREAD,        /* one thread's end against whoever acts on it */
    RANK_POOL,          /* parked LWPs */
    RANK_STACK,         /* the stack cache */
    RANK_LIBC,          /* around calls that take locks of the loader */
    RANK_SCHED,         /* one thread's scheduling and ceilings */
    RANK_OBJECT,        /* inside one synchronisation object */
    RANK_LEAF, /* takes nothing below it; for tests */
};

struct lock {
    uint32_t word; /* 0 free, 1 held, 2 held and someone may sleep */
    uint32_t rank;
};

#define LOCK_INIT(rank_) ((struct lock){0, (rank_)})

void lock_slow(struct lock *l);
void unlock_slow(struct lock *l);
void lock_rank_push(const struct lock *l);
void lock_rank_pop(const struct lock *l);

static inline void lock_take(struct lock *l);
static inline bool lock_try(struct lock *l);
static inline void lock_drop(struct lock *l);

/* In a fork's child: the lock is free again, whoever held it. */
static inline void lock_reset(struct lock *l);

#include "lock_inline.h"

#endif
