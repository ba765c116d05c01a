/* message: the calls of sockets that take flags, addresses, or headers (io.c). */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <errno.h>
#include <limits.h>
#include <mn/io.h>
#include <string.h>
#include <sys/socket.h>

#include "export.h"
#include "io.h"
#include "sys.h"

static int no_wait(uint32_t flags) {
    return flags & MNI_FD_OURS ? 0 : MSG_DONTWAIT;
}

/* With one of these a short answer says nothing of what is left. */
enum { ODD = MSG_PEEK | MSG_OOB | MSG_ERRQUEUE | MSG_TRUNC };
/* With one of these the system never waits. */
enum { BESIDE = MSG_OOB | MSG_ERRQUEUE };

static long call_recvmsg(struct mni_io *io, uint32_t flags) {
    long r = sys(SYS_recvmsg, io->fd, io->data, io->flags | no_wait(flags));
    if (r >= 0)
        *(const struct msghdr **)io->address = io->data;
    return r;
}

#ifndef SCM_PIDFD
#define SCM_PIDFD 4
#endif

/* The caller was killed, and does not come back from the end of the call: what has come for it goes. */
static void not_returned(struct msghdr **received) {
    struct msghdr *m = *received;
    for (struct cmsghdr *c = m ? CMSG_FIRSTHDR(m) : NULL; c; c = CMSG_NXTHDR(m, c))
        if (c->cmsg_level == SOL_SOCKET && (c->cmsg_type == SCM_RIGHTS || c->cmsg_type == SCM_PIDFD))
            for (size_t at = CMSG_LEN(0); at + sizeof(int) <= c->cmsg_len; at += sizeof(int)) {
                int fd;
                memcpy(&fd, (const char *)c + at, sizeof fd);
                mni_fd_not_returned(&fd);
            }
}

static long call_sendmsg(struct mni_io *io, uint32_t flags) {
    return sys(SYS_sendmsg, io->fd, io->data, io->flags | no_wait(flags) | MSG_NOSIGNAL);
}

MN_EXPORT ssize_t mn_recvfrom_until(int fd, void *buffer, size_t size, int flags, struct sockaddr *address,
                                    socklen_t *length, int64_t deadline) {
    struct mni_io io = {.fd = fd,
                        .direction = MNI_READ,
                        .deadline = deadline,
                        .call = mni_io_call_recv,
                        .data = buffer,
                        .size = size,
                        .flags = flags,
                        .address = address,
                        .length = length,
                        .also = MNI_FD_SOCKET,
                        .at_once = flags & BESIDE};
    io.want = flags & ODD ? 0 : size;
    if (!(flags & MSG_WAITALL) || flags & ODD)
        return mni_io(&io);
    /* The kernel does not wait for all where it must not wait. */
    size_t done = 0;
    for (;;) {
        long r = mni_io(&io);
        if (r <= 0)
            return done ? (ssize_t)done : r;
        done += (size_t)r;
        if (done >= size || !mni_is_stream(fd))
            return (ssize_t)done;
        io.data = (char *)buffer + done;
        io.want = io.size = size - done;
    }
}

MN_EXPORT ssize_t mn_recvfrom(int fd, void *buffer, size_t size, int flags, struct sockaddr *address,
                              socklen_t *length) {
    return mn_recvfrom_until(fd, buffer, size, flags, address, length, MN_FOREVER);
}

MN_EXPORT ssize_t mn_recv_until(int fd, void *buffer, size_t size, int flags, int64_t deadline) {
    if (!flags) {
        struct mni_io io = {.fd = fd,
                            .direction = MNI_READ,
                            .deadline = deadline,
                            .want = size,
                            .data = buffer,
                            .size = size,
                            .also = MNI_FD_SOCKET};
        return mni_io_inline(&io, mni_io_call_recv);
    }
    return mn_recvfrom_until(fd, buffer, size, flags, NULL, NULL, deadline);
}

