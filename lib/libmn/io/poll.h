/*
 * poll: waiting until a descriptor is ready; see fd.c and poller.c.
 *
 * For the parts of the runtime that make system calls on descriptors by themselves.  mn_read and its like
 * (io.c) have a shorter way for descriptors of ours.
 */
#ifndef MNI_IO_POLL_H
#define MNI_IO_POLL_H

#include <poll.h>
#include <stdint.h>

#include "wait/many.h"

enum { MNI_POLL_READ = 1, MNI_POLL_WRITE = 2 };

/*
 * Blocks the caller (green, bound, foreign; with or without a runtime) until the descriptor may be ready for
 * one of `what`: MNI_POLL_*, one or both.  Called inside the runtime (between mni_enter or mni_call_begin and
 * mni_leave), as mni_wait.  Whoever comes here after a call that failed with EAGAIN misses nothing.
 *   0           it may be ready
 *   -ETIMEDOUT, -ECANCELED
 *   -EBADF      it is not open, or was closed by mn_close meanwhile
 *   -ENOMEM, -EMFILE, -ENFILE   there is nothing to wait with
 */
int mni_poll_wait(int fd, unsigned what, int64_t deadline);

/*
 * Several descriptors, for one who waits for other things as well.  Each pollfd has one of these; those with a
 * negative fd are nothing.  Inside the runtime, all of them.
 *
 *     begin; look: so many are ready, as with poll(2); none: queue, wait (mni_many_wait), leave, look again
 */
struct mni_polled {
    struct mni_fd *fd;
    uint32_t generation, seen[2];
    struct mni_waiter waiter[2];
};
/* 0; -ENOMEM, -EBADF. */
int mni_polled_begin(const struct pollfd *p, nfds_t n, struct mni_polled *ones);
/* How many are ready; POLLNVAL also for one that was closed since `begin`. */
int mni_polled_look(struct pollfd *p, nfds_t n, struct mni_polled *ones);
/* There is a set (mni_poller_open).  0: queued; 1: look again; or a negative errno.  leave follows in any
 * case. */
int mni_polled_queue(const struct pollfd *p, nfds_t n, struct mni_polled *ones, struct mni_many *m);
void mni_polled_leave(nfds_t n, struct mni_polled *ones);

/* How many threads and LWPs wait for descriptors at this moment. */
uint32_t mni_poll_waiters(void);

/*
 * Somebody who is no worker sees that nobody has looked for events for too long (mni_poll_last): a worker that
 * sleeps is woken to do it, or they are handed out here and now.  Returns how many there were.  Contexts:
 * foreign LWPs, outside solo mode.
 */
int mni_poll_now(void);

/* When somebody last looked, or began to sleep in wait of events (then INT64_MAX); MN time. */
int64_t mni_poll_last(void);

#endif
