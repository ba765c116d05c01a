/*
 * mn/net.h: listening and dialling: TCP, UDP, Unix sockets; IPv4 and IPv6.
 *
 * What they return are descriptors of ours (mn/io.h), or a negative errno: of the look-up (mn/resolve.h:
 * -ENOENT, there is no such host; -EPROTONOSUPPORT, no such service; ...), of socket(2), bind(2), listen(2),
 * connect(2); -ETIMEDOUT, -ECANCELED.  A host is a name or an address ("::1", "127.0.0.1"), a service a name or
 * a number ("http", "80").
 */
#ifndef MN_NET_H
#define MN_NET_H

#include <mn/time.h>
#include <stddef.h>
#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Listens for connections.  host NULL: on every address, by IPv6 and IPv4 with one socket ("0.0.0.0": by IPv4
 * alone, "::": by IPv6 alone); otherwise on the first of the host's addresses that works.  service "0" or NULL:
 * a free port (mn_net_local says which).  A port whose last listener has gone can be used again at once.
 * backlog 0: what the system has.  Contexts: any.
 */
int mn_listen_tcp(const char *host, const char *service, int backlog);

/*
 * Connects.  The host's addresses are tried in turn, in the order of getaddrinfo, each for its share of the
 * time that is left (a quarter of a second at least), the last for all of it; without a deadline each for as
 * long as the system does.  The first that answers is taken; if none does, the error is that of the first.
 * Nagle's algorithm is switched off (TCP_NODELAY).  host NULL: this machine.  -EINVAL: no service.  Contexts:
 * any.
 */
int mn_dial_tcp(const char *host, const char *service);
int mn_dial_tcp_until(const char *host, const char *service, int64_t deadline);

/* A UDP socket that receives at an address (as mn_listen_tcp); one that sends to and receives from one peer.
 * Contexts: any. */
int mn_listen_udp(const char *host, const char *service);
int mn_dial_udp(const char *host, const char *service);
int mn_dial_udp_until(const char *host, const char *service, int64_t deadline);

/*
 * Unix stream sockets.  A path that begins with '@' is a name without a file (Linux).  A socket's file that
 * nobody listens at any more is replaced; one that somebody listens at is -EADDRINUSE.  The file stays when the
 * listener is closed.
 *   -ENAMETOOLONG   the path has more than 107 bytes
 * Contexts: any.
 */
int mn_listen_unix(const char *path, int backlog);
int mn_dial_unix(const char *path);
int mn_dial_unix_until(const char *path, int64_t deadline);

/*
 * The local address of a socket, or its peer's, as text: "127.0.0.1:80", "[::1]:80", "/path", "@name", "" for a
 * Unix socket without a name.  Returns the length; text is cut off at size - 1 bytes, and always terminated.
 * Contexts: any.
 *   -ENOTCONN, -ENOTSOCK, -EBADF;  -EAFNOSUPPORT: an address of another family
 */
int mn_net_local(int fd, char *text, size_t size);
int mn_net_peer(int fd, char *text, size_t size);
/* The same of an address that mn_accept or mn_recvfrom gave. */
int mn_net_text(const struct sockaddr *address, socklen_t length, char *text, size_t size);

#ifdef __cplusplus
}
#endif

#endif
