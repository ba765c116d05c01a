/* Cancellation points that wait: for descriptors, children, signals, time. */
#include "cancel_points.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cancel_arch_calls.h"

/* ---- descriptors */

/* The kernel writes the time left into ppoll's and pselect6's argument; the functions leave the caller's. */
#define COPY_TIMEOUT(timeout, copy)                                                                          \
    struct timespec copy;                                                                                    \
    if (timeout)                                                                                             \
    copy = *timeout

POINT(int, poll, (struct pollfd * fds, nfds_t n, int timeout), (fds, n, timeout), WINDOW_POLL(fds, n, timeout))
THR_ALIAS(__poll, poll);
POINT_UNDECLARED(int, __poll_chk, (struct pollfd * fds, nfds_t n, int timeout, size_t size),
                 (fds, n, timeout, size), CHECKED(size / sizeof *fds >= n, WINDOW_POLL(fds, n, timeout)))

static long window_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *set) {
    COPY_TIMEOUT(timeout, left);
    struct short_sigset mask;
    return WINDOW6(SYS_ppoll, fds, n, timeout ? &left : NULL, public_signals(set, &mask), SIGSET_BYTES, 0);
}
POINT(int, ppoll, (struct pollfd * fds, nfds_t n, const struct timespec *timeout, const sigset_t *set),
      (fds, n, timeout, set), window_ppoll(fds, n, timeout, set))
POINT_UNDECLARED(int, __ppoll_chk,
                 (struct pollfd * fds, nfds_t n, const struct timespec *timeout, const sigset_t *set,
                  size_t size),
                 (fds, n, timeout, set, size),
                 CHECKED(size / sizeof *fds >= n, window_ppoll(fds, n, timeout, set)))

struct pselect_mask {
    const void *set;
    size_t size;
};
static long window_pselect(int n, fd_set *r, fd_set *w, fd_set *x, const struct timespec *timeout,
                           const sigset_t *set) {
    COPY_TIMEOUT(timeout, left);
    struct short_sigset mask;
    struct pselect_mask arg = {public_signals(set, &mask), SIGSET_BYTES};
    return WINDOW6(SYS_pselect6, n, r, w, x, timeout ? &left : NULL, &arg);
}
POINT(int, pselect,
      (int n, fd_set *r, fd_set *w, fd_set *x, const struct timespec *timeout, const sigset_t *set),
      (n, r, w, x, timeout, set), window_pselect(n, r, w, x, timeout, set))

/* select takes microseconds beyond a second, and tells the caller the time left. */
NEXT_POINT(select);
THR_EXPORT int select(int n, fd_set *r, fd_set *w, fd_set *x, struct timeval *timeout) {
    FORWARD(int, select, (int, fd_set *, fd_set *, fd_set *, struct timeval *), (n, r, w, x, timeout));
    struct timespec left;
    if (timeout) {
        if (timeout->tv_sec < 0 || timeout->tv_usec < 0) {
            errno = EINVAL;
            return -1;
        }
        left.tv_nsec = timeout->tv_usec % 1000000 * 1000;
        if (__builtin_add_overflow(timeout->tv_sec, timeout->tv_usec / 1000000, &left.tv_sec)) {
            left.tv_sec = (time_t)(~0ul >> 1);
            left.tv_nsec = 999999999;
        }
    }
    long result = WINDOW6(SYS_pselect6, n, r, w, x, timeout ? &left : NULL, NULL);
    if (timeout) {
        timeout->tv_sec = left.tv_sec;
        timeout->tv_usec = left.tv_nsec / 1000;
    }
    return (int)point_result(result);
}
THR_ALIAS(__select, select);

POINT(int, epoll_wait, (int fd, struct epoll_event *events, int n, int timeout), (fd, events, n, timeout),
      WINDOW_EPOLL_WAIT(fd, events, n, timeout))
static long window_epoll_pwait(int fd, struct epoll_event *events, int n, int timeout, const sigset_t *set) {
    struct short_sigset mask;
    return WINDOW6(SYS_epoll_pwait, fd, events, n, timeout, public_signals(set, &mask), SIGSET_BYTES);
}
POINT(int, epoll_pwait, (int fd, struct epoll_event *events, int n, int timeout, const sigset_t *set),
      (fd, events, n, timeout, set), window_epoll_pwait(fd, events, n, timeout, set))
#ifdef SYS_epoll_pwait2
static long window_epoll_pwait2(int fd, struct epoll_event *events, int n, const struct timespec *timeout,
                                const sigset_t *set) {
    struct short_sigset mask;
    return WINDOW6(SYS_epoll_pwait2, fd, events, n, timeout, public_signals(set, &mask), SIGSET_BYTES);
}
POINT(int, epoll_pwait2,
      (int fd, struct epoll_event *events, int n, const struct timespec *timeout, const sigset_t *set),
      (fd, events, n, timeout, set), window_epoll_pwait2(fd, events, n, timeout, set))
#endif

/* ---- children */

POINT(pid_t, wait4, (pid_t pid, int *status, int options, struct rusage *usage), (pid, status, options, usage),
      WINDOW6(SYS_wait4, pid, status, options, usage, 0, 0))
POINT(pid_t, wait3, (int *status, int options, struct rusage *usage), (status, options, usage),
      WINDOW6(SYS_wait4, -1, status, options, usage, 0, 0))
POINT(pid_t, waitpid, (pid_t pid, int *status, int options), (pid, status, options),
      WINDOW6(SYS_wait4, pid, status, options, 0, 0, 0))
