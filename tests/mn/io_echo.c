/* An echo server in blocking style: many connections, small and large messages, all bytes come back. */
#include <errno.h>
#include <mn.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

#include "tap.h"

enum { CONNECTIONS = 50, ROUNDS = 40, LARGE = 300000 };

static int listener;
static struct sockaddr_in where;

static void *serve(void *arg) {
    int fd = (int)(intptr_t)arg;
    char buffer[4096];
    ssize_t n;
    while ((n = mn_recv(fd, buffer, sizeof buffer, 0)) > 0)
        if (mn_write_all(fd, buffer, (size_t)n) != n)
            break;
    mn_close(fd);
    return (void *)(intptr_t)n;
}

static void *accepting(void *arg) {
    (void)arg;
    int fd;
    while ((fd = mn_accept(listener, NULL, NULL)) >= 0)
        mn_go(NULL, serve, (void *)(intptr_t)fd);
    return (void *)(intptr_t)fd;
}

static int dial(void) {
    int fd = mn_socket(AF_INET, SOCK_STREAM, 0);
    int r = mn_connect(fd, (struct sockaddr *)&where, sizeof where);
    if (r < 0) {
        mn_close(fd);
        return r;
    }
    return fd;
}

static uint64_t wrong, served;

static void *ask(void *arg) {
    unsigned id = (unsigned)(uintptr_t)arg;
    int fd = dial();
    if (fd < 0) {
        __sync_add_and_fetch(&wrong, 1);
        return NULL;
    }
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned out[16], in[16];
        for (unsigned k = 0; k < 16; k++)
            out[k] = id * 1000003 + i * 101 + k;
        if (mn_write_all(fd, out, sizeof out) != sizeof out || mn_read_all(fd, in, sizeof in) != sizeof in ||
            memcmp(in, out, sizeof in))
            __sync_add_and_fetch(&wrong, 1);
        else
            __sync_add_and_fetch(&served, 1);
    }
    mn_close(fd);
    return NULL;
}

static void *push(void *arg) {
    int fd = (int)(intptr_t)arg;
    static unsigned char block[LARGE];
    for (unsigned i = 0; i < LARGE; i++)
        block[i] = (unsigned char)(i * 7 + i / 251);
    return (void *)mn_write_all(fd, block, LARGE);
}

static int run(void *arg) {
    (void)arg;
    listener = mn_socket(AF_INET, SOCK_STREAM, 0);
    socklen_t size = sizeof where;
    where = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (!ok(bind(listener, (struct sockaddr *)&where, size) == 0 && listen(listener, 128) == 0, "a listener"))
        return 1;
    getsockname(listener, (struct sockaddr *)&where, &size);
    mn_thread acceptor, asking[CONNECTIONS];
    mn_go(&acceptor, accepting, NULL);
    for (uintptr_t i = 0; i < CONNECTIONS; i++)
        mn_go(&asking[i], ask, (void *)i);
    for (unsigned i = 0; i < CONNECTIONS; i++)
        mn_join(asking[i], NULL);
    is((long)wrong, 0, "nothing was wrong");
    is((long)served, CONNECTIONS * ROUNDS, "all messages came back");

    /* More than the kernel holds: both directions have to wait for each other. */
    int fd = dial();
    mn_thread pusher;
    mn_go(&pusher, push, (void *)(intptr_t)fd);
    unsigned char piece[1000];
    unsigned got = 0;
    int good = 1;
    while (got < LARGE) {
        ssize_t n = mn_read(fd, piece, sizeof piece);
        if (n <= 0)
            break;
        for (ssize_t i = 0; i < n; i++, got++)
            good &= piece[i] == (unsigned char)(got * 7 + got / 251);
    }
    void *sent;
    mn_join(pusher, &sent);
    ok(good && got == LARGE && (intptr_t)sent == LARGE, "a large message came back whole");
    is(mn_read_until(fd, piece, sizeof piece, mn_after(1000000)), -ETIMEDOUT,
       "then nothing comes, until the deadline");
    mn_close(fd);

    void *result;
    is(mn_close(listener), 0, "the listener is closed");
    is(mn_join(acceptor, &result), 0, "its thread ends");
    is((intptr_t)result, -EBADF, "since the listener was closed");
    return 0;
}

int main(void) {
    int r = mn_run(run, NULL, NULL);
    return done() || r;
}
