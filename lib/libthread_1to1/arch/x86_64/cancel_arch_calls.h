/* System calls that not every architecture has, as windows. */
#ifndef THR_ARCH_CANCEL_CALLS_H
#define THR_ARCH_CANCEL_CALLS_H

#define WINDOW_POLL(fds, n, timeout) WINDOW3(SYS_poll, fds, n, timeout)
#define WINDOW_PAUSE() WINDOW3(SYS_pause, 0, 0, 0)

#endif
