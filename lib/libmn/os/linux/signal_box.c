/*
 * signal_box: mn/signal.h over signalfd.
 *
 * A signalfd has what is pending, and a signal of the process stays pending only where every LWP blocks it.
 * Workers do (signals.c), the caller does from now on, and the signal LWP, which has the program's mask so that
 * handlers run somewhere, is told to (mni_signals_block_more).
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <errno.h>
#include <fcntl.h>
#include <mn/signal.h>
#include <mn/time.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>

#include "export.h"
#include "fault.h"
#include "io/poll.h"
#include "sched/signals.h"
#include "sys.h"
#include "wait/call.h"

MN_EXPORT int mn_signal_open(const sigset_t *set) {
    struct mni_cpu *cpu = mni_call_begin();
    /* The kernel's set is the beginning of the libc's. */
    int fd =
        fault("signalfd") ? -EMFILE : (int)sys(SYS_signalfd4, -1, set, _NSIG / 8, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd >= 0) {
        if (!cpu) /* a worker's are blocked, and the mask is not its threads' affair */
            pthread_sigmask(SIG_BLOCK, set, NULL);
        mni_signals_block_more(set);
    }
    mni_call_end_here(cpu);
    return fd;
}

static void translate(const struct signalfd_siginfo *from, siginfo_t *to) {
    memset(to, 0, sizeof *to);
    to->si_signo = (int)from->ssi_signo;
    to->si_errno = from->ssi_errno;
    to->si_code = from->ssi_code;
    if (from->ssi_code > 0 && from->ssi_signo == SIGCHLD) {
        to->si_pid = (pid_t)from->ssi_pid;
        to->si_uid = from->ssi_uid;
        to->si_status = from->ssi_status;
        to->si_utime = (clock_t)from->ssi_utime;
        to->si_stime = (clock_t)from->ssi_stime;
    } else if (from->ssi_code == SI_TIMER) {
        to->si_timerid = (int)from->ssi_tid;
        to->si_overrun = (int)from->ssi_overrun;
        to->si_value.sival_ptr = (void *)(uintptr_t)from->ssi_ptr;
    } else if (from->ssi_code > 0 && from->ssi_code < SI_KERNEL && from->ssi_signo == SIGPOLL) {
        to->si_band = from->ssi_band;
        to->si_fd = from->ssi_fd;
    } else {
        to->si_pid = (pid_t)from->ssi_pid;
        to->si_uid = from->ssi_uid;
        to->si_value.sival_ptr = (void *)(uintptr_t)from->ssi_ptr;
    }
}

/* The kernel would not mind what is read from; without /proc it cannot be told. */
static bool is_box(int fd) {
    char path[32], to[32] = "";
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return sys(SYS_readlinkat, AT_FDCWD, path, to, sizeof to - 1) < 0 || strcmp(to, "anon_inode:[signalfd]") == 0;
}

static int wait_inside(int box, struct signalfd_siginfo *info, int64_t deadline) {
    if (!is_box(box))
        return -EINVAL;
    for (;;) {
        /* Another may have taken what was there. */
        long n = fault("signal_read") ? -EAGAIN : sys(SYS_read, box, info, sizeof *info);
        if (n == (long)sizeof *info)
            return (int)info->ssi_signo;
        if (n != -EAGAIN)
            return n < 0 ? (int)n : -EINVAL;
        int r = mni_poll_wait(box, MNI_POLL_READ, deadline);
        if (r < 0)
            return r;
    }
}

MN_EXPORT int mn_signal_wait_until(int box, siginfo_t *info, int64_t deadline) {
    struct signalfd_siginfo from;
    struct mni_cpu *cpu = mni_call_begin();
    int r = mni_call_cancelled(cpu) ? -ECANCELED : wait_inside(box, &from, deadline);
    mni_call_end_moved(cpu);
    if (r > 0 && info)
        translate(&from, info);
    return r;
}

MN_EXPORT int mn_signal_wait(int box, siginfo_t *info) {
    return mn_signal_wait_until(box, info, MN_FOREVER);
}
