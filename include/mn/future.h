/*
 * mn/future.h: futures: a value that is set once, and waited for by any number of threads.
 *
 * A future is counted: it lives until everyone who holds it has released it.  The creator holds it; whoever
 * else is to use it gets a hold of its own first (mn_future_hold), so that no one can release it under
 * another's hands.
 */
#ifndef MN_FUTURE_H
#define MN_FUTURE_H

#include <mn/thread.h>
#include <mn/time.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mn_future;

/* Makes a future without a value, held once.  -ENOMEM; -EINVAL: future is NULL.  Contexts: any. */
int mn_future_create(struct mn_future **future);

/* One more hold; returns the future.  One hold less: the last frees it.  NULL is ignored.  Contexts: any. */
struct mn_future *mn_future_hold(struct mn_future *future);
void mn_future_release(struct mn_future *future);

/*
 * Gives it its value, or says that there will be none and why: error, a negative errno, is what mn_future_get
 * returns. Everyone who waits is woken.
 *   -EALREADY   it has a value, or has failed: that stays
 *   -EINVAL     future is NULL; error is not negative
 * Contexts: any.
 */
int mn_future_set(struct mn_future *future, void *value);
int mn_future_fail(struct mn_future *future, int error);

/*
 * Waits for the value and stores it in *value, unless that is NULL.  What the setter did before is seen.
 *   -ETIMEDOUT  get_until: there was none at the deadline
 *   -ECANCELED  see mn/cancel.h
 *   -EINVAL     future is NULL
 *   any other   what mn_future_fail was given
 * Contexts: any.
 */
int mn_future_get(struct mn_future *future, void **value);
int mn_future_get_until(struct mn_future *future, void **value, int64_t deadline);

/* Whether mn_future_get would return at once.  Contexts: any, signal. */
bool mn_future_ready(const struct mn_future *future);

/*
 * Starts a thread that runs fn(arg), and a future for what it returns, held by the caller; attributes as for
 * mn_go_attr (NULL: none).  The thread releases itself; releasing the future does not stop it. Errors: those of
 * mn_go_attr; -EINVAL: future is NULL.  When memory runs out as the thread begins, fn does not run and the
 * future fails with -ENOMEM.  Contexts: any.
 */
int mn_async(struct mn_future **future, const struct mn_attr *attr, void *(*fn)(void *arg), void *arg);

#ifdef __cplusplus
}
#endif

#endif
