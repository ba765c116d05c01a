/*
 * mn/scope.h: scopes: threads that end before the one that started them goes on.
 *
 *     struct mn_scope *s;
 *     int r = mn_scope_open(&s, 0);
 *     if (r < 0)
 *         return r;
 *     for (i = 0; i < n && r == 0; i++)
 *         r = mn_scope_go(s, fetch, &page[i]);      int fetch(void *page): 0 or more, or a negative errno
 *     if (r == 0)
 *         r = mn_scope_wait(s);                     all have ended; the first error, if there was one
 *     mn_scope_close(s);                            whatever happened: no thread of it is left behind
 *
 * What the threads of a scope are given may lie on the stack of the one that closes it.  A thread that ends
 * with open scopes closes them, the innermost first, in turn with its deferred functions (mn_defer) as they
 * were opened and given; its stack frames are gone by then.
 *
 * Failure.  A thread started by mn_scope_go that returns less than 0 has failed: its value becomes the scope's
 * error, if it is the first, and cancellation is requested of the others (not with MN_SCOPE_KEEP_GOING).
 *
 * Cancellation goes down: a thread that waits in a scope and is cancelled requests it of the scope's threads in
 * turn, and waits for them to end.  Each can have scopes of its own.
 */
#ifndef MN_SCOPE_H
#define MN_SCOPE_H

#include <mn/thread.h>
#include <mn/time.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    MN_SCOPE_KEEP_GOING = 1, /* a thread that fails leaves the others alone */
};

/*
 * Opens a scope and stores it in *scope.  It is the caller's: only the caller waits for it and closes it.
 *   -ENOMEM
 *   -EINVAL   unknown flags; scope is NULL
 * Contexts: any; a foreign LWP that ends leaves its scopes open.
 */
int mn_scope_open(struct mn_scope **scope, unsigned flags);

/*
 * Starts a thread of the scope, as mn_go_attr does (attr may be NULL; its scope member does not count).  Nobody
 * joins it.  The caller may be any thread of the scope, or know in some other way that the scope stays open.
 * mn_go_attr with attr.scope does the same for a thread that is joined as well; what that returns is not looked
 * at.
 *   -ECANCELED   the scope was cancelled
 *   -ENOMEM, -EAGAIN, -EPERM, -EINVAL   as mn_go_attr
 * Contexts: any.
 */
int mn_scope_go(struct mn_scope *scope, int (*fn)(void *arg), void *arg);
int mn_scope_go_attr(struct mn_scope *scope, const struct mn_attr *attr, int (*fn)(void *arg), void *arg);

/*
 * Waits until all threads of the scope have ended.  It stays open, and can be given more.
 *   the scope's error, if one of them failed
 *   -ECANCELED   the caller is cancelled; so were they, and they have ended
 *   -ETIMEDOUT   some still run at the deadline; nothing was asked of them, unless the caller is cancelled:
 *                then so were they
 *   -EPERM       the scope is not the caller's
 * Contexts: any.
 */
int mn_scope_wait(struct mn_scope *scope);
int mn_scope_wait_until(struct mn_scope *scope, int64_t deadline);

/* Requests cancellation of its threads, and starts no more.  Returns 0.  Contexts: any. */
int mn_scope_cancel(struct mn_scope *scope);

/* Notes an error, as if a thread of the scope had returned it.  -EINVAL: it is not negative.  Contexts: any. */
int mn_scope_fail(struct mn_scope *scope, int error);

/*
 * Cancels the threads that are left, waits until they have ended (also when the caller is cancelled), and
 * closes it.  Returns the scope's error, or 0.  -EPERM: the scope is not the caller's.  Contexts: any.
 */
int mn_scope_close(struct mn_scope *scope);

/* How many of its threads have not ended.  Contexts: any. */
uint64_t mn_scope_alive(struct mn_scope *scope);

#ifdef __cplusplus
}
#endif

#endif
