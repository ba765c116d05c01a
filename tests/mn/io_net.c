/* Listening and dialling; addresses as text. */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "sync.h"

static int listener, accepted;

static void *accepts(void *arg) {
    (void)arg;
    accepted = mn_accept(listener, NULL, NULL);
    return NULL;
}

static char path[100], text[200], other[200];

/* Talks over the two; closes them. */
static void talk(int fd, const char *what) {
    char buffer[8];
    const char *k = kind_name[kind];
    ok(fd >= 0 && accepted >= 0, "%s: %s: connected (%d, %d)", k, what, fd, accepted);
    ok(mn_write(fd, "ping", 4) == 4 && mn_read(accepted, buffer, 8) == 4 &&
           mn_write(accepted, "pong!", 5) == 5 && mn_read(fd, buffer, 8) == 5,
       "%s: %s: both ways", k, what);
    mn_close(fd);
    mn_close(accepted);
}

static void tcp(const char *host, const char *dialled, const char *expected, bool can_be_missing) {
    const char *k = kind_name[kind];
    struct runner r;
    listener = mn_listen_tcp(host, "0", 0);
    if (can_be_missing && listener < 0)
        return skip("no IPv6 here");
    if (!ok(listener >= 0, "%s: listens at %s", k, host ? host : "all addresses"))
        return;
    int length = mn_net_local(listener, text, sizeof text);
    is(length, (long)strlen(text), "%s: has an address", k);
    ok(strncmp(text, expected, strlen(expected)) == 0, "%s: %s", k, text);
    const char *port = strrchr(text, ':') + 1;
    char service[16];
    strcpy(service, port);
    start(&r, accepts, NULL);
    int fd = mn_dial_tcp_until(dialled, service, after_ms(5000));
    finish(&r);
    mn_net_local(fd, text, sizeof text);
    mn_net_peer(accepted, other, sizeof other);
    ok(strcmp(strrchr(text, ':'), strrchr(other, ':')) == 0, "%s: one's peer is the other: %s", k, text);
    talk(fd, dialled);
    ok(mn_listen_tcp(host, service, 0) == -EADDRINUSE, "%s: the port is taken", k);
    mn_close(listener);
    ok((fd = mn_dial_tcp(dialled, service)) == -ECONNREFUSED, "%s: nobody listens any more", k);
    listener = mn_listen_tcp(host, service, 0);
    ok(listener >= 0, "%s: the port can be used again", k);
    mn_close(listener);
}

static void unix_socket(const char *name) {
    const char *k = kind_name[kind];
    struct runner r;
    listener = mn_listen_unix(name, 0);
    ok(listener >= 0, "%s: listens at %s", k, name);
    start(&r, accepts, NULL);
    int fd = mn_dial_unix(name);
    finish(&r);
    mn_net_peer(fd, text, sizeof text);
    ok(strcmp(text, name) == 0, "%s: its address is %s", k, text);
    is(mn_net_local(fd, text, sizeof text), 0, "%s: who dialled has none", k);
    talk(fd, name);
    is(mn_listen_unix(name, 0), -EADDRINUSE, "%s: somebody listens there", k);
    mn_close(listener);
    is(mn_dial_unix(name), -ECONNREFUSED, "%s: nobody does", k);
    listener = mn_listen_unix(name, 0);
    ok(listener >= 0, "%s: what is left is replaced", k);
    mn_close(listener);
}

