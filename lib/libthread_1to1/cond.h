/* The inside of a pthread_cond_t, for cond.c, cond_queue.c (private ones) and cond_shared.c (shared ones). */
#ifndef THR_COND_H
#define THR_COND_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "mutex.h"
#include "thr.h"

struct cond_waiter;

struct cond {
    uint32_t lock; /* guards what follows; 0 free, 1 held, 2 held and somebody may sleep on it */
    uint32_t epoch; /* private: how many forks this process descends from, as cond_queue.c counts them */
    struct cond_waiter *head, *tail; /* private: who waits, first come first */
    uint32_t seq; /* umtx word.  Shared: one more with every signal.  Private: with every waiter that left */
    uint32_t waiters; /* shared: who is inside wait, and COND_DESTROYED.  Private: COND_DESTROYED or 0 */
    uint32_t spare;
    uint32_t flags; /* COND_*, where glibc has them; constant */
    uint64_t spare2;
};

_Static_assert(sizeof(struct cond) == sizeof(pthread_cond_t), "a condition variable is 48 bytes");
_Static_assert(offsetof(struct cond, flags) == 36, "glibc's __wrefs");

enum {
    COND_SHARED = 1,
    COND_MONOTONIC = 2,
};
#define COND_DESTROYED 0x80000000u

/* When to give up a wait. */
struct cond_until {
    const struct timespec *deadline; /* NULL: never */
    clockid_t clock;
};

/* The lock of a condition variable.  Unlocking may be the last access to it. */
void cond_lock(struct cond *c, int umtx_flags);
void cond_unlock(struct cond *c, int umtx_flags);

/*
 * wait: the mutex is held on entry and on return.  0, -ETIMEDOUT, -ECANCELED: the caller is to act on a
 * cancellation; or what mutex_lock_waited says of the mutex.  signal wakes one that waits, broadcast all;
 * destroy returns when nobody will touch the object any more, or -EBUSY.
 */
static inline int cond_result(int waited, int locked) {
    return unlikely(locked < 0) && waited != -ECANCELED ? locked : waited;
}

int cond_queue_wait(struct cond *c, struct mutex *m, const struct cond_until *until);
void cond_queue_signal(struct cond *c); /* if cond_anybody() */
void cond_queue_broadcast(struct cond *c);
int cond_queue_destroy(struct cond *c);
uint32_t cond_queue_epoch(void);

/* Whether somebody may wait on a private one, without the lock.  A waiter that must be seen has unlocked the
 * mutex since it was linked, and the caller has locked it since, or is otherwise ordered after that: relaxed.
 */
static inline bool cond_anybody(const struct cond *c) {
    return aptr_load(&c->head) != NULL;
}

/* In a fork's child: nobody waits any more. */
void cond_reset_in_child(void);

int cond_shared_wait(struct cond *c, struct mutex *m, const struct cond_until *until);
void cond_shared_signal(struct cond *c, int n);
int cond_shared_destroy(struct cond *c);

#endif
