/*
 * mn/cancel.h: asking a thread to end, and what runs when it does.
 *
 * Cancellation is a request.  It makes every call of the thread that can block return -ECANCELED, the present
 * one and all later ones, until the thread ends (mn_join of a thread that has ended still joins it): the thread
 * is to tidy up and return.  What has to happen in any case is given to mn_defer.
 */
#ifndef MN_CANCEL_H
#define MN_CANCEL_H

#include <mn/thread.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Requests that the thread end.  -ESRCH: it has ended.  Contexts: any. */
int mn_cancel(mn_thread thread);

/* Whether that was requested of the caller (false while it is shielded).  Contexts: any. */
bool mn_cancelled(void);

/* While shielded, a thread's calls block as if no request were there.  Returns what it was.  Contexts:
 * green. */
bool mn_shield(bool shielded);

/*
 * When the calling thread ends, however it ends, fn(arg) runs, the latest first; the thread is shielded by
 * then.  In a callback of a handler: when its process ends, after terminate.
 *   -ENOMEM   fn was not noted
 *   -EINVAL   fn is NULL
 *   -EPERM    in a foreign LWP
 * mn_undefer forgets the latest, and runs it if run is true; -ENOENT: there is none.  Contexts: green.
 */
int mn_defer(void (*fn)(void *arg), void *arg);
int mn_undefer(bool run);

#ifdef __cplusplus
}
#endif

#endif
