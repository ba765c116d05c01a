/* io: a system call on a descriptor that waits as threads wait; see io.c. */
#ifndef MNI_IO_IO_H
#define MNI_IO_IO_H

#include <errno.h>
#include <mn/time.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "fault.h"
#include "fd.h"
#include "sys.h"
#include "wait/call.h"

struct mni_io {
    int fd;
    unsigned direction; /* MNI_READ, MNI_WRITE */
    int64_t deadline;
    size_t want; /* bytes; fewer mean that nothing is left, or no room.  0: they do not */
    /* The system call, as it is to be made for a descriptor with these flags (MNI_FD_*): it does not block. */
    long (*call)(struct mni_io *io, uint32_t flags);
    /* For call; what they mean is its own affair. */
    const void *data;
    size_t size, size2;
    int flags;
    void *address, *length;
    /* MNI_FD_*: what it has to be beside OURS for the call to be left out while nothing is there; others get
     * its error. */
    unsigned also;
    bool at_once;  /* the call never waits, and its -EAGAIN says nothing of what is there */
    bool file;     /* it is a file: nothing was done */
};

/* Of type SOCK_STREAM. */
bool mni_is_stream(int fd);

/*
 * Of any caller, outside the runtime: makes the call until it does not say -EAGAIN.  Its result, or a negative
 * errno.  Inline where that counts: a request of a server is a few system calls, and cache misses on the stacks
 * of threads that have waited.
 */
static inline __attribute__((always_inline)) long
mni_io_inline(struct mni_io *io, long (*call)(struct mni_io *io, uint32_t flags)) {
    int r;
    struct mni_cpu *c = mni_call_begin();
    if (__builtin_expect(mni_call_cancelled(c), 0)) {
        mni_call_end(c);
        return -ECANCELED;
    }
    struct mni_fd *f = mni_fd_find(io->fd);
    if (__builtin_expect(!f, 0) && !(f = mni_fd_get(io->fd, &r))) {
        mni_call_end(c);
        return r;
    }
    const bool green = c != NULL;
    const unsigned d = io->direction;
    const uint32_t fit = MNI_FD_OURS | io->also;
    /* Acquire: with the flags that belong to it. */
    const uint32_t generation = a32_load_acquire(&f->generation);
    long got;
    /* At least once, even if the deadline has passed: nobody may have looked for events for who only tries. */
    bool tried = false, woken = false;
    for (;; woken = true) {
        /* Acquire: pairs with an event's. */
        uint32_t seen = a32_load_acquire(&f->word[d]), flags = a32_load(&f->flags);
        if ((flags & fit) != fit || seen & MNI_FD_READY || woken || io->at_once) {
            tried = true;
            if (green)
                mni_leave(mni_cpu_self());
            do
                got = fault("io_eintr") ? -EINTR : fault("io_nobufs") ? -ENOBUFS : call(io, flags);
            while (__builtin_expect(got == -EINTR, 0));
            if (green)
                mni_enter();
            if (__builtin_expect(got != -EAGAIN || io->at_once, 1)) {
                if (got > 0 && (size_t)got < io->want && flags & MNI_FD_STREAM &&
                    !(d == MNI_READ && flags & MNI_FD_MORE))
                    mni_fd_drained(f, d, seen);
                mni_fd_pass_on(f, d);
                break;
            }
            mni_fd_drained(f, d, seen);
        }
        got = mni_fd_wait(f, io->fd, d, generation, io->deadline, woken);
        if (__builtin_expect(got < 0, 0) && (got != -ETIMEDOUT || tried))
            break;
        /* Acquire; pairs with the lock of who closed it. */
        if (__builtin_expect(a32_load_acquire(&f->generation) != generation, 0)) {
            got = -EBADF;
            break;
        }
    }
    if (green) {
        mni_charge(mni_cpu_self(), got);
        mni_leave_slice(mni_cpu_self());
    } else if (woken) {
        mni_fd_plain_done();
    }
    return got;
}
long mni_io(struct mni_io *io);

/* A socket of ours, for which the calls of sockets can be made without a look. */
static inline bool mni_io_our_socket(int fd) {
    const struct mni_fd *f = mni_fd_find(fd);
    return __builtin_expect(
        f && (a32_load(&f->flags) & (MNI_FD_OURS | MNI_FD_SOCKET)) == (MNI_FD_OURS | MNI_FD_SOCKET), 1);
}

static inline long mni_io_call_recv(struct mni_io *io, uint32_t flags) {
    return sys(SYS_recvfrom, io->fd, io->data, io->size, io->flags | (flags & MNI_FD_OURS ? 0 : MSG_DONTWAIT),
               io->address, io->length);
}

static inline long mni_io_call_send(struct mni_io *io, uint32_t flags) {
    return sys(SYS_sendto, io->fd, io->data, io->size,
               io->flags | (flags & MNI_FD_OURS ? 0 : MSG_DONTWAIT) | MSG_NOSIGNAL, io->address, io->size2);
}

#endif
