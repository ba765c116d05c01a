/*
 * poll: waiting for one or many descriptors without using them.
 *
 * poll(2) says what is ready; the entries (fd.c) say when to ask it again.  A descriptor of ours has an event
 * only when something changes, so the words of all are read first, then poll(2) is asked; if nothing is ready,
 * waiters are queued wherever no event has come since, and one that has come means asking again.
 *
 * That the waiter stands in several queues at once is what many.c is for.  It has left all before it goes on.
 *
 * Those who poll take nothing away, so an event that wakes one wakes the next in the queue as well.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "poll.h"

#include <errno.h>
#include <mn/io.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <time.h>

#include "clock.h"
#include "export.h"
#include "fault.h"
#include "fd.h"
#include "freed.h"
#include "poller.h"
#include "sched/sched.h"
#include "sys.h"
#include "thread/bound.h"
#include "wait/call.h"

enum {
    FEW = 4,
    WANTS_READ = POLLIN | POLLRDNORM | POLLRDBAND,
    WANTS_WRITE = POLLOUT | POLLWRNORM | POLLWRBAND
};

/* poll(2), until the deadline; the number of those ready, 0: none. */
static int poll_lwp(struct pollfd *p, nfds_t n, int64_t deadline) {
    const bool waits = deadline > 0, here = waits && mni_foreign_away();
    for (;;) {
        int64_t left = deadline == MN_FOREVER || deadline <= 0 ? 0 : deadline - (int64_t)clock_now_ns();
        struct timespec t = {left > 0 ? left / 1000000000 : 0, left > 0 ? left % 1000000000 : 0};
        long r = fault("poll") ? -EINTR : sys(SYS_ppoll, p, n, deadline == MN_FOREVER ? NULL : &t, NULL, 0);
        if (r != -EINTR) {
            mni_foreign_back(here);
            return (int)r;
        }
        if (waits)
            mni_foreign_rests(); /* a signal handler may have called */
    }
}

/* what: MNI_POLL_*. */
static struct pollfd entry(int fd, unsigned what) {
    short events = (short)((what & MNI_POLL_READ ? POLLIN : 0) | (what & MNI_POLL_WRITE ? POLLOUT : 0));
    return (struct pollfd){.fd = fd, .events = events};
}

int mni_fd_plain_wait(int fd, unsigned what, int64_t deadline) {
    struct pollfd p = entry(fd, what);
    int r = poll_lwp(&p, 1, deadline);
    return r < 0 ? r : r == 0 ? -ETIMEDOUT : p.revents & POLLNVAL ? -EBADF : 0;
}

/* Of the call that this LWP makes; -1: none. */
static __thread int changes __attribute__((tls_model("initial-exec"))) = -1;

int mni_fd_plain_change(int fd, int64_t deadline) {
    if (changes < 0) {
        int set = mni_pollset_changes(fd);
        if (set >= 0)
            changes = set;
        return set < 0 ? set : 0; /* what came before the set was made is no change to it: the call is to look */
    }
    int r = mni_fd_plain_wait(changes, MNI_POLL_READ, deadline);
    if (r == 0)
        mni_pollset_changed(changes);
    return r;
}

void mni_fd_plain_done(void) {
    if (changes >= 0)
        sys(SYS_close, changes);
    changes = -1;
}

int mni_fd_look(int fd, unsigned what) {
    int r = mni_fd_plain_wait(fd, what, 0);
    return r == 0 ? 1 : r == -ETIMEDOUT ? 0 : r;
}

static unsigned ready_bits(short events) {
    return (events & WANTS_READ ? MNI_READY_READ : 0) | (events & WANTS_WRITE ? MNI_READY_WRITE : 0) |
           (events & POLLPRI ? MNI_READY_URGENT : 0) | (events & POLLRDHUP ? MNI_READY_END : 0);
}

int mni_polled_begin(const struct pollfd *p, nfds_t n, struct mni_polled *ones) {
    int r;
    for (nfds_t i = 0; i < n; i++) {
        struct mni_polled *o = &ones[i];
        o->fd = p[i].fd < 0 ? NULL : mni_fd_get(p[i].fd, &r);
        if (!o->fd && p[i].fd >= 0)
            return r;
        if (o->fd)
            o->generation = a32_load_acquire(&o->fd->generation); /* acquire; pairs with the lock of who changed it */
    }
    return 0;
}

