/*
 * pollset: what the operating system has to wait for many descriptors at once (os/linux/pollset.c: epoll).
 *
 * Events come by key, which is the caller's number for a descriptor.  One call of mni_pollset_wait at a time.
 * All return negative errno values.
 */
#ifndef MNI_IO_POLLSET_H
#define MNI_IO_POLLSET_H

#include <stdint.h>

enum {
    MNI_READY_READ = 1, /* these two are MNI_POLL_* */
    MNI_READY_WRITE = 2,
    MNI_READY_URGENT = 4,
    MNI_READY_END = 8,   /* the peer has ended its side, or both, or there is an error */
};

struct mni_ready {
    uint64_t key;
    unsigned what;
};

struct mni_pollset {
    int fd;    /* -1: closed */
    int ring;  /* readable: the one who waits is wanted */
    int timer; /* where waiting takes no deadline in nanoseconds; -1 */
    uint32_t timer_set;
};

/* -EMFILE, -ENFILE, -ENOMEM. */
int mni_pollset_open(struct mni_pollset *s);
void mni_pollset_close(struct mni_pollset *s);

/* From now on each change of the descriptor is an event, once (edge-triggered); its state now is the first.
 * -EPERM: it cannot be polled; -EBADF, -ENOMEM, -ENOSPC. */
int mni_pollset_add(struct mni_pollset *s, int fd, uint64_t key);
/* The next time that it is ready for `what`, or is at an end or has an error, is an event, and no later one,
 * until it is armed anew. */
int mni_pollset_arm(struct mni_pollset *s, int fd, unsigned what, uint64_t key);
void mni_pollset_remove(struct mni_pollset *s, int fd);

/* Without a set: a descriptor, the caller's to close, that becomes readable at each change of this one from now
 * on.  -EMFILE, and the errors of mni_pollset_add.  Contexts: any LWP. */
int mni_pollset_changes(int fd);
/* It was readable: it waits for the next change. */
void mni_pollset_changed(int set);

/*
 * Waits until there are events or the deadline has passed (0: only looks), and returns how many: at most n.  A
 * ring ends it, too, and is silent again then.  Ends early at times.
 */
int mni_pollset_wait(struct mni_pollset *s, struct mni_ready *ready, int n, int64_t deadline);
/* Whoever waits, or the next who will, comes back at once.  Contexts: any, signal. */
void mni_pollset_ring(struct mni_pollset *s);

#endif
