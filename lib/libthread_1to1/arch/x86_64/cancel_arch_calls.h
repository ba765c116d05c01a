/* System calls that not every architecture has, as windows: the same as the libc makes, for the sake of
 * sandboxes. */
#ifndef THR_ARCH_CANCEL_CALLS_H
#define THR_ARCH_CANCEL_CALLS_H

#define WINDOW_POLL(fds, n, timeout) WINDOW3(SYS_poll, fds, n, timeout)
#define WINDOW_EPOLL_WAIT(fd, events, n, timeout) WINDOW6(SYS_epoll_wait, fd, events, n, timeout, 0, 0)
#define WINDOW_CREAT(path, mode) WINDOW3(SYS_creat, path, mode, 0)
#define WINDOW_PAUSE() WINDOW3(SYS_pause, 0, 0, 0)

#endif
