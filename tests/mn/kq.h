/* What tests of kqueues share. */
#ifndef TEST_KQ_H
#define TEST_KQ_H

#include <errno.h>
#include <fcntl.h>
#include <mn/kqueue.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sync.h"

/* One change, without events: what mn_kevent returns. */
static inline int change(int kq, uintptr_t ident, int filter, unsigned flags, unsigned fflags, int64_t data) {
    struct kevent c;
    EV_SET(&c, ident, filter, flags, fflags, data, (void *)0x1234);
    return mn_kevent(kq, &c, 1, NULL, 0, NULL);
}

static struct kevent got; /* the event that next() took */

/* The events within that time: how many of at most 8; the first is in got. */
static inline int next_ms(int kq, int ms) {
    struct kevent e[8];
    struct timespec t = {ms / 1000, ms % 1000 * 1000000l};
    int n = mn_kevent(kq, NULL, 0, e, 8, &t);
    if (n > 0)
        got = e[0];
    return n;
}

/* One must come: with a bound that is far beyond what it takes. */
static inline int next(int kq) {
    return next_ms(kq, 20000);
}

static inline int none(int kq) {
    return next_ms(kq, 0) == 0;
}

static inline int readable(int fd) {
    struct pollfd p = {fd, POLLIN, 0};
    return poll(&p, 1, 0) == 1;
}

#endif
