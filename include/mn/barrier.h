/* mn/barrier.h: barriers: a number of threads wait for each other, again and again. */
#ifndef MN_BARRIER_H
#define MN_BARRIER_H

#include <mn/object.h>
#include <mn/time.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What mn_barrier_wait returns to one thread of each round. */
#define MN_BARRIER_SERIAL 1

struct mn_barrier {
    uint32_t lock, count, here, leaving;
    struct mn_waiters queue;
};

#define MN_BARRIER_INIT(count) {0, (count), 0, 0, {0, 0}}

/* -EINVAL: count is 0.  Contexts: any. */
int mn_barrier_init(struct mn_barrier *barrier, uint32_t count);

/* -EBUSY: threads wait; it stays valid.  Contexts: any. */
int mn_barrier_destroy(struct mn_barrier *barrier);

/*
 * Waits until count threads have come, and returns 0, or MN_BARRIER_SERIAL to the one that came last.  When a
 * deadline or a cancellation ends the wait, it is as if the caller had not come.
 *   -EINVAL      the barrier's count is 0
 *   -ETIMEDOUT
 *   -ECANCELED
 * Contexts: any.
 */
int mn_barrier_wait(struct mn_barrier *barrier);
int mn_barrier_wait_until(struct mn_barrier *barrier, int64_t deadline);

#ifdef __cplusplus
}
#endif

#endif
