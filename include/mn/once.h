/* mn/once.h: what is to be done by the first who needs it. */
#ifndef MN_ONCE_H
#define MN_ONCE_H

#include <mn/object.h>
#include <mn/time.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mn_once {
    uint32_t word, owner, lock, spare;
    struct mn_waiters queue;
};

#define MN_ONCE_INIT {0, 0, 0, 0, {0, 0}}

/*
 * Runs fn(arg), unless it was done.  It is done when fn has returned 0 or more; who calls meanwhile waits.
 * When fn returns an error (such as the -ECANCELED of a call in it), or leaves by a C++ exception or mn_exit,
 * it is not done, and the next of those who wait runs its own fn.
 *   0            it is done
 *   -EDEADLK     called by fn itself
 *   -EINVAL      it was not done, and fn is NULL
 *   -ETIMEDOUT   another runs fn, and the deadline passed
 *   -ECANCELED   it was not done, and the caller is cancelled
 *   others       what fn returned
 * Contexts: any.
 */
int mn_once_run(struct mn_once *once, int (*fn)(void *arg), void *arg);
int mn_once_run_until(struct mn_once *once, int (*fn)(void *arg), void *arg, int64_t deadline);

#ifdef __cplusplus
}
#endif

#endif
