/*
 * net_unix: Unix sockets by path, and addresses as text.
 *
 * A socket's file outlives its listener, and bind refuses it then.  Whether somebody listens there is told by
 * connecting: refused means nobody, and the file is removed and bound anew.  Two programs that do so at the
 * same moment may remove each other's.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <mn/io.h>
#include <mn/net.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "export.h"
#include "fault.h"
#include "freed.h"
#include "sys.h"

enum { BACKLOG = 4096, AT_CWD = -100 };

/* The length; -ENAMETOOLONG, -EINVAL. */
static int address_of(const char *path, struct sockaddr_un *a) {
    size_t n = path ? strlen(path) : 0;
    if (n == 0)
        return -EINVAL;
    if (n >= sizeof a->sun_path)
        return -ENAMETOOLONG;
    *a = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(a->sun_path, path, n);
    if (path[0] == '@') {
        a->sun_path[0] = '\0';
        return (int)(offsetof(struct sockaddr_un, sun_path) + n);
    }
    return (int)(offsetof(struct sockaddr_un, sun_path) + n + 1);
}

static bool nobody_listens(const struct sockaddr_un *a, int length) {
    int fd = mn_socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0)
        return false;
    long r = fault("connect") ? -ENOBUFS : sys(SYS_connect, fd, a, length);
    mn_close(fd);
    return r == -ECONNREFUSED;
}

MN_EXPORT int mn_listen_unix(const char *path, int backlog) {
    struct sockaddr_un a;
    int length = address_of(path, &a);
    int fd = length < 0 ? length : mn_socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0)
        return fd;
    int r = fault("bind") ? -ENOBUFS : (int)sys(SYS_bind, fd, &a, length);
    if (r == -EADDRINUSE && a.sun_path[0] && nobody_listens(&a, length)) {
        sys(SYS_unlinkat, AT_CWD, a.sun_path, 0);
        r = (int)sys(SYS_bind, fd, &a, length);
    }
    if (r == 0)
        r = fault("listen") ? -ENOBUFS : (int)sys(SYS_listen, fd, backlog > 0 ? backlog : BACKLOG);
    if (r == 0)
        return fd;
    mn_close(fd);
    return r;
}

MN_EXPORT int mn_dial_unix_until(const char *path, int64_t deadline) {
    struct sockaddr_un a;
    int length = address_of(path, &a);
    int fd MNI_CLOSED = length < 0 ? length : mn_socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0)
        return fd;
    int r = mn_connect_until(fd, (const struct sockaddr *)&a, (socklen_t)length, deadline);
    return r < 0 ? r : mni_kept(&fd);
}

MN_EXPORT int mn_dial_unix(const char *path) {
    return mn_dial_unix_until(path, MN_FOREVER);
}

/* ---- text */

/* As much as fits. */
static int give(const char *from, size_t n, char *text, size_t size) {
    if (size == 0)
        return -EINVAL;
    size_t fits = n < size ? n : size - 1;
    memcpy(text, from, fits);
    text[fits] = '\0';
    return (int)n;
}

MN_EXPORT int mn_net_text(const struct sockaddr *address, socklen_t length, char *text, size_t size) {
    char host[INET6_ADDRSTRLEN], all[sizeof(struct sockaddr_un) + 1];
    struct sockaddr_un u;
    struct sockaddr_in6 six;
    struct sockaddr_in four;
    if (length < sizeof address->sa_family)
        return -EINVAL;
    switch (address->sa_family) {
    case AF_INET:
        if (length < sizeof four)
            return -EINVAL;
        memcpy(&four, address, sizeof four);
        inet_ntop(AF_INET, &four.sin_addr, host, sizeof host);
        snprintf(all, sizeof all, "%s:%u", host, ntohs(four.sin_port));
        return give(all, strlen(all), text, size);
    case AF_INET6:
        if (length < sizeof six)
            return -EINVAL;
        memcpy(&six, address, sizeof six);
        inet_ntop(AF_INET6, &six.sin6_addr, host, sizeof host);
        if (six.sin6_scope_id)
            snprintf(all, sizeof all, "[%s%%%u]:%u", host, six.sin6_scope_id, ntohs(six.sin6_port));
        else
            snprintf(all, sizeof all, "[%s]:%u", host, ntohs(six.sin6_port));
        return give(all, strlen(all), text, size);
    case AF_UNIX: {
        size_t head = offsetof(struct sockaddr_un, sun_path), n = length > head ? length - head : 0;
        memset(&u, 0, sizeof u);
        memcpy(&u, address, length < sizeof u ? length : sizeof u);
        n = n < sizeof u.sun_path ? n : sizeof u.sun_path;
        if (n == 0)
            return give("", 0, text, size);
        memcpy(all, u.sun_path, n);
        if (all[0] == '\0')
            all[0] = '@';
        else
            n = strnlen(all, n);
        return give(all, n, text, size);
    }
    default:
        return -EAFNOSUPPORT;
    }
}

static int name_of(long nr, int fd, char *text, size_t size) {
    struct sockaddr_storage a;
    memset(&a, 0, sizeof a);
    socklen_t length = sizeof a;
    int r = (int)sys(nr, fd, &a, &length);
    return r < 0 ? r : mn_net_text((const struct sockaddr *)&a, length, text, size);
}

MN_EXPORT int mn_net_local(int fd, char *text, size_t size) {
    return name_of(SYS_getsockname, fd, text, size);
}

MN_EXPORT int mn_net_peer(int fd, char *text, size_t size) {
    return name_of(SYS_getpeername, fd, text, size);
}
