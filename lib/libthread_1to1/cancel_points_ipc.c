/* Cancellation points on sockets and message queues. */
#include "cancel_points.h"

#include <mqueue.h>
#include <sys/msg.h>
#include <sys/socket.h>

POINT(int, accept, (int fd, __SOCKADDR_ARG addr, socklen_t *len), (fd, addr, len),
      WINDOW3(SYS_accept, fd, addr.__sockaddr__, len))
POINT(int, accept4, (int fd, __SOCKADDR_ARG addr, socklen_t *len, int flags), (fd, addr, len, flags),
      WINDOW6(SYS_accept4, fd, addr.__sockaddr__, len, flags, 0, 0))
POINT(int, connect, (int fd, __CONST_SOCKADDR_ARG addr, socklen_t len), (fd, addr, len),
      WINDOW3(SYS_connect, fd, addr.__sockaddr__, len))
THR_ALIAS(__connect, connect);

#define RECVFROM(fd, buf, n, flags, addr, len) WINDOW6(SYS_recvfrom, fd, buf, n, flags, addr, len)
POINT(ssize_t, recv, (int fd, void *buf, size_t n, int flags), (fd, buf, n, flags),
      RECVFROM(fd, buf, n, flags, 0, 0))
POINT(ssize_t, recvfrom, (int fd, void *buf, size_t n, int flags, __SOCKADDR_ARG addr, socklen_t *len),
      (fd, buf, n, flags, addr, len), RECVFROM(fd, buf, n, flags, addr.__sockaddr__, len))
POINT_UNDECLARED(ssize_t, __recv_chk, (int fd, void *buf, size_t n, size_t size, int flags),
                 (fd, buf, n, size, flags), CHECKED(n <= size, RECVFROM(fd, buf, n, flags, 0, 0)))
POINT_UNDECLARED(ssize_t, __recvfrom_chk,
                 (int fd, void *buf, size_t n, size_t size, int flags, __SOCKADDR_ARG addr, socklen_t *len),
                 (fd, buf, n, size, flags, addr, len),
                 CHECKED(n <= size, RECVFROM(fd, buf, n, flags, addr.__sockaddr__, len)))
POINT(ssize_t, recvmsg, (int fd, struct msghdr *msg, int flags), (fd, msg, flags),
      WINDOW3(SYS_recvmsg, fd, msg, flags))
POINT(int, recvmmsg, (int fd, struct mmsghdr *msgs, unsigned n, int flags, struct timespec *timeout),
      (fd, msgs, n, flags, timeout), WINDOW6(SYS_recvmmsg, fd, msgs, n, flags, timeout, 0))

POINT(ssize_t, send, (int fd, const void *buf, size_t n, int flags), (fd, buf, n, flags),
      WINDOW6(SYS_sendto, fd, buf, n, flags, 0, 0))
THR_ALIAS(__send, send);
POINT(ssize_t, sendto, (int fd, const void *buf, size_t n, int flags, __CONST_SOCKADDR_ARG addr, socklen_t len),
      (fd, buf, n, flags, addr, len), WINDOW6(SYS_sendto, fd, buf, n, flags, addr.__sockaddr__, len))
POINT(ssize_t, sendmsg, (int fd, const struct msghdr *msg, int flags), (fd, msg, flags),
      WINDOW3(SYS_sendmsg, fd, msg, flags))
POINT(int, sendmmsg, (int fd, struct mmsghdr *msgs, unsigned n, int flags), (fd, msgs, n, flags),
      WINDOW6(SYS_sendmmsg, fd, msgs, n, flags, 0, 0))

/* ---- System V and POSIX message queues */

POINT(ssize_t, msgrcv, (int id, void *msg, size_t n, long type, int flags), (id, msg, n, type, flags),
      WINDOW6(SYS_msgrcv, id, msg, n, type, flags, 0))
POINT(int, msgsnd, (int id, const void *msg, size_t n, int flags), (id, msg, n, flags),
      WINDOW6(SYS_msgsnd, id, msg, n, flags, 0, 0))

POINT(ssize_t, mq_receive, (mqd_t q, char *msg, size_t n, unsigned *priority), (q, msg, n, priority),
      WINDOW6(SYS_mq_timedreceive, q, msg, n, priority, 0, 0))
POINT(ssize_t, mq_timedreceive,
      (mqd_t q, char *restrict msg, size_t n, unsigned *restrict priority,
       const struct timespec *restrict deadline),
      (q, msg, n, priority, deadline), WINDOW6(SYS_mq_timedreceive, q, msg, n, priority, deadline, 0))
POINT(int, mq_send, (mqd_t q, const char *msg, size_t n, unsigned priority), (q, msg, n, priority),
      WINDOW6(SYS_mq_timedsend, q, msg, n, priority, 0, 0))
POINT(int, mq_timedsend,
      (mqd_t q, const char *msg, size_t n, unsigned priority, const struct timespec *deadline),
      (q, msg, n, priority, deadline), WINDOW6(SYS_mq_timedsend, q, msg, n, priority, deadline, 0))
