/*
 * io: reading and writing.
 *
 * One loop for all (mni_io): make the call so that it does not block; if it would have, wait for the descriptor
 * (fd.c) and make it again.  The call itself is made outside the runtime: a worker whose thread is held up in
 * the kernel after all, by a page of its buffer for example, can lose its cpu.
 *
 * A descriptor of ours has O_NONBLOCK.  The flags of all others are left alone, since they belong to the open
 * file and so, perhaps, to other processes:
 *
 *   sockets   MSG_DONTWAIT.  They are tried first; ENOTSOCK decides, and is remembered as a hint of what to try first.
 *   files     as offload/file_rw.c has it.  What a descriptor is has to be asked each time (0.1 us).
 *   others    preadv2 and pwritev2 with RWF_NOWAIT, where the kernel has that for the kind of file.
 *   the rest  poll(2) and, if that says that the call will not block, the call, both in the entry's turn, so that no other
 *             thread comes between; PIPE_BUF bytes of a write at most, as that much room is what poll promises of a pipe.
 *             Another process that reads from the same pipe may come between all the same, and a terminal has room for fewer:
 *             then the call blocks, and the worker loses its cpu.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mn/io.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "export.h"
#include "offload/file.h"
#include "sys.h"
#include "wait/call.h"

#ifndef RWF_NOWAIT
#define RWF_NOWAIT 8
#endif

/* What to try first with a descriptor that is not ours. */
static void hint(int fd, uint32_t flag) {
    struct mni_cpu *c = mni_call_begin();
    struct mni_fd *f = mni_fd_find(fd);
    mni_lock_take(&f->lock);
    if (!(f->flags & MNI_FD_OURS))
        a32_store(&f->flags, (f->flags & ~(uint32_t)(MNI_FD_SOCKET | MNI_FD_OTHER)) | flag);
    mni_lock_drop(&f->lock);
    mni_call_end_here(c);
}

long mni_io(struct mni_io *io) {
    return mni_io_inline(io, io->call);
}

static int no_wait(uint32_t flags) {
    return flags & MNI_FD_OURS ? 0 : MSG_DONTWAIT;
}

/* ---- any descriptor */

/* The call, if poll(2) says that it will not block. */
static long in_turn(struct mni_io *io, long nr, const struct iovec *v, size_t n) {
    struct pollfd p = {.fd = io->fd, .events = io->direction == MNI_READ ? POLLIN : POLLOUT};
    struct iovec some;
    if (io->direction == MNI_WRITE && (n > 1 || v->iov_len > PIPE_BUF)) {
        while (!v->iov_len) /* there are bytes, or nobody would come here */
            v++;
        some = *v;
        if (some.iov_len > PIPE_BUF)
            some.iov_len = PIPE_BUF;
        v = &some;
        n = 1;
    }
    struct mni_fd *f = mni_fd_find(io->fd);
    if (!mni_fd_turn(f, io->direction, io->deadline))
        return -EAGAIN;
    struct timespec none = {0, 0};
    long r = sys(SYS_ppoll, &p, 1, &none, NULL, 0);
    if (r > 0)
        r = sys(nr, io->fd, v, n);
    else if (r == 0)
        r = -EAGAIN;
    mni_fd_turn_over(f, io->direction);
    return r;
}

static long call_vector(struct mni_io *io, uint32_t flags) {
    const struct iovec *v = io->data;
    const bool reads = io->direction == MNI_READ;
    if (!(flags & (MNI_FD_OURS | MNI_FD_OTHER)) ||
        (flags & (MNI_FD_OURS | MNI_FD_SOCKET)) == (MNI_FD_OURS | MNI_FD_SOCKET)) {
        long r;
        if (io->size == 1) {
            r = reads ? sys(SYS_recvfrom, io->fd, v->iov_base, v->iov_len, no_wait(flags))
                      : sys(SYS_sendto, io->fd, v->iov_base, v->iov_len, no_wait(flags) | MSG_NOSIGNAL);
        } else {
            struct msghdr m = {.msg_iov = (struct iovec *)(uintptr_t)v, .msg_iovlen = io->size};
            r = reads ? sys(SYS_recvmsg, io->fd, &m, no_wait(flags))
                      : sys(SYS_sendmsg, io->fd, &m, no_wait(flags) | MSG_NOSIGNAL);
        }
        if (r != -ENOTSOCK)
            return r;
        hint(io->fd, MNI_FD_OTHER);
    }
    if (flags & MNI_FD_OURS)
        return sys(reads ? SYS_readv : SYS_writev, io->fd, v, io->size);
    struct stat st;
    long r = sys(SYS_fstat, io->fd, &st);
    if (r < 0)
        return r;
    if (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode) || S_ISDIR(st.st_mode)) {
        io->file = true;
        return 0;
    }
    r = sys(reads ? SYS_preadv2 : SYS_pwritev2, io->fd, v, io->size, -1, -1, RWF_NOWAIT);
    return r == -EOPNOTSUPP ? in_turn(io, reads ? SYS_readv : SYS_writev, v, io->size) : r;
}

