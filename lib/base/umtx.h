/*
 * umtx: the contract between a blocking object and whoever puts its waiters to sleep.
 *
 * POSIX objects (mutex, cond, rwlock, barrier, sem, once, ...) are written once, over these calls and
 * thr_self().  In libthread_1to1 they are the kernel's futex; another library may implement them over a wait
 * table of its own.  A word is a 32-bit integer at a 4-byte boundary.  The calls compare, sleep and wake; what
 * the word means is the object's affair.
 *
 * All return 0 or more on success and a negative errno otherwise; errno itself is left alone.
 */
#ifndef OD_UMTX_H
#define OD_UMTX_H

#include <stdint.h>
#include <time.h>

enum {
    UMTX_PRIVATE = 0,     /* the word is used by this process only */
    UMTX_SHARED = 1,      /* the word may lie in memory shared with other processes */
    UMTX_CANCELPOINT = 2, /* a cancellation request ends the wait with -ECANCELED */
};

/*
 * Sleeps while *word == expected, until woken, until the absolute deadline on clock (CLOCK_REALTIME or
 * CLOCK_MONOTONIC; NULL: no deadline), or until a signal handler ran.
 *
 *   0            woken, or for no reason: look at the word again
 *   -EAGAIN      *word was not expected
 *   -EINTR       a signal handler ran
 *   -ETIMEDOUT   the deadline has passed (also when it lies before the epoch)
 *   -EINVAL      the deadline's nanoseconds are out of range, or the clock is neither of the two
 *   -ECANCELED   with UMTX_CANCELPOINT: the thread is to act on a cancellation; no wake-up was consumed.
 *                The caller tidies up and calls thr_cancel_act().
 */
int umtx_wait(const uint32_t *word, uint32_t expected, const struct timespec *deadline, clockid_t clock,
              int flags);

/* Wakes at most n of those who wait on the word; returns how many.  The word need not be mapped any more. */
int umtx_wake(const uint32_t *word, int n, int flags);

/*
 * If *word == expected, wakes at most nwake waiters and moves at most nmove of the rest to wait on `to`.
 * Returns how many were woken or moved; -EAGAIN if *word was something else.
 */
int umtx_requeue(const uint32_t *word, uint32_t expected, int nwake, const uint32_t *to, int nmove, int flags);

enum { UMTX_WAKE_ALL = 0x7fffffff };

#endif
