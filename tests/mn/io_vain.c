/*
 * Descriptors that poll(2) calls ready although a call finds nothing: whoever waits in that call sleeps, and
 * hears of what comes.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <mn/net.h>

#include "sync.h"

static const char *k, *what;
static char buffer[64];

static int64_t cpu_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * 1000000000l + t.tv_nsec;
}

struct call {
    int fd, flags;
    ssize_t got;
    int64_t deadline;
};

static void *receive(void *arg) {
    struct call *c = arg;
    c->got = c->flags < 0 ? mn_read_until(c->fd, buffer, sizeof buffer, c->deadline)
                          : mn_recv_until(c->fd, buffer, sizeof buffer, c->flags, c->deadline);
    return NULL;
}

/* A spinning wait takes a whole CPU, or half of one on a busy machine; one that sleeps takes nearly nothing. */
static void sleeps(const char *who) {
    int64_t from = now(), used = cpu_ns();
    nap_ms(60);
    used = cpu_ns() - used;
    from = now() - from;
    if (!ok(used < from / 4, "%s: %s: %s sleeps", k, what, who))
        printf("# %ld of %ld us\n", (long)used / 1000, (long)from / 1000);
}

static char address[64], *port;

/* A socket in whose queue of errors is one, for a port that nobody has. */
static int with_error(void) {
    int yes = 1, nobody = mn_listen_udp("127.0.0.1", "0");
    if (mn_net_local(nobody, address, sizeof address) < 0)
        abort();
    port = strrchr(address, ':') + 1;
    int s = mn_dial_udp("127.0.0.1", port);
    mn_close(nobody);
    if (s < 0 || setsockopt(s, IPPROTO_IP, IP_RECVERR, &yes, sizeof yes) < 0 || mn_send(s, "lost", 4, 0) != 4)
        abort();
    is(mn_recv_until(s, buffer, 1, 0, after_ms(5000)), -ECONNREFUSED, "%s: %s: a datagram was refused", k, what);
    return s;
}

static void tell(int s) {
    struct sockaddr_in to;
    socklen_t size = sizeof to;
    int peer = mn_listen_udp("127.0.0.1", port);
    if (peer < 0 || getsockname(s, (struct sockaddr *)&to, &size) < 0 ||
        mn_sendto(peer, "hello", 5, 0, (struct sockaddr *)&to, size) != 5)
        abort();
    mn_close(peer);
}

/* fd: the socket's, or another number for it, of which the runtime knows nothing. */
static void error_queue(int s, int fd, int flags) {
    struct runner r;
    struct call c = {.fd = fd, .flags = flags, .deadline = MN_FOREVER};
    start(&r, receive, &c);
    sleeps("who receives");
    tell(s);
    finish(&r);
    is(c.got, 5, "%s: %s: and gets what comes", k, what);
    if (flags > 0)
        is(mn_recv_until(fd, buffer, sizeof buffer, 0, 0), 5, "%s: %s: which is still there", k, what);
    c.deadline = after_ms(5);
    start(&r, receive, &c);
    finish(&r);
    is(c.got, -ETIMEDOUT, "%s: %s: a deadline is kept", k, what);
}

/* Errors that come meanwhile wake in vain, a few times. */
static void more_errors(int s) {
    struct runner r;
    struct call c = {.fd = s, .deadline = MN_FOREVER};
    int other = dup(s);
    start(&r, receive, &c);
    for (int i = 0; i < 3; i++) {
        mn_send(other, "lost", 4, 0);
        nap_ms(1);
    }
    finish(&r);
    is(c.got, -ECONNREFUSED, "%s: %s: an error wakes", k, what);
    while (mn_recv_until(s, buffer, 1, 0, 0) == -ECONNREFUSED)
        continue;
    start(&r, receive, &c);
    sleeps("who receives after it");
    tell(s);
    finish(&r);
    is(c.got, 5, "%s: %s: and gets what comes then", k, what);
    close(other);
}

/* Two who wait for the same: each gets one. */
static void two(int s, int fd) {
    struct runner r[2];
    struct call c[2];
    for (int i = 0; i < 2; i++) {
        c[i] = (struct call){.fd = fd, .deadline = MN_FOREVER};
        start(&r[i], receive, &c[i]);
    }
    sleeps("who receives beside another");
    for (int i = 0; i < 2; i++)
        tell(s);
    for (int i = 0; i < 2; i++) {
        finish(&r[i]);
        is(c[i].got, 5, "%s: %s: each of two gets one", k, what);
    }
}

/* A number that was another socket's, for which somebody waited like that. */
static void reused(int s) {
    int p[2], fd = fcntl(s, F_DUPFD_CLOEXEC, 100);
    struct runner r;
    struct call c = {.fd = fd, .deadline = after_ms(20)};
    start(&r, receive, &c);
    finish(&r);
    is(c.got, -ETIMEDOUT, "%s: %s: nothing comes", k, what);
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, p) < 0)
        abort();
    dup2(p[0], fd);
    c.deadline = MN_FOREVER;
    for (int i = 0; i < 2; i++) {
        start(&r, receive, &c);
        nap_ms(3);
        if (write(p[1], "x", 1) != 1)
            abort();
        finish(&r);
        is(c.got, 1, "%s: %s: the number's next file is heard", k, what);
    }
    close(fd);
    close(p[0]);
    close(p[1]);
}

static void closed(int s) {
    struct runner r;
    struct call c = {.fd = dup(s), .deadline = MN_FOREVER};
    start(&r, receive, &c);
    nap_ms(5);
    mn_close(c.fd);
    finish(&r);
    is(c.got, -EBADF, "%s: %s: who waits hears of the close", k, what);
}

#ifdef SO_PEEK_OFF
/* All has been looked at. */
static void looked(void) {
    int p[2], from = 0;
    what = "a look behind the end";
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, p) < 0 ||
        setsockopt(p[0], SOL_SOCKET, SO_PEEK_OFF, &from, sizeof from) < 0 || write(p[1], "ab", 2) != 2 ||
        recv(p[0], buffer, 2, MSG_PEEK) != 2)
        abort();
    struct runner r;
    struct call c = {.fd = p[0], .flags = MSG_PEEK, .deadline = MN_FOREVER};
    start(&r, receive, &c);
    sleeps("who looks");
    if (write(p[1], "cde", 3) != 3)
        abort();
    finish(&r);
    is(c.got, 3, "%s: %s: and sees what comes", k, what);
    c.deadline = after_ms(5);
    start(&r, receive, &c);
    finish(&r);
    is(c.got, -ETIMEDOUT, "%s: %s: a deadline is kept", k, what);
    close(p[0]);
    close(p[1]);
}
#endif

static void test(void) {
    k = kind_name[kind];
    what = "a socket of ours";
    int s = with_error();
    error_queue(s, s, 0);
    error_queue(s, s, -1);
    what = "a socket";
    int other = dup(s);
    /* Twice: both kinds of callers of a mixed test. */
    error_queue(s, other, 0);
    error_queue(s, other, -1);
    error_queue(s, other, MSG_PEEK);
    more_errors(other);
    two(s, other);
    reused(s);
    if (kind != FOREIGN) /* with a runtime */
        closed(s);
#ifdef SO_PEEK_OFF
    looked();
    looked();
#endif
    close(other);
    mn_close(s);
}

int main(void) {
    kinds(test);
    return done();
}
