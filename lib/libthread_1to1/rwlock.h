/*
 * rwlock: the lock's memory, and what rwlock.c, rwlock_bias.c and rwlock_attr.c share.
 *
 * The size, the offset of `kind` (static initialisers) and of `shared` are the libc's; all zero is a valid
 * lock.
 */
#ifndef THR_RWLOCK_H
#define THR_RWLOCK_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "thr.h"
#include "umtx.h"

struct rwlock_attr {
    int kind;
    int pshared;
};
_Static_assert(sizeof(struct rwlock_attr) <= sizeof(pthread_rwlockattr_t), "the libc's size is the ABI");

struct rwlock {
    uint64_t word;     /* rwlock.c's table */
    uint32_t queue;    /* writers that have to wait, one by one: 0 free, 1 held, 2 held and someone may sleep */
    uint32_t epoch;    /* tells locks apart that were made at one address, one after the other; rwlock_bias.c */
    uint64_t inhibit;  /* cpu_ticks() before which the lock is not biased again */
    uint32_t writer;   /* thread id of the write owner, for EDEADLK */
    uint32_t shared;   /* 0 private; otherwise shared between processes: never biased */
    uint64_t unused[2];
    uint32_t kind;
};
_Static_assert(sizeof(struct rwlock) <= sizeof(pthread_rwlock_t) && offsetof(struct rwlock, shared) == 28 &&
                   offsetof(struct rwlock, kind) == 48,
               "the libc's layout is the ABI");

/* Fields of the word; the table is in rwlock.c. */
#define RW_READER ((uint64_t)1)
#define RW_READERS (((uint64_t)1 << 21) - 1)
#define RW_WRITER ((uint64_t)1 << 21)
#define RW_BIAS ((uint64_t)1 << 22)
#define RW_PENDING ((uint64_t)1 << 23)
#define RW_ASLEEP ((uint64_t)1 << 24)
#define RW_TURN ((uint64_t)1 << 25)
#define RW_MINE (RW_PENDING | RW_ASLEEP | RW_TURN) /* the pending writer's */
#define RW_SLEEPER ((uint64_t)1 << 26)
#define RW_SLEEPERS ((((uint64_t)1 << 18) - 1) << 26)
#define RW_GRANT ((uint64_t)1 << 44)
#define RW_GRANTS (~(RW_GRANT - 1))

static inline int rwlock_umtx_flags(const struct rwlock *l) {
    return l->shared ? UMTX_SHARED : UMTX_PRIVATE;
}

/* ---- rwlock_bias.c: readers that are counted in a line of their own */

enum bias_result { BIAS_HELD, BIAS_NOT_HELD };

/* Tries to hold a biased lock for reading without writing to it.  NOT_HELD: count in the word instead. */
enum bias_result bias_rdlock(struct rwlock *l);

/* Gives back a hold that is counted in the caller's line; false: it is not there. */
bool bias_unlock(struct rwlock *l);

/* The same for a hold that any thread's line counts. */
bool bias_unlock_any(struct rwlock *l);

/* For a reader counted in the word who saw another: biases the lock, if that is likely to pay. */
void bias_consider(struct rwlock *l);

/*
 * If the lock is biased: ends that and returns true.  Every reader that was counted elsewhere is in the word
 * then, and so is the caller, as if it were a reader.
 */
bool bias_revoke(struct rwlock *l);

/* A new lock's epoch. */
uint32_t bias_epoch(void);

#endif