MN_EXPORT ssize_t mn_recv(int fd, void *buffer, size_t size, int flags) {
    return mn_recv_until(fd, buffer, size, flags, MN_FOREVER);
}

MN_EXPORT ssize_t mn_sendto_until(int fd, const void *buffer, size_t size, int flags,
                                  const struct sockaddr *address, socklen_t length, int64_t deadline) {
    struct mni_io io = {.fd = fd,
                        .direction = MNI_WRITE,
                        .deadline = deadline,
                        .call = mni_io_call_send,
                        .data = buffer,
                        .size = size,
                        .flags = flags,
                        .address = (void *)(uintptr_t)address,
                        .size2 = length,
                        .want = size,
                        .also = MNI_FD_SOCKET};
    return mni_io(&io);
}

MN_EXPORT ssize_t mn_sendto(int fd, const void *buffer, size_t size, int flags, const struct sockaddr *address,
                            socklen_t length) {
    return mn_sendto_until(fd, buffer, size, flags, address, length, MN_FOREVER);
}

MN_EXPORT ssize_t mn_send_until(int fd, const void *buffer, size_t size, int flags, int64_t deadline) {
    struct mni_io io = {.fd = fd,
                        .direction = MNI_WRITE,
                        .deadline = deadline,
                        .want = size,
                        .data = buffer,
                        .size = size,
                        .flags = flags,
                        .also = MNI_FD_SOCKET};
    return mni_io_inline(&io, mni_io_call_send);
}

MN_EXPORT ssize_t mn_send(int fd, const void *buffer, size_t size, int flags) {
    return mn_send_until(fd, buffer, size, flags, MN_FOREVER);
}

/* What the system call would say of a message that cannot be looked at: < 0. */
static int fit(const struct msghdr *m) {
    return !m || (m->msg_iovlen > 0 && !m->msg_iov) ? -EFAULT : m->msg_iovlen > IOV_MAX ? -EMSGSIZE : 0;
}

static size_t bytes(const struct msghdr *m) {
    size_t n = 0;
    for (size_t i = 0; i < m->msg_iovlen; i++)
        n += m->msg_iov[i].iov_len;
    return n;
}

MN_EXPORT ssize_t mn_recvmsg_until(int fd, struct msghdr *message, int flags, int64_t deadline) {
    int wrong = fit(message);
    if (wrong)
        return wrong;
    struct msghdr *received __attribute__((cleanup(not_returned))) = NULL;
    struct mni_io io = {.fd = fd,
                        .direction = MNI_READ,
                        .deadline = deadline,
                        .call = call_recvmsg,
                        .data = message,
                        .address = &received,
                        .flags = flags & ~MSG_WAITALL,
                        .also = MNI_FD_SOCKET,
                        .at_once = flags & BESIDE};
    /* A message with something beside the data ends there. */
    io.want = flags & ODD || message->msg_control ? 0 : bytes(message);
    long r = mni_io(&io);
    received = NULL;
    return r;
}

MN_EXPORT ssize_t mn_recvmsg(int fd, struct msghdr *message, int flags) {
    return mn_recvmsg_until(fd, message, flags, MN_FOREVER);
}

MN_EXPORT ssize_t mn_sendmsg_until(int fd, const struct msghdr *message, int flags, int64_t deadline) {
    int wrong = fit(message);
    if (wrong)
        return wrong;
    struct mni_io io = {.fd = fd,
                        .direction = MNI_WRITE,
                        .deadline = deadline,
                        .call = call_sendmsg,
                        .data = message,
                        .flags = flags,
                        .want = bytes(message),
                        .also = MNI_FD_SOCKET};
    return mni_io(&io);
}

MN_EXPORT ssize_t mn_sendmsg(int fd, const struct msghdr *message, int flags) {
    return mn_sendmsg_until(fd, message, flags, MN_FOREVER);
}
