/*
 * poll: waiting until a descriptor is ready; see fd.c and poller.c.
 *
 * For the parts of the runtime that make system calls on descriptors by themselves.  mn_read and its like (io.c) have a
 * shorter way for descriptors of ours.
 */
#ifndef MNI_IO_POLL_H
#define MNI_IO_POLL_H

#include <stdint.h>

enum { MNI_POLL_READ = 1, MNI_POLL_WRITE = 2 };

/*
 * Blocks the caller (green, bound, foreign; with or without a runtime) until the descriptor may be ready for one of
 * `what`: MNI_POLL_*, one or both.  Called inside the runtime (between mni_enter or mni_call_begin and mni_leave), as
 * mni_wait.  Whoever comes here after a call that failed with EAGAIN misses nothing.
 *   0           it may be ready
 *   -ETIMEDOUT, -ECANCELED
 *   -EBADF      it is not open, or was closed by mn_close meanwhile
 *   -EPERM      it is of a kind that cannot be polled: a regular file
 *   -ENOMEM, -EMFILE, -ENFILE   there is nothing to wait with
 */
int mni_poll_wait(int fd, unsigned what, int64_t deadline);

/* How many threads and LWPs wait for descriptors at this moment. */
uint32_t mni_poll_waiters(void);

/*
 * Somebody who is no worker sees that nobody has looked for events for too long (mni_poll_last): a worker that sleeps is
 * woken to do it, or they are handed out here and now.  Returns how many there were.  Contexts: foreign LWPs.
 */
int mni_poll_now(void);

/* When somebody last looked, or began to sleep in wait of events (then INT64_MAX); MN time. */
int64_t mni_poll_last(void);

#endif