int mni_polled_look(struct pollfd *p, nfds_t n, struct mni_polled *ones) {
    for (nfds_t i = 0; i < n; i++)
        for (int d = MNI_READ; ones[i].fd && d <= MNI_WRITE; d++)
            ones[i].seen[d] = a32_load_acquire(&ones[i].fd->word[d]); /* acquire; pairs with add_event */
    int ready = poll_lwp(p, n, 0);
    for (nfds_t i = 0; i < n; i++)
        if (ones[i].fd && a32_load_acquire(&ones[i].fd->generation) != ones[i].generation) {
            ready += ready >= 0 && !p[i].revents;
            p[i].revents = POLLNVAL; /* also when the number is in use again */
        }
    return ready;
}

int mni_polled_queue(const struct pollfd *p, nfds_t n, struct mni_polled *ones, struct mni_many *m) {
    struct mni_parker *self = mni_parker_self();
    int r = 0;
    for (nfds_t i = 0; i < n; i++) {
        memset(ones[i].waiter, 0, sizeof ones[i].waiter);
        for (int d = MNI_READ; d <= MNI_WRITE; d++) {
            ones[i].waiter[d].parker = self;
            ones[i].waiter[d].data = m;
        }
        if (r == 0 && ones[i].fd)
            r = mni_fd_begin_many(ones[i].fd, p[i].fd, ones[i].generation, ones[i].seen, ones[i].waiter,
                                  ready_bits(p[i].events));
    }
    return r;
}

void mni_polled_leave(nfds_t n, struct mni_polled *ones) {
    for (nfds_t i = 0; i < n; i++)
        if (ones[i].fd)
            mni_fd_end_many(ones[i].fd, ones[i].waiter);
}

/* One pass: nothing was ready.  0: look again. */
static int pass(struct pollfd *p, nfds_t n, struct mni_polled *ones, int64_t deadline) {
    struct mni_many m = {.fired = false};
    int r = mni_polled_queue(p, n, ones, &m);
    if (r == 0) {
        mni_poller_waits(mni_cpu_here());
        r = mni_many_wait(&m, "poll", ones[0].fd, deadline);
        mni_poller_waited(mni_cpu_here());
    }
    mni_polled_leave(n, ones);
    return r < 0 ? r : 0;
}

static int poll_many(struct pollfd *p, nfds_t n, struct mni_polled *ones, int64_t deadline) {
    int r = mni_polled_begin(p, n, ones);
    if (r < 0)
        return r;
    for (;;) {
        int ready = mni_polled_look(p, n, ones);
        if (ready)
            return ready;
        if (mni_passed(deadline))
            return -ETIMEDOUT;
        if ((r = mni_poller_open()) != 0)
            return r < 0 ? r : (r = poll_lwp(p, n, deadline)) ? r : -ETIMEDOUT;
        if ((r = pass(p, n, ones, deadline)) < 0 && r != -ETIMEDOUT)
            return r;
    }
}

/* Inside the runtime. */
static int poll_inside(struct pollfd *p, nfds_t n, int64_t deadline) {
    struct mni_polled few[FEW], *ones = few;
    if (n > FEW && !(ones = fault("malloc") ? NULL : malloc(n * sizeof *ones)))
        return -ENOMEM;
    int r = n ? poll_many(p, n, ones, deadline) : mni_wait("poll", NULL, NULL, deadline);
    if (ones != few)
        free(ones);
    return r;
}

int mni_poll_wait(int fd, unsigned what, int64_t deadline) {
    struct pollfd p = entry(fd, what);
    if (fd < 0)
        return -EBADF;
    int r = poll_inside(&p, 1, deadline);
    return r < 0 ? r : p.revents & POLLNVAL ? -EBADF : 0;
}

