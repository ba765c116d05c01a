/*
 * connect.
 *
 * A descriptor of ours, or any that has O_NONBLOCK: the call begins it, the descriptor becomes writable when it
 * is decided, and a second call says how.
 *
 * A blocking one is not ours to change, but connect has no flag for one call.  It has a time limit, though
 * (SO_SNDTIMEO, which is the socket's own and means nothing else before it is connected): with the shortest,
 * the call returns within one tick of the kernel's clock, as one that does not block, and goes on.  An LWP of
 * the pool for calls spends that tick.
 *
 * A Unix listener whose queue is full says EAGAIN, and no event tells of room in it: we come again after a
 * while.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <errno.h>
#include <fcntl.h>
#include <mn/io.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "export.h"
#include "fault.h"
#include "fd.h"
#include "offload/offload.h"
#include "sys.h"
#include "wait/call.h"

enum { NAP_FIRST_NS = 100000, NAP_LAST_NS = 10000000 };

struct connecting {
    int fd;
    const struct sockaddr *address;
    socklen_t length;
    bool blocking;
    long result;
};

/* With the shortest time limit. */
static void call_limited(void *arg) {
    struct connecting *a = arg;
    struct timeval old = {0, 0}, least = {0, 1};
    uint32_t size = sizeof old;
    a->result = sys(SYS_getsockopt, a->fd, SOL_SOCKET, SO_SNDTIMEO, &old, &size);
    if (a->result == 0)
        a->result = sys(SYS_setsockopt, a->fd, SOL_SOCKET, SO_SNDTIMEO, &least, sizeof least);
    if (a->result == 0) {
        a->result = sys(SYS_connect, a->fd, a->address, a->length);
        sys(SYS_setsockopt, a->fd, SOL_SOCKET, SO_SNDTIMEO, &old, sizeof old);
    }
}

static int call(struct connecting *a, int64_t deadline) {
    if (!a->blocking)
        return (int)sys(SYS_connect, a->fd, a->address, a->length);
    int r = mni_offload(MNI_POOL_USER, call_limited, a, deadline);
    return r < 0 ? r : (int)a->result;
}

/* Inside the runtime. */
static int connect_inside(struct connecting *a, struct mni_fd *f, int64_t deadline) {
    uint32_t generation = a32_load_acquire(&f->generation); /* acquire; pairs with the lock of who changed it */
    int64_t nap = NAP_FIRST_NS;
    bool waited = false;
    for (bool again = false;; again = true) {
        uint32_t seen = a32_load_acquire(&f->word[MNI_WRITE]); /* acquire; pairs with add_event */
        int r = !again && fault("connect") ? -ENOBUFS : call(a, deadline);
        if (r == -EISCONN && again)
            return 0;
        if (r == -EAGAIN) {
            int64_t until = mn_after(nap);
            r = mni_wait("connect", NULL, NULL, until < deadline ? until : deadline);
            if (r == -ETIMEDOUT && until < deadline)
                r = 0;
            nap = nap < NAP_LAST_NS ? 2 * nap : nap;
        } else if (r == -EINPROGRESS || r == -EALREADY || r == -EINTR) {
            mni_fd_drained(f, MNI_WRITE, seen);
            r = mni_fd_wait(f, a->fd, MNI_WRITE, generation, deadline, waited);
            waited = true;
        } else {
            return r;
        }
        if (r < 0)
            return r;
        if (a32_load_acquire(&f->generation) != generation) /* as above */
            return -EBADF;
    }
}

MN_EXPORT int mn_connect_until(int fd, const struct sockaddr *address, socklen_t length, int64_t deadline) {
    int r, flags = (int)sys(SYS_fcntl, fd, F_GETFL);
    if (flags < 0)
        return flags;
    struct connecting a = {.fd = fd, .address = address, .length = length, .blocking = !(flags & O_NONBLOCK)};
    struct mni_cpu *c = mni_call_begin();
    struct mni_fd *f = mni_call_cancelled(c) ? (r = -ECANCELED, NULL) : mni_fd_get(fd, &r);
    if (f)
        r = connect_inside(&a, f, deadline);
    if (!c)
        mni_fd_plain_done();
    mni_call_end_moved(c);
    return r;
}

MN_EXPORT int mn_connect(int fd, const struct sockaddr *address, socklen_t length) {
    return mn_connect_until(fd, address, length, MN_FOREVER);
}
