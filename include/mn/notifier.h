/*
 * mn/notifier.h: an event loop of the program hears from threads.
 *
 * The runtime's workers are LWPs of their own, so a program with an event loop (epoll, GLib, libuv, ...) starts
 * the runtime by mn_start and goes on with its loop.  It calls mn_go and the like as it pleases; a thread that
 * has something for the loop posts a function, which the loop's LWP runs when the notifier's descriptor is
 * readable.  See examples/embed.c.
 */
#ifndef MN_NOTIFIER_H
#define MN_NOTIFIER_H

#ifdef __cplusplus
extern "C" {
#endif

struct mn_notifier;

/* -ENOMEM, -EMFILE, -ENFILE; -EINVAL: notifier is NULL.  Contexts: any. */
int mn_notifier_create(struct mn_notifier **notifier);

/* What is posted and was not run is forgotten.  The caller makes sure that nobody uses it any more.
 * Contexts: any. */
void mn_notifier_destroy(struct mn_notifier *notifier);

/* To be polled for reading by the loop, as level- or edge-triggered; not to be read, and not to be closed.
 * Contexts: any. */
int mn_notifier_fd(const struct mn_notifier *notifier);

/*
 * Has the loop call fn(arg).  What one thread posts is called in that order; everything that the thread did
 * before is seen by fn.  It does not block.  -ENOMEM: it was not posted.  Contexts: any.
 */
int mn_notifier_post(struct mn_notifier *notifier, void (*fn)(void *arg), void *arg);

/*
 * Calls what was posted, at most `most` functions (0: all that there are at this moment), and returns how many.
 * If some are left, the descriptor stays readable.  Only one LWP at a time, nearly always the loop's.  fn may
 * post, but not call this.  Contexts: any.
 */
int mn_notifier_run(struct mn_notifier *notifier, int most);

#ifdef __cplusplus
}
#endif

#endif
