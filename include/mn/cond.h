/*
 * mn/cond.h: condition variables.
 *
 *     mn_mutex_lock(&m);
 *     while (!ready)
 *         mn_cond_wait(&c, &m);
 *     ...
 *     mn_mutex_unlock(&m);
 *
 * One that is {0} or MN_COND_INIT is ready for use.  A signal goes to a thread that waited when it was sent.  A
 * wait does not end without a reason, but by the time it has its mutex back another thread may have changed
 * what it waited for: look again.  Different threads may wait with different mutexes.
 */
#ifndef MN_COND_H
#define MN_COND_H

#include <mn/mutex.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mn_cond {
    uint32_t lock, inside;
    struct mn_waiters queue;
    uint64_t round;
};

#define MN_COND_INIT {0, 0, {0, 0}, 0}

void mn_cond_init(struct mn_cond *cond);

/* -EBUSY: threads wait; it stays valid.  Those that were signalled do not count.  Contexts: any. */
int mn_cond_destroy(struct mn_cond *cond);

/*
 * Releases the mutex, waits for a signal, takes the mutex back.  The caller holds the mutex afterwards in every
 * case.
 *   -EPERM       the caller does not hold the mutex
 *   -ETIMEDOUT   no signal came before the deadline
 *   -ECANCELED   no signal was consumed
 *   -EOWNERDEAD  the mutex is robust, and its last owner ended with it (mn/mutex.h)
 *   -ENOTRECOVERABLE   as of mn_mutex_lock: the one case where the caller does not hold the mutex
 * Contexts: any.
 */
int mn_cond_wait(struct mn_cond *cond, struct mn_mutex *mutex);
int mn_cond_wait_until(struct mn_cond *cond, struct mn_mutex *mutex, int64_t deadline);

/*
 * Lets the thread that has waited longest go on, or all that wait now; with or without the mutex held.  Returns
 * how many there were.  They do not run before they can have the mutex: who waits for a held one is moved to
 * its queue.  Contexts: any.
 */
int mn_cond_signal(struct mn_cond *cond);
int mn_cond_broadcast(struct mn_cond *cond);

#ifdef __cplusplus
}
#endif

#endif
