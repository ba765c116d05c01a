/*
 * echo server, the limit: one thread, one epoll set, no more system calls than it takes.
 *
 * Edge-triggered: each descriptor is registered once, and the kernel need not look at it again after it was
 * reported.  A read that brings less than it asked for has emptied the socket, so there is no second one.  What
 * cannot be sent at once waits in a buffer of its connection, which is not read from until it is gone.
 */
#include "echo.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 512 };

struct connection {
    int fd;
    unsigned size, sent; /* what waits to be sent is data[sent .. size) */
    char data[ECHO_BUFFER];
};

/* What a connection has in its buffer costs memory only while it waits. */
static char shared[ECHO_BUFFER];

static void end(struct connection *c) {
    close(c->fd);
    free(c);
}

/* False: the rest has to wait.  Ended connections are told by the read that follows. */
static int flush(struct connection *c) {
    while (c->sent < c->size) {
        ssize_t n = send(c->fd, c->data + c->sent, c->size - c->sent, MSG_NOSIGNAL);
        if (n < 0)
            return errno != EAGAIN;
        c->sent += (unsigned)n;
    }
    c->size = c->sent = 0;
    return 1;
}

static void serve(struct connection *c) {
    if (c->size && !flush(c))
        return;
    for (;;) {
        ssize_t n = recv(c->fd, shared, sizeof shared, 0);
        if (n <= 0) {
            if (n == 0 || errno != EAGAIN)
                end(c);
            return;
        }
        ssize_t sent = send(c->fd, shared, (size_t)n, MSG_NOSIGNAL);
        if (__builtin_expect(sent < n, 0)) {
            if (sent < 0 && errno != EAGAIN) {
                end(c);
                return;
            }
            sent = sent < 0 ? 0 : sent;
            c->size = (unsigned)(n - sent);
            memcpy(c->data, shared + sent, c->size);
            if (!flush(c))
                return;
        }
        if ((size_t)n < sizeof shared)
            return;
    }
}

static void accept_all(int listener, int set) {
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct connection *c = malloc(sizeof *c);
        verify(c != NULL, "out of memory");
        c->fd = fd;
        c->size = c->sent = 0;
        struct epoll_event e = {EPOLLIN | EPOLLOUT | EPOLLET, {.ptr = c}};
        verify(epoll_ctl(set, EPOLL_CTL_ADD, fd, &e) == 0, "epoll_ctl: %s", strerror(errno));
    }
    verify(errno == EAGAIN || errno == ECONNABORTED, "accept4: %s", strerror(errno));
}

int main(int argc, char **argv) {
    bench_init(argc, argv, "epoll_wait");
    bench_options_end();
    int port, listener = echo_listen(SOCK_NONBLOCK, &port), set = epoll_create1(EPOLL_CLOEXEC);
    verify(set >= 0, "epoll_create1: %s", strerror(errno));
    struct epoll_event e = {EPOLLIN, {.ptr = NULL}};
    must(epoll_ctl(set, EPOLL_CTL_ADD, listener, &e));
    echo_ready(port);
    for (;;) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(set, events, EVENTS, -1);
        verify(n >= 0 || errno == EINTR, "epoll_wait: %s", strerror(errno));
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr)
                serve(events[i].data.ptr);
            else
                accept_all(listener, set);
        }
    }
}