static ssize_t vector(int fd, unsigned direction, const struct iovec *v, int n, int64_t deadline) {
    if (n < 0 || n > IOV_MAX)
        return -EINVAL;
    if (n > 0 && !v)
        return -EFAULT;
    struct mni_io io = {.fd = fd,
                        .direction = direction,
                        .deadline = deadline,
                        .call = call_vector,
                        .data = v,
                        .size = (size_t)n};
    for (int i = 0; i < n; i++)
        io.want += v[i].iov_len;
    if (io.want == 0)
        return sys(direction == MNI_READ ? SYS_readv : SYS_writev, fd, v, n);
    long r = mni_io(&io);
    if (!io.file)
        return r;
    struct mni_cpu *c = mni_call_begin();
    r = direction == MNI_READ ? mni_file_read(fd, v, n, -1, deadline) : mni_file_write(fd, v, n, -1, deadline);
    mni_call_end_moved(c);
    return r;
}

MN_EXPORT ssize_t mn_readv_until(int fd, const struct iovec *v, int n, int64_t deadline) {
    return vector(fd, MNI_READ, v, n, deadline);
}

MN_EXPORT ssize_t mn_readv(int fd, const struct iovec *v, int n) {
    return vector(fd, MNI_READ, v, n, MN_FOREVER);
}

MN_EXPORT ssize_t mn_writev_until(int fd, const struct iovec *v, int n, int64_t deadline) {
    return vector(fd, MNI_WRITE, v, n, deadline);
}

MN_EXPORT ssize_t mn_writev(int fd, const struct iovec *v, int n) {
    return vector(fd, MNI_WRITE, v, n, MN_FOREVER);
}

MN_EXPORT ssize_t mn_read_until(int fd, void *buffer, size_t size, int64_t deadline) {
    if (mni_io_our_socket(fd) && size) {
        struct mni_io io = {
            .fd = fd, .direction = MNI_READ, .deadline = deadline, .want = size, .data = buffer, .size = size};
        return mni_io_inline(&io, mni_io_call_recv);
    }
    struct iovec v = {buffer, size};
    return vector(fd, MNI_READ, &v, 1, deadline);
}

MN_EXPORT ssize_t mn_read(int fd, void *buffer, size_t size) {
    return mn_read_until(fd, buffer, size, MN_FOREVER);
}

MN_EXPORT ssize_t mn_write_until(int fd, const void *buffer, size_t size, int64_t deadline) {
    if (mni_io_our_socket(fd) && size) {
        struct mni_io io = {
            .fd = fd, .direction = MNI_WRITE, .deadline = deadline, .want = size, .data = buffer, .size = size};
        return mni_io_inline(&io, mni_io_call_send);
    }
    struct iovec v = {(void *)(uintptr_t)buffer, size};
    return vector(fd, MNI_WRITE, &v, 1, deadline);
}

MN_EXPORT ssize_t mn_write(int fd, const void *buffer, size_t size) {
    return mn_write_until(fd, buffer, size, MN_FOREVER);
}

/* ---- all of it */

static ssize_t all(ssize_t (*once)(int, void *, size_t, int64_t), int fd, char *buffer, size_t size,
                   int64_t deadline) {
    size_t done = 0;
    do {
        ssize_t r = once(fd, buffer + done, size - done, deadline);
        if (r <= 0)
            return done ? (ssize_t)done : r;
        done += (size_t)r;
    } while (done < size);
    return (ssize_t)done;
}

static ssize_t write_once(int fd, void *buffer, size_t size, int64_t deadline) {
    return mn_write_until(fd, buffer, size, deadline);
}

MN_EXPORT ssize_t mn_read_all_until(int fd, void *buffer, size_t size, int64_t deadline) {
    return all(mn_read_until, fd, buffer, size, deadline);
}

MN_EXPORT ssize_t mn_read_all(int fd, void *buffer, size_t size) {
    return all(mn_read_until, fd, buffer, size, MN_FOREVER);
}

MN_EXPORT ssize_t mn_write_all_until(int fd, const void *buffer, size_t size, int64_t deadline) {
    return all(write_once, fd, (char *)(uintptr_t)buffer, size, deadline);
}

MN_EXPORT ssize_t mn_write_all(int fd, const void *buffer, size_t size) {
    return all(write_once, fd, (char *)(uintptr_t)buffer, size, MN_FOREVER);
}
