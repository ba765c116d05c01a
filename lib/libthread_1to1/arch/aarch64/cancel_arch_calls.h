/* System calls that not every architecture has, as windows. */
#ifndef THR_ARCH_CANCEL_CALLS_H
#define THR_ARCH_CANCEL_CALLS_H

#include <fcntl.h>
#include <poll.h>
#include <time.h>

/* Here the kernel has only ppoll. */
static inline long window_poll_ms(struct pollfd *fds, nfds_t n, int ms) {
    struct timespec timeout = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    return WINDOW6(SYS_ppoll, fds, n, ms < 0 ? NULL : &timeout, 0, 0, 0);
}
#define WINDOW_POLL(fds, n, timeout) window_poll_ms(fds, n, timeout)
#define WINDOW_EPOLL_WAIT(fd, events, n, timeout) WINDOW6(SYS_epoll_pwait, fd, events, n, timeout, 0, 8)
#define WINDOW_CREAT(path, mode) WINDOW6(SYS_openat, AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode, 0, 0)
#define WINDOW_PAUSE() WINDOW6(SYS_ppoll, 0, 0, 0, 0, 0, 0)

#endif
