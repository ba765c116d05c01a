/*
 * kq_os: what a kqueue has from the operating system: the seam of lib/libmn/kqueue.
 *
 * On Linux (os/linux/kq_*.c) the kqueue's descriptor is an epoll set, which the kernel's sources of events are
 * put into: the descriptors that are watched, and descriptors for processes, files and signals.  Where the
 * kernel has kqueues of its own, the filters below hand their notes on to one, and the rest stays as it is:
 * USER and TIMER notes, and the waiting of green threads, are done in memory everywhere.
 *
 * Unless it says otherwise a function returns 0 or more, or a negative errno, and is called with the kqueue's
 * lock held.
 */
#ifndef MNI_KQ_OS_H
#define MNI_KQ_OS_H

#include "kq.h"

extern const struct mni_filter mni_filter_read, mni_filter_write, mni_filter_proc, mni_filter_vnode,
    mni_filter_signal;

/* A new descriptor of a kqueue, which nothing is in.  Without a lock. */
int mni_kq_os_open(void);
/* Whether a number is still a descriptor of a kqueue's kind.  Without a lock. */
bool mni_kq_os_is(int fd);
/* Whether a number is an open descriptor. */
bool mni_kq_os_open_fd(uintptr_t ident);
/* Closes all but the kqueue's descriptor itself and the bell. */
void mni_kq_os_close(struct mni_kq *kq);

/* In a fork's child, before its kqueues are closed. */
void mni_kq_os_forked(void);

/* Before an LWP of the program makes these changes: what it blocks of the signals among them, the runtime's own
 * LWP that takes signals blocks, too.  Without a lock. */
void mni_kq_os_signals(const struct kevent *changes, int n);

/* Asks for events of descriptors without waiting; makes their notes active.  -EBADF: kq->fd is no kqueue any
 * more. */
int mni_kq_os_look(struct mni_kq *kq);

/* The bell: while it rings, the descriptor is readable. */
int mni_kq_os_bell(struct mni_kq *kq); /* makes it, if there is none */
void mni_kq_os_ring(struct mni_kq *kq, bool on);
/* At that time (MN time; MN_FOREVER: never) the descriptor becomes readable, until this is called again. */
int mni_kq_os_timer(struct mni_kq *kq, int64_t deadline);

/* The LWP sleeps until the descriptor is readable or the bell rings: 0, -ETIMEDOUT, -EINTR.  Without a lock. */
int mni_kq_os_sleep(int fd, int bell, int64_t deadline);
/* Whether the handlers that interrupted the LWP since it was last asked were all silent: only ours, for
 * EVFILT_SIGNAL. */
bool mni_kq_os_silent(void);

#endif
