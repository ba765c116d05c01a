/* open: descriptors come to be ours, and are closed (fd.c). */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <errno.h>
#include <fcntl.h>
#include <mn/io.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "export.h"
#include "fault.h"
#include "io.h"
#include "kqueue/kq.h"
#include "proc/own.h"
#include "sanitizer.h"
#include "sys.h"
#include "wait/call.h"

/*
 * Only of TCP it is known that a short read has taken all: a Unix socket stops where descriptors or credentials
 * come with the data, TLS in the kernel at each record.
 */
static unsigned socket_kind(int domain, int type, int protocol) {
    bool tcp = (domain == AF_INET || domain == AF_INET6) && (type & 0xf) == SOCK_STREAM &&
               (protocol == 0 || protocol == IPPROTO_TCP);
    return MNI_FD_SOCKET | (tcp ? MNI_FD_STREAM : 0);
}

static int option(int fd, int level, int name) {
    int value = 0;
    uint32_t size = sizeof value;
    int r = (int)sys(SYS_getsockopt, fd, level, name, &value, &size);
    return r < 0 ? r : value;
}

bool mni_is_stream(int fd) {
    return option(fd, SOL_SOCKET, SO_TYPE) == SOCK_STREAM;
}

/* Of a socket that exists; negative: it is none. */
static int kind_of_socket(int fd) {
    int domain = option(fd, SOL_SOCKET, SO_DOMAIN);
    if (domain < 0)
        return domain;
    char layer[16] = "";
    uint32_t size = sizeof layer;
    unsigned kind = socket_kind(domain, option(fd, SOL_SOCKET, SO_TYPE), option(fd, SOL_SOCKET, SO_PROTOCOL));
    if (kind & MNI_FD_STREAM && sys(SYS_getsockopt, fd, IPPROTO_TCP, TCP_ULP, layer, &size) == 0 && size > 0 &&
        layer[0])
        kind &= ~(unsigned)MNI_FD_STREAM;
    return (int)kind;
}

/* It is ours; if that cannot be, it is closed. */
static int ours(int fd, unsigned flags) {
    struct mni_cpu *c = mni_call_begin();
    int r = mni_fd_made(fd, flags);
    mni_call_end_here(c);
    if (r < 0)
        sys(SYS_close, fd);
    return r < 0 ? r : fd;
}

static int both(int fds[2], unsigned flags) {
    int r = ours(fds[0], flags);
    if (r >= 0 && (r = ours(fds[1], flags)) < 0)
        mn_close(fds[0]);
    else if (r < 0)
        sys(SYS_close, fds[1]);
    return r < 0 ? r : 0;
}

MN_EXPORT int mn_socket(int domain, int type, int protocol) {
    int fd =
        fault("socket") ? -EMFILE : (int)sys(SYS_socket, domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    return fd < 0 ? fd : ours(fd, socket_kind(domain, type, protocol));
}

MN_EXPORT int mn_socketpair(int domain, int type, int protocol, int fds[2]) {
    int made[2];
    if (!fds)
        return -EFAULT;
    int r = fault("socket")
                ? -EMFILE
                : (int)sys(SYS_socketpair, domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol, made);
    if (r < 0 || (r = both(made, MNI_FD_SOCKET)) < 0)
        return r;
    fds[0] = made[0];
    fds[1] = made[1];
    return 0;
}

MN_EXPORT int mn_pipe(int fds[2]) {
    int made[2];
    if (!fds)
        return -EFAULT;
    int r = fault("pipe") ? -EMFILE : (int)sys(SYS_pipe2, made, O_NONBLOCK | O_CLOEXEC);
    if (r < 0 || (r = both(made, MNI_FD_STREAM)) < 0)
        return r;
    fds[0] = made[0];
    fds[1] = made[1];
    return 0;
}

MN_EXPORT int mn_adopt(int fd) {
    int flags = fault("fcntl") ? -ENOMEM : (int)sys(SYS_fcntl, fd, F_GETFL);
    if (flags < 0)
        return flags;
    int kind = kind_of_socket(fd);
    if (kind < 0) {
        struct stat st;
        int r = (int)sys(SYS_fstat, fd, &st);
        if (r < 0)
            return r;
        if (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode) || S_ISDIR(st.st_mode))
            return -EPERM;
        kind = S_ISFIFO(st.st_mode) && !(flags & O_DIRECT) ? MNI_FD_STREAM : 0;
    }
    int r = flags & O_NONBLOCK ? 0
            : fault("fcntl")   ? -ENOMEM
                               : (int)sys(SYS_fcntl, fd, F_SETFL, flags | O_NONBLOCK);
    if (r < 0)
        return r;
    struct mni_cpu *c = mni_call_begin();
    /* A kqueue stays as it is: whoever waits in it counts on each state's being told, and not on changes. */
    r = mni_kq_is(fd) ? 0 : mni_fd_made(fd, (unsigned)kind);
    if (r == 0)
        mni_own_adopted(c, fd);
    mni_call_end_here(c);
    return r;
}

