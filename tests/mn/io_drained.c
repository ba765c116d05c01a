/*
 * Calls on descriptors of ours in which nothing is left, or no room, as the runtime knows: those whose answer
 * has nothing to do with that must be made all the same.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <mn/net.h>

#include "sync.h"

static char buffer[65536];
static const char *k;

/* Calls for sockets say of a pipe what they always say. */
static void pipes(void) {
    int p[2];
    if (mn_pipe(p) < 0)
        abort();
    is(mn_read_until(p[0], buffer, 1, 1), -ETIMEDOUT, "%s: a pipe with nothing in it", k);
    is(mn_recv_until(p[0], buffer, 1, 0, after_ms(50)), -ENOTSOCK, "%s: is no socket for mn_recv", k);
    is(mn_recv_until(p[0], buffer, 1, MSG_PEEK, after_ms(50)), -ENOTSOCK, "%s: with flags", k);
    struct iovec part = {buffer, 1};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
    is(mn_recvmsg_until(p[0], &m, 0, after_ms(50)), -ENOTSOCK, "%s: for mn_recvmsg", k);
    is(mn_accept_until(p[0], NULL, NULL, after_ms(50)), -ENOTSOCK, "%s: for mn_accept", k);
    while (mn_write_until(p[1], buffer, sizeof buffer, 1) > 0)
        continue;
    is(mn_send_until(p[1], "x", 1, 0, after_ms(50)), -ENOTSOCK, "%s: and a full one is none for mn_send", k);
    is(mn_sendto_until(p[1], "x", 1, 0, NULL, 0, after_ms(50)), -ENOTSOCK, "%s: for mn_sendto", k);
    is(mn_sendmsg_until(p[1], &m, 0, after_ms(50)), -ENOTSOCK, "%s: for mn_sendmsg", k);
    mn_close(p[0]);
    mn_close(p[1]);
}

static ssize_t errors(int fd) {
    char control[256];
    struct iovec part = {buffer, sizeof buffer};
    struct msghdr m = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    return mn_recvmsg_until(fd, &m, MSG_ERRQUEUE, after_ms(5000));
}

/* The queue of errors: a datagram that nobody took is in it. */
static void error_queue(void) {
    char address[64];
    int yes = 1, nobody = mn_listen_udp("127.0.0.1", "0");
    if (mn_net_local(nobody, address, sizeof address) < 0)
        abort();
    int s = mn_dial_udp("127.0.0.1", strrchr(address, ':') + 1);
    mn_close(nobody);
    if (s < 0 || setsockopt(s, IPPROTO_IP, IP_RECVERR, &yes, sizeof yes) < 0)
        abort();
    is(errors(s), -EAGAIN, "%s: a queue of errors without one is not waited for", k);
    is(mn_send(s, "lost", 4, 0), 4, "%s: a datagram for nobody", k);
    is(mn_recv_until(s, buffer, 1, 0, after_ms(5000)), -ECONNREFUSED, "%s: is refused", k);
    is(mn_recv_until(s, buffer, 1, 0, 1), -ETIMEDOUT, "%s: and nothing else is there", k);
    is(errors(s), 4, "%s: but in the queue of errors", k);
    mn_close(s);

    int a = mn_listen_udp("127.0.0.1", "0");
    if (mn_net_local(a, address, sizeof address) < 0)
        abort();
    int b = mn_dial_udp("127.0.0.1", strrchr(address, ':') + 1);
    is(mn_send(b, "datagram", 8, 0), 8, "%s: a datagram", k);
    is(mn_wait_readable(a), 0, "%s: has come", k);
    is(errors(a), -EAGAIN, "%s: which is no error", k);
    is(mn_recv_until(a, buffer, sizeof buffer, 0, after_ms(5000)), 8,
       "%s: and is still there after a look for one", k);
    mn_close(a);
    mn_close(b);
}

static void urgent(void) {
    char address[64];
    int l = mn_listen_tcp("127.0.0.1", "0", 0);
    if (mn_net_local(l, address, sizeof address) < 0)
        abort();
    int a = mn_dial_tcp("127.0.0.1", strrchr(address, ':') + 1), b = mn_accept(l, NULL, NULL);
    is(mn_recv_until(b, buffer, 1, 0, 1), -ETIMEDOUT, "%s: a connection on which nothing has come", k);
    is(mn_recv_until(b, buffer, 1, MSG_OOB, after_ms(50)), -EINVAL, "%s: has no urgent byte", k);
    is(mn_send(a, "!", 1, MSG_OOB), 1, "%s: one is sent", k);
    struct pollfd p = {.fd = b, .events = POLLPRI};
    is(mn_poll_until(&p, 1, after_ms(5000)), 1, "%s: mn_poll waits for it", k);
    is(mn_recv_until(b, buffer, 1, MSG_OOB, after_ms(5000)), 1, "%s: and can be taken", k);
    mn_close(a);
    mn_close(b);
    mn_close(l);
}

static void test(void) {
    k = kind_name[kind];
    pipes();
    error_queue();
    urgent();
}

int main(void) {
    kinds(test);
    return done();
}