POINT(pid_t, wait, (int *status), (status), WINDOW6(SYS_wait4, -1, status, 0, 0, 0, 0))
THR_ALIAS(__waitpid, waitpid);
THR_ALIAS(__wait, wait);
POINT(int, waitid, (idtype_t type, id_t id, siginfo_t *info, int options), (type, id, info, options),
      WINDOW6(SYS_waitid, type, id, info, options, 0, 0))

/* ---- signals */

POINT(int, pause, (void), (), WINDOW_PAUSE())

static long window_sigsuspend(const sigset_t *set) {
    struct short_sigset mask;
    return WINDOW3(SYS_rt_sigsuspend, public_signals(set, &mask), SIGSET_BYTES, 0);
}
POINT(int, sigsuspend, (const sigset_t *set), (set), window_sigsuspend(set))
THR_ALIAS(__sigsuspend, sigsuspend);

/* The older forms: a mask of the first 32 signals, or one signal to be let through. */
static long sigpause_mask(int mask) {
    sigset_t set;
    sigemptyset(&set);
    *(uint64_t *)(void *)&set = (uint32_t)mask;
    return window_sigsuspend(&set);
}
static long sigpause_signal(int sig) {
    sigset_t set;
    pthread_sigmask(SIG_BLOCK, NULL, &set);
    if (sig < 1 || sig > 64 || sig == THR_SIGCANCEL || sig == THR_SIGSETXID)
        return -EINVAL;
    *(uint64_t *)(void *)&set &= ~(1ul << (sig - 1));
    return window_sigsuspend(&set);
}
/* The header turns the name into __xpg_sigpause; programs that want BSD's bind to the plain one. */
static struct next_point next_sigpause __attribute__((section("thr_points"), used)) = {"sigpause", NULL};
int sigpause_bsd(int mask) __asm__("sigpause");
THR_EXPORT int sigpause_bsd(int mask) {
    FORWARD(int, sigpause, (int), (mask));
    return (int)point_result(sigpause_mask(mask));
}
POINT_UNDECLARED(int, __sigpause, (int arg, int is_signal), (arg, is_signal),
                 is_signal ? sigpause_signal(arg) : sigpause_mask(arg))
POINT_UNDECLARED(int, __xpg_sigpause, (int sig), (sig), sigpause_signal(sig))

static long window_sigwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout) {
    struct short_sigset wanted;
    long result = WINDOW6(SYS_rt_sigtimedwait, public_signals(set, &wanted), info, timeout, SIGSET_BYTES, 0, 0);
    /* raise and pthread_kill are to look like kill. */
    if (result > 0 && info && info->si_code == SI_TKILL)
        info->si_code = SI_USER;
    return result;
}
POINT(int, sigtimedwait, (const sigset_t *set, siginfo_t *info, const struct timespec *timeout),
      (set, info, timeout), window_sigwait(set, info, timeout))
POINT(int, sigwaitinfo, (const sigset_t *set, siginfo_t *info), (set, info), window_sigwait(set, info, NULL))

/* Returns an error's number, and never EINTR. */
NEXT_POINT(sigwait);
THR_EXPORT int sigwait(const sigset_t *set, int *sig) {
    FORWARD(int, sigwait, (const sigset_t *, int *), (set, sig));
    int saved = errno;
    for (;;) {
        siginfo_t info;
        long result = window_sigwait(set, &info, NULL);
        if (likely(result >= 0)) {
            *sig = info.si_signo;
            return 0;
        }
        thr_point_failed(result); /* acts, if that is what it means */
        errno = saved;
        if (result != -EINTR)
            return (int)-result;
    }
}

/* ---- time */

static long window_sleep(clockid_t clock, int flags, const struct timespec *time, struct timespec *left) {
    return WINDOW6(SYS_clock_nanosleep, clock, flags, time, left, 0, 0);
}

POINT(int, nanosleep, (const struct timespec *time, struct timespec *left), (time, left),
      window_sleep(CLOCK_REALTIME, 0, time, left))
THR_ALIAS(__nanosleep, nanosleep);

/* Returns an error's number. */
NEXT_POINT(clock_nanosleep);
THR_EXPORT int clock_nanosleep(clockid_t clock, int flags, const struct timespec *time, struct timespec *left) {
    FORWARD(int, clock_nanosleep, (clockid_t, int, const struct timespec *, struct timespec *),
            (clock, flags, time, left));
    if (clock == CLOCK_THREAD_CPUTIME_ID) /* one's own, which stands still in one's sleep */
        return EINVAL;
    if (clock == CLOCK_PROCESS_CPUTIME_ID)
        clock = (clockid_t)(~0u << 3 | 2); /* the kernel's name for the calling process's, scheduled time */
    long result = window_sleep(clock, flags, time, left);
    if (likely(result == 0))
        return 0;
    int saved = errno;
    thr_point_failed(result);
    errno = saved;
    return (int)-result;
}

NEXT_POINT(sleep);
THR_EXPORT unsigned sleep(unsigned seconds) {
    FORWARD(unsigned, sleep, (unsigned), (seconds));
    struct timespec time = {.tv_sec = seconds};
    int saved = errno;
    if (point_result(window_sleep(CLOCK_REALTIME, 0, &time, &time)) < 0)
        return (unsigned)time.tv_sec;
    errno = saved;
    return 0;
}

NEXT_POINT(usleep);
THR_EXPORT int usleep(useconds_t us) {
    FORWARD(int, usleep, (useconds_t), (us));
    struct timespec time = {.tv_sec = us / 1000000, .tv_nsec = (long)(us % 1000000) * 1000};
    return (int)point_result(window_sleep(CLOCK_REALTIME, 0, &time, NULL));
}
