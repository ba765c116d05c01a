/* net.h: what the examples share: listening, connecting, a thread for each connection. */
#ifndef EXAMPLE_NET_H
#define EXAMPLE_NET_H

#include <mn.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
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

/* A socket that listens on the first address that can be had; host NULL: on all.  Says on which port (0: any free one). */
static inline int listen_on(const char *host, const char *port) {
    struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM}, *list, *a;
    int r = mn_getaddrinfo(host, port, &hints, &list);
    if (r < 0)
        return r;
    r = -ENOENT;
    for (a = list; a && r < 0; a = a->ai_next) {
        const int yes = 1;
        if ((r = mn_socket(a->ai_family, a->ai_socktype, a->ai_protocol)) < 0)
            continue;
        setsockopt(r, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
        if (bind(r, a->ai_addr, a->ai_addrlen) < 0 || listen(r, SOMAXCONN) < 0) {
            int error = errno;
            mn_close(r);
            r = -error;
        }
    }
    freeaddrinfo(list);
    struct sockaddr_storage own;
    socklen_t length = sizeof own;
    char number[8] = "?";
    if (r >= 0 && getsockname(r, (struct sockaddr *)&own, &length) == 0)
        mn_getnameinfo((struct sockaddr *)&own, length, NULL, 0, number, sizeof number, NI_NUMERICHOST | NI_NUMERICSERV);
    if (r >= 0) {
        printf("listening on port %s\n", number);
        fflush(stdout);
    }
    return r;
}

/* A connection to the first address that answers. */
static inline int dial(const char *host, const char *port, int64_t deadline) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
    int r = mn_getaddrinfo_until(host, port, &hints, &list, deadline), fd = -1;
    if (r < 0)
        return r;
    r = -ENOENT;
    for (struct addrinfo *a = list; a; a = a->ai_next) {
        if ((r = fd = mn_socket(a->ai_family, a->ai_socktype, a->ai_protocol)) < 0)
            continue;
        if ((r = mn_connect_until(fd, a->ai_addr, a->ai_addrlen, deadline)) == 0)
            break;
        mn_close(fd);
    }
    freeaddrinfo(list);
    return r < 0 ? r : fd;
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
