/* net.h: what the examples share: saying where one listens, and a thread for each connection. */
#ifndef EXAMPLE_NET_H
#define EXAMPLE_NET_H

#include <mn.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECONDS(n) mn_after((n) * 1000000000ll)

/* Ends the program with a message, if r is an error. */
static inline int check(int r, const char *what) {
    if (r < 0) {
        fprintf(stderr, "%s: %s\n", what, strerror(-r));
        exit(1);
    }
    return r;
}

/* Listens, and says on which port ("0": any free one).  host NULL: on all addresses. */
static inline int listen_on(const char *host, const char *port) {
    char address[128];
    int fd = check(mn_listen_tcp(host, port, 0), "listen");
    if (mn_net_local(fd, address, sizeof address) > 0) {
        printf("listening on port %s\n", strrchr(address, ':') + 1);
        fflush(stdout);
    }
    return fd;
}

/* Closes a connection, the last answer sent.  What still comes is read for a while: with unread bytes the connection is
 * reset, and the answer perhaps lost. */
static inline void hang_up(int fd) {
    char rest[4096];
    int64_t until = SECONDS(2);
    shutdown(fd, SHUT_WR);
    while (mn_read_until(fd, rest, sizeof rest, until) > 0)
        continue;
    mn_close(fd);
}

/* Runs fn in a thread for each connection, with its descriptor.  Returns when the listening socket fails. */
static inline int serve(int listener, void *(*fn)(void *fd)) {
    for (;;) {
        const int yes = 1;
        int fd = mn_accept(listener, NULL, NULL);
        if (fd == -EMFILE || fd == -ENFILE || fd == -ENOBUFS || fd == -ENOMEM) {
            mn_sleep(10000000); /* until some of the others have ended */
            continue;
        }
        if (fd < 0)
            return fd;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        if (mn_go(NULL, fn, (void *)(intptr_t)fd) < 0)
            mn_close(fd);
    }
}

#endif