MN_EXPORT int mn_poll_until(struct pollfd *fds, nfds_t n, int64_t deadline) {
    if (n > INT32_MAX)
        return -EINVAL;
    if (n > 0 && !fds)
        return -EFAULT;
    struct mni_cpu *c = mni_call_begin();
    int r = mni_call_cancelled(c) ? -ECANCELED : poll_inside(fds, n, deadline);
    mni_call_end_moved(c);
    return r;
}

MN_EXPORT int mn_poll(struct pollfd *fds, nfds_t n) {
    return mn_poll_until(fds, n, MN_FOREVER);
}

static int wait_one(int fd, unsigned what, int64_t deadline) {
    struct mni_cpu *c = mni_call_begin();
    int r = mni_call_cancelled(c) ? -ECANCELED : mni_poll_wait(fd, what, deadline);
    mni_call_end_moved(c);
    return r;
}

MN_EXPORT int mn_wait_readable_until(int fd, int64_t deadline) {
    return wait_one(fd, MNI_POLL_READ, deadline);
}

MN_EXPORT int mn_wait_readable(int fd) {
    return wait_one(fd, MNI_POLL_READ, MN_FOREVER);
}

MN_EXPORT int mn_wait_writable_until(int fd, int64_t deadline) {
    return wait_one(fd, MNI_POLL_WRITE, deadline);
}

MN_EXPORT int mn_wait_writable(int fd) {
    return wait_one(fd, MNI_POLL_WRITE, MN_FOREVER);
}

/* ---- select(2) */

static short asked(int fd, const fd_set *r, const fd_set *w, const fd_set *e) {
    return (short)((r && FD_ISSET(fd, r) ? POLLIN | POLLRDHUP : 0) | (w && FD_ISSET(fd, w) ? POLLOUT : 0) |
                   (e && FD_ISSET(fd, e) ? POLLPRI : 0));
}

/* For which of the sets, as bits, it is an answer. */
static unsigned answer(const struct pollfd *p) {
    static const short what[] = {POLLIN, POLLOUT, POLLPRI},
                       means[] = {POLLIN | POLLHUP | POLLERR | POLLRDHUP, POLLOUT | POLLERR, POLLPRI};
    unsigned sets = 0;
    for (unsigned i = 0; i < 3; i++)
        sets |= (p->events & what[i] && p->revents & means[i]) << i;
    return sets;
}

/*
 * What poll(2) says unasked is no answer, such as the end of what was asked for exceptions only.  It would say
 * so each time: such a descriptor is left out from then on.
 */
static int poll_asked(struct pollfd *p, nfds_t n, int64_t deadline) {
    for (bool any = false; !any;) {
        int got = mn_poll_until(p, n, deadline);
        if (got < 0)
            return got;
        for (nfds_t i = 0; i < n; i++) {
            if (p[i].revents & POLLNVAL)
                return -EBADF;
            if (answer(&p[i]))
                any = true;
            else if (p[i].revents)
                p[i].fd = -1;
        }
    }
    return 0;
}

MN_EXPORT int mn_select_fds_until(int n, fd_set *r, fd_set *w, fd_set *e, int64_t deadline) {
    if (n < 0 || n > FD_SETSIZE)
        return -EINVAL;
    struct pollfd *p MNI_FREED =
        fault("malloc") ? NULL : malloc(((size_t)n + 1) * sizeof *p);
    if (!p)
        return -ENOMEM;
    nfds_t count = 0;
    for (int i = 0; i < n; i++) {
        short events = asked(i, r, w, e);
        if (events)
            p[count++] = (struct pollfd){.fd = i, .events = events};
    }
    int got = poll_asked(p, count, deadline);
    if (got < 0)
        return got;
    fd_set *sets[] = {r, w, e};
    for (unsigned i = 0; i < 3; i++) {
        if (sets[i])
            FD_ZERO(sets[i]);
        for (nfds_t k = 0; k < count; k++)
            if (answer(&p[k]) & 1u << i) {
                FD_SET(p[k].fd, sets[i]);
                got++;
            }
    }
    return got;
}

MN_EXPORT int mn_select_fds(int n, fd_set *r, fd_set *w, fd_set *e) {
    return mn_select_fds_until(n, r, w, e, MN_FOREVER);
}
