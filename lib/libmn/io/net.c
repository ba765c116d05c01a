/*
 * net: listeners and connections by name.
 *
 * Dialling tries one address after the other.  Each has its share of what time is left, so that one that does
 * not answer (a host whose IPv6 goes nowhere) leaves time for the next; trying several at once would be faster
 * then, at the price of connections that are opened to be closed.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <errno.h>
#include <mn/cancel.h>
#include <mn/io.h>
#include <mn/net.h>
#include <mn/resolve.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>

#include "export.h"
#include "fault.h"
#include "freed.h"
#include "sys.h"

enum { SHARE_LEAST_NS = 250000000, BACKLOG = 4096 };

static int set(int fd, int level, int name, int value) {
    return fault("setsockopt") ? -ENOBUFS : (int)sys(SYS_setsockopt, fd, level, name, &value, sizeof value);
}

static int look_up(const char *host, const char *service, int type, int flags, struct addrinfo **list,
                   int64_t deadline) {
    struct addrinfo hints = {.ai_flags = flags, .ai_socktype = type, .ai_family = AF_UNSPEC};
    *list = NULL;
    return mn_getaddrinfo_until(host, service ? service : "0", &hints, list, deadline);
}

/* ---- listening */

static int listen_at(const struct addrinfo *a, int backlog, bool both) {
    int fd = mn_socket(a->ai_family, a->ai_socktype, a->ai_protocol);
    if (fd < 0)
        return fd;
    int r = 0;
    if (a->ai_family == AF_INET6)
        r = set(fd, IPPROTO_IPV6, IPV6_V6ONLY, !both);
    if (r == 0 && a->ai_socktype == SOCK_STREAM)
        r = set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (r == 0)
        r = fault("bind") ? -ENOBUFS : (int)sys(SYS_bind, fd, a->ai_addr, a->ai_addrlen);
    if (r == 0 && a->ai_socktype == SOCK_STREAM)
        r = fault("listen") ? -ENOBUFS : (int)sys(SYS_listen, fd, backlog > 0 ? backlog : BACKLOG);
    if (r == 0)
        return fd;
    mn_close(fd);
    return r;
}

static int listen_any(const char *host, const char *service, int type, int backlog) {
    struct addrinfo *list;
    int r = look_up(host, service, type, AI_PASSIVE, &list, MN_FOREVER), first = -ENOENT;
    if (r < 0)
        return r;
    /* Without a host: IPv6 first, which takes both; where there is none, IPv4. */
    for (int pass = host ? 1 : 0, n = 0; pass < 2; pass++)
        for (const struct addrinfo *a = list; a; a = a->ai_next) {
            if (!host && (a->ai_family == AF_INET6) != (pass == 0))
                continue;
            r = listen_at(a, backlog, !host);
            if (n++ == 0 || r >= 0)
                first = r;
            if (r >= 0 || r == -EADDRINUSE)
                goto out;
        }
out:
    freeaddrinfo(list);
    return first;
}

MN_EXPORT int mn_listen_tcp(const char *host, const char *service, int backlog) {
    return listen_any(host, service, SOCK_STREAM, backlog);
}

MN_EXPORT int mn_listen_udp(const char *host, const char *service) {
    return listen_any(host, service, SOCK_DGRAM, 0);
}

/* ---- dialling */

static int dial_at(const struct addrinfo *a, int64_t deadline) {
    int fd MNI_CLOSED = mn_socket(a->ai_family, a->ai_socktype, a->ai_protocol);
    if (fd < 0)
        return fd;
    int r = mn_connect_until(fd, a->ai_addr, a->ai_addrlen, deadline);
    if (r < 0)
        return r;
    if (a->ai_socktype == SOCK_STREAM)
        set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    return mni_kept(&fd);
}

static void drop_list(struct addrinfo **list) {
    if (*list)
        freeaddrinfo(*list);
}

static int dial(const char *host, const char *service, int type, int64_t deadline) {
    struct addrinfo *list __attribute__((cleanup(drop_list))) = NULL;
    if (!service || !*service)
        return -EINVAL;
    int r = look_up(host, service, type, 0, &list, deadline), first = 0, left = 0;
    if (r < 0)
        return r;
    for (const struct addrinfo *a = list; a; a = a->ai_next)
        left++;
    for (const struct addrinfo *a = list; a; a = a->ai_next, left--) {
        int64_t until = deadline;
        if (deadline != MN_FOREVER && left > 1) {
            int64_t now = mn_now(), share = deadline > now ? (deadline - now) / left : 0;
            until = now + (share > SHARE_LEAST_NS ? share : SHARE_LEAST_NS);
            until = until < deadline ? until : deadline;
        }
        r = dial_at(a, until);
        if (first == 0 || r >= 0 || r == -ECANCELED)
            first = r;
        if (r >= 0 || r == -ECANCELED || (r == -ETIMEDOUT && mn_now() >= deadline))
            break;
    }
    return first;
}

MN_EXPORT int mn_dial_tcp_until(const char *host, const char *service, int64_t deadline) {
    return dial(host, service, SOCK_STREAM, deadline);
}

MN_EXPORT int mn_dial_tcp(const char *host, const char *service) {
    return dial(host, service, SOCK_STREAM, MN_FOREVER);
}

MN_EXPORT int mn_dial_udp_until(const char *host, const char *service, int64_t deadline) {
    return dial(host, service, SOCK_DGRAM, deadline);
}

MN_EXPORT int mn_dial_udp(const char *host, const char *service) {
    return dial(host, service, SOCK_DGRAM, MN_FOREVER);
}