MN_EXPORT int mn_close(int fd) {
    struct mni_fd *f = mni_fd_find(fd);
    if (!f && !mni_kq_is(fd)) {
        sanitizer_closes(fd);
        return (int)sys(SYS_close, fd);
    }
    struct mni_cpu *c = mni_call_begin();
    mni_own_closing(c, fd);
    if (mni_kq_is(fd)) {
        int closed = mni_kq_close(fd);
        if (closed != -EBADF || !f) {
            mni_call_end_here(c);
            return closed;
        }
    }
    mni_fd_closing(f, fd);
    const bool green = c != NULL;
    if (green)
        mni_leave(mni_cpu_self());
    sanitizer_closes(fd);
    int r = (int)sys(SYS_close, fd);
    if (green)
        mni_enter();
    mni_fd_closed(f);
    if (green)
        mni_leave(mni_cpu_self());
    return r;
}

/* ---- accept */

static long call_accept(struct mni_io *io, uint32_t flags) {
    if (fault("accept"))
        return -EMFILE;
    const long nr = SYS_accept4, how = SOCK_NONBLOCK | SOCK_CLOEXEC;
    long r;
    if (flags & MNI_FD_OURS) {
        r = sys(nr, io->fd, io->address, io->length, how);
    } else {
        /* It may be a blocking one: only when somebody is there, and nobody else accepts meanwhile. */
        struct mni_fd *f = mni_fd_find(io->fd);
        if (mni_fd_turn(f, MNI_READ, io->deadline)) {
            r = mni_fd_look(io->fd, 1u << MNI_READ);
            if (r == 0 && option(io->fd, SOL_SOCKET, SO_ACCEPTCONN) > 0)
                r = -EAGAIN;
            else if (r >= 0) /* also if it does not listen: the call says what it is instead */
                r = sys(nr, io->fd, io->address, io->length, how);
            mni_fd_turn_over(f, MNI_READ);
        } else {
            r = -EAGAIN;
        }
    }
    *(int *)(uintptr_t)io->data = (int)r;
    return r == -ECONNABORTED ? -EINTR : r; /* that one has gone: the next */
}

/* What the listener makes, its connections are. */
static unsigned kind_of(int fd) {
    struct mni_fd *f = mni_fd_find(fd);
    uint32_t flags = f ? a32_load(&f->flags) : 0;
    if (flags & MNI_FD_OURS)
        return flags & (MNI_FD_SOCKET | MNI_FD_STREAM);
    int kind = kind_of_socket(fd);
    return kind < 0 ? MNI_FD_SOCKET : (unsigned)kind;
}

MN_EXPORT int mn_accept_until(int fd, struct sockaddr *address, socklen_t *length, int64_t deadline) {
    int made __attribute__((cleanup(mni_fd_not_returned))) = -1;
    struct mni_io io = {.fd = fd,
                        .direction = MNI_READ,
                        .deadline = deadline,
                        .call = call_accept,
                        .data = &made,
                        .address = address,
                        .length = length,
                        .also = MNI_FD_SOCKET};
    long r = mni_io(&io);
    made = -1;
    return r < 0 ? (int)r : ours((int)r, kind_of(fd));
}

MN_EXPORT int mn_accept(int fd, struct sockaddr *address, socklen_t *length) {
    return mn_accept_until(fd, address, length, MN_FOREVER);
}
