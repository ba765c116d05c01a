/*
 * mn/kqueue.h: event queues: the kevent(2) of FreeBSD.
 *
 * A kqueue is a descriptor.  What it is to watch (notes) is said by changes: struct kevent, EV_*, EVFILT_*,
 * NOTE_* of mn/sys/event.h, with the meaning that they have in kevent(2).  It can itself be polled and watched
 * by other kqueues.  A child of fork does not have it, nor does a program that is executed.
 *
 *     int kq = mn_kqueue();
 *     struct kevent change, event;
 *     EV_SET(&change, fd, EVFILT_READ, EV_ADD, 0, 0, NULL);
 *     if (mn_kevent(kq, &change, 1, &event, 1, NULL) == 1)
 *         ... event.data bytes can be read from (int)event.ident ...
 *
 * Filters: READ, WRITE, TIMER, SIGNAL, USER, PROC, VNODE.  doc/design/mn-kqueue.md says where they differ from
 * those of FreeBSD's kernel.
 */
#ifndef MN_KQUEUE_H
#define MN_KQUEUE_H

#include <mn/sys/event.h>
#include <mn/time.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Makes a kqueue and returns its descriptor.  It is closed by mn_close or close.
 *   -EMFILE, -ENFILE, -ENOMEM
 * Contexts: any.
 */
int mn_kqueue(void);

/* The same.  flags: KQUEUE_CLOEXEC, O_CLOEXEC or 0: it is closed on exec in any case.  -EINVAL: others.
 * Contexts: any. */
int mn_kqueue1(int flags);

/*
 * Makes nchanges changes, then waits until there are events, and returns how many: at most nevents.  timeout:
 * how long (NULL: for ever; zero: just looks), or a deadline.  With nevents 0 it does not wait and returns 0.
 * 0: the time was over.
 *
 * A change that fails, or has EV_RECEIPT, becomes an event with EV_ERROR set and the errno value (or 0) in
 * data, while there is room for it; then the call returns without waiting, how many these were.  A change whose
 * filter is 0 is none.  Without room it ends with the error:
 *   -ENOENT   there is no such note to be changed
 *   -EBADF    the change names a descriptor that is not open
 *   -EINVAL   filter, flags or data are wrong; the descriptor is of a kind that cannot be watched so
 *   -ESRCH    there is no such process
 *   -ENOMEM, -EMFILE, -ENFILE, -ENOSPC, -ELOOP   what the watching needs cannot be had
 *   -EACCES, -EPERM   it is not permitted
 *   -ENOTSUP  NOTE_FORK, NOTE_EXEC or NOTE_TRACK without NOTE_EXIT, and the system does not tell this program of these
 * and the call itself fails by
 *   -EBADF      kq is not a kqueue, or was closed meanwhile
 *   -EFAULT     a list is NULL
 *   -EINVAL     a negative length; a timeout that is out of range
 *   -ECANCELED  (green and bound threads; when nevents is not 0) before any change was made, or while it waited
 *   -EINTR      (other LWPs) a signal handler ran while it waited
 *   -ENOMEM, -EMFILE, -ENFILE, -ENOSPC   there is nothing to wait with
 * Contexts: any.
 */
int mn_kevent(int kq, const struct kevent *changes, int nchanges, struct kevent *events, int nevents,
              const struct timespec *timeout);
int mn_kevent_until(int kq, const struct kevent *changes, int nchanges, struct kevent *events, int nevents,
                    int64_t deadline);

#ifdef __cplusplus
}
#endif

#endif
