/* open: descriptors come to be ours, and are closed (fd.c). */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <errno.h>
#include <fcntl.h>
#include <mn/io.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "call.h"
#include "export.h"
#include "fault.h"
#include "io.h"
#include "sys.h"

enum { NAP_FIRST_NS = 100000, NAP_LAST_NS = 10000000 };

static unsigned socket_kind(int type) {
    return MNI_FD_SOCKET | ((type & 0xf) == SOCK_STREAM ? MNI_FD_STREAM : 0);
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
    int fd = fault("socket") ? -EMFILE : (int)sys(SYS_socket, domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    return fd < 0 ? fd : ours(fd, socket_kind(type));
}

MN_EXPORT int mn_socketpair(int domain, int type, int protocol, int fds[2]) {
    int made[2];
    int r = fault("socket") ? -EMFILE : (int)sys(SYS_socketpair, domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol, made);
    if (r < 0 || (r = both(made, socket_kind(type))) < 0)
        return r;
    fds[0] = made[0];
    fds[1] = made[1];
    return 0;
}

MN_EXPORT int mn_pipe(int fds[2]) {
    int made[2];
    int r = fault("pipe") ? -EMFILE : (int)sys(SYS_pipe2, made, O_NONBLOCK | O_CLOEXEC);
    if (r < 0 || (r = both(made, MNI_FD_STREAM)) < 0)
        return r;
    fds[0] = made[0];
    fds[1] = made[1];
    return 0;
}

MN_EXPORT int mn_adopt(int fd) {
    int flags = (int)sys(SYS_fcntl, fd, F_GETFL), type = 0;
    if (flags < 0)
        return flags;
    struct stat st;
    uint32_t size = sizeof type;
    unsigned kind = 0;
    int saved = errno;
    if (sys(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0)
        kind = socket_kind(type);
    else if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode))
        kind = MNI_FD_STREAM;
    errno = saved;
    int r = flags & O_NONBLOCK ? 0 : (int)sys(SYS_fcntl, fd, F_SETFL, flags | O_NONBLOCK);
    if (r < 0)
        return r;
    struct mni_cpu *c = mni_call_begin();
    r = mni_fd_made(fd, kind);
    mni_call_end_here(c);
    return r;
}

MN_EXPORT int mn_close(int fd) {
    struct mni_fd *f = mni_fd_find(fd);
    if (!f)
        return (int)sys(SYS_close, fd);
    struct mni_cpu *c = mni_call_begin();
    mni_fd_closing(f, fd);
    const bool green = c != NULL;
    if (green)
        mni_leave(mni_cpu_self());
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
        struct mni_cpu *c = mni_call_begin();
        mni_lock_take(&f->turn);
        r = mni_fd_look(io->fd, 1u << MNI_READ);
        r = r > 0 ? sys(nr, io->fd, io->address, io->length, how) : r == 0 ? -EAGAIN : r;
        mni_lock_drop(&f->turn);
        mni_call_end_here(c);
    }
    return r == -ECONNABORTED ? -EINTR : r; /* that one has gone: the next */
}

/* What the listener makes, its connections are. */
static unsigned kind_of(int fd) {
    struct mni_fd *f = mni_fd_find(fd);
    uint32_t flags = f ? a32_load(&f->flags) : 0;
    if (flags & MNI_FD_OURS)
        return flags & (MNI_FD_SOCKET | MNI_FD_STREAM);
    int type = SOCK_STREAM;
    uint32_t size = sizeof type;
    sys(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, &type, &size);
    return socket_kind(type);
}

MN_EXPORT int mn_accept_until(int fd, struct sockaddr *address, socklen_t *length, int64_t deadline) {
    struct mni_io io = {.fd = fd, .direction = MNI_READ, .deadline = deadline, .call = call_accept, .address = address, .length = length};
    long r = mni_io(&io);
    return r < 0 ? (int)r : ours((int)r, kind_of(fd));
}

MN_EXPORT int mn_accept(int fd, struct sockaddr *address, socklen_t *length) {
    return mn_accept_until(fd, address, length, MN_FOREVER);
}

/* ---- connect */

/*
 * The call is made again and again: the second time it says how far the first has come (EALREADY, EISCONN, or its error).  A Unix
 * listener whose queue is full says EAGAIN, and no event tells of room in it: we come again after a while.
 */
MN_EXPORT int mn_connect_until(int fd, const struct sockaddr *address, socklen_t length, int64_t deadline) {
    int r, flags = (int)sys(SYS_fcntl, fd, F_GETFL);
    if (flags < 0)
        return flags;
    struct mni_cpu *c = mni_call_begin();
    struct mni_fd *f = mni_call_cancelled(c) ? (r = -ECANCELED, NULL) : mni_fd_get(fd, &r);
    if (!f) {
        mni_call_end(c);
        return r;
    }
    uint32_t generation = a32_load_acquire(&f->generation); /* acquire; pairs with the lock of who changed it */
    const bool green = c != NULL;
    int64_t nap = NAP_FIRST_NS;
    for (bool again = false;; again = true) {
        uint32_t seen = a32_load_acquire(&f->word[MNI_WRITE]); /* acquire; pairs with add_event */
        r = (int)sys(SYS_connect, fd, address, length);
        if (r == -EISCONN && again)
            r = 0;
        if (r == -EAGAIN) {
            int64_t until = mn_after(nap);
            r = mni_wait("connect", NULL, NULL, until < deadline ? until : deadline);
            if (r == -ETIMEDOUT && until < deadline)
                r = 0;
            nap = nap < NAP_LAST_NS ? 2 * nap : nap;
        } else if (r == -EINPROGRESS || r == -EALREADY || r == -EINTR) {
            mni_fd_drained(f, MNI_WRITE, seen);
            r = mni_fd_wait(f, fd, MNI_WRITE, generation, deadline);
        } else {
            break;
        }
        if (r >= 0 && a32_load_acquire(&f->generation) != generation)
            r = -EBADF;
        if (r < 0)
            break;
    }
    if (green)
        mni_leave_slice(mni_cpu_self());
    return r;
}

MN_EXPORT int mn_connect(int fd, const struct sockaddr *address, socklen_t length) {
    return mn_connect_until(fd, address, length, MN_FOREVER);
}
