/*
 * mn/io.h: reading and writing descriptors without blocking the other threads.
 *
 * Each function is the system call of its name, in blocking style: only the calling thread waits, and what the
 * system call says by -1 and errno is returned as a negative errno value.  Foreign LWPs may call all of them,
 * with or without a runtime.  Beside its own errors each has:
 *   -ETIMEDOUT   _until: at the deadline it would still have had to wait
 *   -ECANCELED   see mn/cancel.h (also when it need not wait)
 *   -EBADF       it is not open, or was closed by mn_close or given to mn_adopt while the call waited
 *   -ENOMEM, -EMFILE, -ENFILE   there is nothing to wait with
 *   -ENOSPC      the user has no more watches of epoll(7) to wait with (/proc/sys/fs/epoll/max_user_watches)
 * -EINTR is never returned, nor -EAGAIN by a call that can wait.  No SIGPIPE is raised, except for a foreign
 * LWP that writes into a pipe.
 *
 * Two kinds of descriptors.  Those made by functions of this header, or given to mn_adopt, are ours: they do
 * not block (O_NONBLOCK) and are closed on exec; waiting for them is cheapest; they must be closed by mn_close,
 * not by close().  All others can be used as well, blocking or not: their flags are not changed, and they may
 * be closed as the program likes (but only mn_close wakes threads that wait for them).  A call on one that
 * blocks may be held up past its deadline where poll(2) promised too much: a terminal that has room for a part
 * of what is written, a pipe or a listener that another process reads or accepts from, too.
 *
 * Several threads may use one descriptor at a time, in each direction.  What two of them write may mingle where
 * the system call takes a part only.
 */
#ifndef MN_IO_H
#define MN_IO_H

#include <mn/time.h>
#include <poll.h>
#include <stddef.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * As read(2), write(2) and their like: what is there now, at least a byte; 0: the end.  -EFAULT for a buffer
 * that is not there; when only a part of it is not, the next call of a descriptor of ours may wait for more to
 * come before it says so.  Contexts: any.
 */
ssize_t mn_read(int fd, void *buffer, size_t size);
ssize_t mn_read_until(int fd, void *buffer, size_t size, int64_t deadline);
ssize_t mn_readv(int fd, const struct iovec *vector, int n);
ssize_t mn_readv_until(int fd, const struct iovec *vector, int n, int64_t deadline);
ssize_t mn_write(int fd, const void *buffer, size_t size);
ssize_t mn_write_until(int fd, const void *buffer, size_t size, int64_t deadline);
ssize_t mn_writev(int fd, const struct iovec *vector, int n);
ssize_t mn_writev_until(int fd, const struct iovec *vector, int n, int64_t deadline);

/*
 * The same until all of it has been read or written.  Returns size; less, if the end came first, or an error,
 * which the next call will have; the error, if nothing was read or written.  Contexts: any.
 */
ssize_t mn_read_all(int fd, void *buffer, size_t size);
ssize_t mn_read_all_until(int fd, void *buffer, size_t size, int64_t deadline);
ssize_t mn_write_all(int fd, const void *buffer, size_t size);
ssize_t mn_write_all_until(int fd, const void *buffer, size_t size, int64_t deadline);

/*
 * As recv(2), send(2) and their like, with their flags (MSG_DONTWAIT makes no difference; MSG_WAITALL not with
 * mn_recvmsg).  Receiving with MSG_OOB or MSG_ERRQUEUE never waits, as the system calls do not: -EAGAIN;
 * mn_poll waits for these.  -ENOTSOCK.  Contexts: any.
 */
ssize_t mn_recv(int fd, void *buffer, size_t size, int flags);
ssize_t mn_recv_until(int fd, void *buffer, size_t size, int flags, int64_t deadline);
ssize_t mn_recvfrom(int fd, void *buffer, size_t size, int flags, struct sockaddr *address, socklen_t *length);
ssize_t mn_recvfrom_until(int fd, void *buffer, size_t size, int flags, struct sockaddr *address,
                          socklen_t *length, int64_t deadline);
ssize_t mn_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t mn_recvmsg_until(int fd, struct msghdr *message, int flags, int64_t deadline);
ssize_t mn_send(int fd, const void *buffer, size_t size, int flags);
ssize_t mn_send_until(int fd, const void *buffer, size_t size, int flags, int64_t deadline);
ssize_t mn_sendto(int fd, const void *buffer, size_t size, int flags, const struct sockaddr *address,
                  socklen_t length);
ssize_t mn_sendto_until(int fd, const void *buffer, size_t size, int flags, const struct sockaddr *address,
                        socklen_t length, int64_t deadline);
ssize_t mn_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t mn_sendmsg_until(int fd, const struct msghdr *message, int flags, int64_t deadline);

/*
 * Waits until a descriptor is ready to be read from or written to, or has come to its end or an error, which
 * the next call will tell.  Several threads that wait for the same are all woken.  Contexts: any.
 */
int mn_wait_readable(int fd);
int mn_wait_readable_until(int fd, int64_t deadline);
int mn_wait_writable(int fd);
int mn_wait_writable_until(int fd, int64_t deadline);

/*
 * As poll(2): returns how many have something in revents; never 0.  A descriptor that is closed by mn_close or
 * given to mn_adopt meanwhile has POLLNVAL.  Waiting takes memory beyond four descriptors: -ENOMEM.
 * Contexts: any.
 */
int mn_poll(struct pollfd *fds, nfds_t n);
int mn_poll_until(struct pollfd *fds, nfds_t n, int64_t deadline);

/* As select(2), for descriptors below n; the sets are as they were when it returns an error.  Contexts: any. */
int mn_select_fds(int n, fd_set *readable, fd_set *writable, fd_set *exceptional);
int mn_select_fds_until(int n, fd_set *readable, fd_set *writable, fd_set *exceptional, int64_t deadline);

/*
 * As accept(2).  The new descriptor is ours.  A connection that has gone again is not reported: the next is
 * waited for.  Contexts: any.
 */
int mn_accept(int fd, struct sockaddr *address, socklen_t *length);
int mn_accept_until(int fd, struct sockaddr *address, socklen_t *length, int64_t deadline);

/* As connect(2).  -ETIMEDOUT is the deadline's or the network's.  Contexts: any. */
int mn_connect(int fd, const struct sockaddr *address, socklen_t length);
int mn_connect_until(int fd, const struct sockaddr *address, socklen_t length, int64_t deadline);

/*
 * As socket(2), socketpair(2), pipe(2): the descriptors are ours.  O_NONBLOCK is the open file's, so a child
 * process that is given one has it, too, and few programs expect that of their standard output.  For the end
 * that a child is to have use pipe2() or socketpair(), and mn_adopt for the other.  Contexts: any.
 */
int mn_socket(int domain, int type, int protocol);
int mn_socketpair(int domain, int type, int protocol, int fds[2]);
int mn_pipe(int fds[2]);

/*
 * Makes a descriptor ours; its open file becomes O_NONBLOCK, also for who shares it.  Threads that wait for it
 * return with -EBADF, as if it were closed: it is to be given before others use it.  To be called again for a
 * TCP socket that was given another layer (TCP_ULP).
 *   -EPERM   it is a file, which mn_read and mn_write take as it is
 * Contexts: any.
 */
int mn_adopt(int fd);

/*
 * Closes any descriptor.  Threads that wait for it return with -EBADF.  Whatever it returns, it is closed,
 * except with -EBADF.  Contexts: any.
 */
int mn_close(int fd);

#ifdef __cplusplus
}
#endif

#endif