static void test(void) {
    const char *k = kind_name[kind];
    struct runner r;
    tcp("127.0.0.1", "127.0.0.1", "127.0.0.1:", false);
    tcp("::1", "::1", "[::1]:", true);
    tcp(NULL, "127.0.0.1", "", false);
    tcp("0.0.0.0", "127.0.0.1", "0.0.0.0:", false);
    unix_socket(path);
    char name[64];
    snprintf(name, sizeof name, "@odonata-test-%d", (int)getpid());
    unix_socket(name);

    int server = mn_listen_udp("127.0.0.1", "0");
    mn_net_local(server, text, sizeof text);
    int client = mn_dial_udp("127.0.0.1", strchr(text, ':') + 1);
    char buffer[16];
    struct sockaddr_storage from;
    socklen_t size = sizeof from;
    is(mn_send(client, "question", 8, 0), 8, "%s: a datagram", k);
    is(mn_recvfrom(server, buffer, sizeof buffer, 0, (struct sockaddr *)&from, &size), 8, "%s: arrives", k);
    mn_net_text((struct sockaddr *)&from, size, text, sizeof text);
    mn_net_local(client, other, sizeof other);
    ok(strcmp(text, other) == 0, "%s: from %s", k, text);
    is(mn_sendto(server, "answer", 6, 0, (struct sockaddr *)&from, size), 6, "%s: an answer", k);
    is(mn_recv(client, buffer, 3, 0), 3, "%s: is cut off", k);
    is(mn_recv_until(client, buffer, 3, 0, after_ms(3)), -ETIMEDOUT, "%s: the rest is lost", k);
    is(mn_send(client, "", 0, 0), 0, "%s: an empty one", k);
    is(mn_recv(server, buffer, sizeof buffer, 0), 0, "%s: arrives, too", k);
    mn_close(client);
    mn_close(server);

    is(mn_dial_unix("/nowhere/at/all"), -ENOENT, "%s: no such path", k);
    is(mn_dial_unix(""), -EINVAL, "%s: no path", k);
    memset(buffer, 'x', sizeof buffer);
    char *too_long = calloc(1, 200);
    memset(too_long, 'x', 150);
    is(mn_listen_unix(too_long, 0), -ENAMETOOLONG, "%s: a path that is too long", k);
    free(too_long);
    ok(mn_dial_tcp("127.0.0.1", "no-such-service-at-all") < 0, "%s: no such service", k);
    is(mn_dial_tcp("127.0.0.1", ""), -EINVAL, "%s: no service", k);
    /* UndefinedBehaviorSanitizer sees what overflows. */
    ok(mn_dial_tcp_until(NULL, "1", INT64_MIN) < 0, "%s: no time, and two addresses", k);
    is(mn_dial_udp("127.0.0.1", NULL), -EINVAL, "%s: none at all", k);
    ok(mn_listen_tcp("192.0.2.1", "0", 0) == -EADDRNOTAVAIL, "%s: an address that is not ours", k);
    is(mn_net_local(-1, text, sizeof text), -EBADF, "%s: no descriptor", k);

    /* Blocking sockets that are not ours are connected and accepted without changing their flags. */
    int l = socket(AF_INET, SOCK_STREAM, 0), s = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    size = sizeof a;
    if (bind(l, (struct sockaddr *)&a, size) < 0 || listen(l, 5) < 0 ||
        getsockname(l, (struct sockaddr *)&a, &size) < 0)
        abort();
    listener = l;
    start(&r, accepts, NULL);
    nap_ms(3);
    is(mn_connect(s, (struct sockaddr *)&a, sizeof a), 0, "%s: a blocking socket is connected", k);
    finish(&r);
    talk(s, "blocking sockets");
    s = socket(AF_INET, SOCK_STREAM, 0);
    mn_close(l);
    is(mn_connect(s, (struct sockaddr *)&a, sizeof a), -ECONNREFUSED, "%s: and refused", k);
    mn_close(s);

    /* A Unix listener whose queue is full. */
    listener = mn_listen_unix(path, 1);
    int first[8], n = 0;
    while (n < 8 && (first[n] = mn_dial_unix_until(path, after_ms(5))) >= 0)
        n++;
    is(n < 8 ? first[n] : 0, -ETIMEDOUT, "%s: nobody accepts, after %d", k, n);
    while (n > 0)
        mn_close(first[--n]);
    mn_close(listener);
}

/* Several listeners at once, the ports of which the kernel chooses: each gets its own. */
enum { LISTENERS = 4, TIMES = 60 };
static int refused;

static void *listens(void *arg) {
    int fds[TIMES];
    for (int i = 0; i < TIMES; i++)
        if ((fds[i] = mn_listen_tcp(arg, "0", 1)) < 0 && fds[i] != -EAFNOSUPPORT)
            add(&refused, 1);
    for (int i = 0; i < TIMES; i++)
        mn_close(fds[i]);
    return NULL;
}

static void many(void) {
    struct runner r[LISTENERS];
    for (int i = 0; i < LISTENERS; i++)
        start(&r[i], listens, i % 2 ? "127.0.0.1" : NULL);
    for (int i = 0; i < LISTENERS; i++)
        finish(&r[i]);
    is(get(&refused), 0, "%s: %d listeners at ports of the kernel's choice", kind_name[kind],
       LISTENERS * TIMES);
}

int main(void) {
    snprintf(path, sizeof path, "%s/odonata-test-%d", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp",
             (int)getpid());
    kinds(test);
    kinds(many);
    unlink(path);
    return done();
}
