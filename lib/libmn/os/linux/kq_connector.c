/*
 * kq_connector: what processes do, as the kernel tells it.
 *
 * The process connector (CONFIG_PROC_EVENTS) sends a netlink message for each fork, exec and exit of the
 * machine to whoever listens.  Before Linux 6.6 that takes CAP_NET_ADMIN.  A kqueue with notes that need it has
 * one socket for all of them, in its set; a filter in the kernel drops what is no event of a process (threads,
 * names, credentials), kq_proc.c what is nobody's.
 *
 * Only listeners in the first user and pid namespace are served, and the others are not told so: they would
 * wait for ever, or, if somebody else listens, get the numbers of another namespace.  So nobody is taken to be
 * connected before the answer to the request has come, which the kernel sends within the request's own system
 * call.
 *
 * Order.  The event of a fork comes before any of its child, since it is sent before the child runs; that of an
 * exit comes last.  When nobody reads and the socket is full, the kernel drops events, and says so once.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "clock.h"
#include "fault.h"
#include "feature.h"
#include "kq_linux.h"

enum {
    BODY = NLMSG_HDRLEN + sizeof(struct cn_msg), /* where an event begins, in a message */
    ROOM = 4 << 20,                              /* bytes: some thousand events */
};

#define AT(member) (uint32_t)(BODY + offsetof(struct proc_event, member))

/* Lets events of processes and answers pass.  A filter loads words as the network has them. */
static int set_filter(int fd) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, AT(what)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(PROC_EVENT_NONE), 11, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(PROC_EVENT_EXEC), 10, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl((uint32_t)PROC_EVENT_EXIT), 5, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(PROC_EVENT_FORK), 0, 9),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, AT(event_data.fork.child_pid)),
        BPF_STMT(BPF_MISC | BPF_TAX, 0),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, AT(event_data.fork.child_tgid)),
        BPF_STMT(BPF_JMP | BPF_JA, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, AT(event_data.exit.process_pid)),
        BPF_STMT(BPF_MISC | BPF_TAX, 0),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, AT(event_data.exit.process_tgid)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_X, 0, 0, 1), /* a thread's number is another than its process's */
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    return (int)sys(SYS_setsockopt, fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

/* The next message from the kernel: 1; 0: there is none; or a negative errno. */
static int receive(int fd, struct cn_msg *head, struct proc_event *e) {
    for (;;) {
        char message[BODY + sizeof *e] __attribute__((aligned(8)));
        struct sockaddr_nl from;
        int length = sizeof from;
        long n = fault("netlink")
                     ? -ENOBUFS
                     : sys(SYS_recvfrom, fd, message, sizeof message, MSG_DONTWAIT, &from, &length);
        if (n == -EINTR)
            continue;
        if (n < 0)
            return n == -EAGAIN ? 0 : (int)n;
        if (n < (long)sizeof message || from.nl_pid != 0)
            continue;
        memcpy(head, message + NLMSG_HDRLEN, sizeof *head);
        memcpy(e, message + BODY, sizeof *e);
        return 1;
    }
}

/* Asks to be told: 0; -ENOTSUP: there is no answer. */
static int listen_to_kernel(int fd) {
    struct sockaddr_nl all = {.nl_family = AF_NETLINK, .nl_groups = CN_IDX_PROC};
    struct nlmsghdr head = {.nlmsg_type = NLMSG_DONE};
    struct cn_msg body = {.id = {CN_IDX_PROC, CN_VAL_PROC}, .ack = (uint32_t)clock_now_ns()};
    enum proc_cn_mcast_op listen = PROC_CN_MCAST_LISTEN;
    char request[BODY + sizeof listen] __attribute__((aligned(8)));
    head.nlmsg_len = sizeof request;
    body.len = sizeof listen;
    memcpy(request, &head, sizeof head);
    memcpy(request + NLMSG_HDRLEN, &body, sizeof body);
    memcpy(request + BODY, &listen, sizeof listen);
    int room = ROOM, r = set_filter(fd);
    if (sys(SYS_setsockopt, fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) < 0)
        sys(SYS_setsockopt, fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    if (r < 0 || (r = (int)sys(SYS_bind, fd, &all, sizeof all)) < 0)
        return r;
    long n = sys(SYS_sendto, fd, request, sizeof request, 0, NULL, 0);
    if (n < 0)
        return (int)n;
    struct cn_msg answer;
    struct proc_event e;
    /* Other listeners' answers come here, too, and events. */
    while ((r = receive(fd, &answer, &e)) > 0)
        if (e.what == PROC_EVENT_NONE && answer.ack == body.ack + 1)
            return -(int)e.event_data.ack.err;
    return r < 0 ? r : -ENOTSUP;
}

static int open_connector(void) {
    if (!mni_feature(MNI_PROC_EVENTS))
        return -ENOTSUP;
    int fd = fault("socket") ? -EMFILE
                             : (int)sys(SYS_socket, AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
                                        NETLINK_CONNECTOR);
    int r = fd < 0 ? fd : listen_to_kernel(fd);
    if (r < 0 && fd >= 0)
        sys(SYS_close, fd);
    switch (r) {
    case 0:
        return fd;
    case -EMFILE:
    case -ENFILE:
    case -ENOMEM:
    case -ENOBUFS:
        return r;
    default: /* no such protocol, in this namespace; not permitted; nobody there */
        return -ENOTSUP;
    }
}

int mni_kq_connect(struct mni_kq *kq) {
    int r = kq->connector >= 0 ? 0 : kq_adopt(kq, &kq->connector, open_connector(), KQ_TAG(KQ_CONNECTOR));
    if (r == 0)
        kq->connected++;
    return r;
}

void mni_kq_disconnect(struct mni_kq *kq) {
    if (--kq->connected == 0 && kq->fd >= 0) {
        /* Out of the set first: a child that was forked meanwhile may have the socket, too. */
        kq_control(kq->fd, EPOLL_CTL_DEL, kq->connector, 0, 0);
        sys(SYS_close, kq->connector);
        kq->connector = -1;
    }
}

void mni_kq_connector_read(struct mni_kq *kq) {
    struct cn_msg head;
    struct proc_event e;
    int r;
    while (kq->connector >= 0 && (r = receive(kq->connector, &head, &e)) != 0) {
        if (r < 0) {
            if (r != -ENOBUFS)
                return;
            mni_kq_proc_lost(kq);
        } else if (e.what == PROC_EVENT_FORK) {
            mni_kq_proc_forked(kq, e.event_data.fork.parent_tgid, e.event_data.fork.child_tgid);
        } else if (e.what == PROC_EVENT_EXEC) {
            mni_kq_proc_executed(kq, e.event_data.exec.process_tgid);
        } else if (e.what == PROC_EVENT_EXIT) {
            mni_kq_proc_ended(kq, e.event_data.exit.process_tgid, (int)e.event_data.exit.exit_code);
        }
    }
}
