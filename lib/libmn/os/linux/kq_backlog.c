/*
 * kq_backlog: how many connections wait at a socket that listens.
 *
 * TCP says it in TCP_INFO.  A Unix socket says nothing by itself, but the kernel's sock_diag does, asked by the
 * number of its inode: three system calls more, 3 us, for each report.  It sees the sockets of the program's
 * network namespace only.  Of what is neither, or cannot be asked, one is known to wait.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "fault.h"
#include "kq_linux.h"

struct answer {
    struct nlmsghdr head;
    struct unix_diag_msg socket;
    struct rtattr attribute;
    struct unix_diag_rqlen length;
};

/* 0: unknown. */
static int64_t ask(int fd) {
    struct stat st;
    if (kq_stat(fd, &st) < 0)
        return 0;
    struct {
        struct nlmsghdr head;
        struct unix_diag_req socket;
    } request = {
        {.nlmsg_len = sizeof request, .nlmsg_type = SOCK_DIAG_BY_FAMILY, .nlmsg_flags = NLM_F_REQUEST},
        {.sdiag_family = AF_UNIX,
         .udiag_ino = (uint32_t)st.st_ino,
         .udiag_show = UDIAG_SHOW_RQLEN,
         .udiag_cookie = {~0u, ~0u}},
    };
    struct answer a;
    int s = fault("socket") ? -EMFILE
                            : (int)sys(SYS_socket, AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (s < 0)
        return 0;
    /* The answer lies there when the request has been made. */
    long n = sys(SYS_sendto, s, &request, sizeof request, 0, NULL, 0);
    if (n >= 0)
        n = sys(SYS_recvfrom, s, &a, sizeof a, MSG_DONTWAIT, NULL, NULL);
    sys(SYS_close, s);
    bool known =
        n == sizeof a && a.head.nlmsg_type == SOCK_DIAG_BY_FAMILY && a.attribute.rta_type == UNIX_DIAG_RQLEN;
    return known ? a.length.udiag_rqueue : 0;
}

int64_t mni_kq_backlog(int fd) {
    struct tcp_info info;
    socklen_t size = sizeof info;
    memset(&info, 0, sizeof info);
    /* Of a socket that listens, this is the number of connections that wait. */
    int64_t n = sys(SYS_getsockopt, fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 ? info.tcpi_unacked : ask(fd);
    return n > 0 ? n : 1;
}
