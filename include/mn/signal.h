/*
 * mn/signal.h: signals as messages: a thread waits for them, instead of a handler that interrupts some other.
 *
 *     sigset_t set;
 *     sigemptyset(&set);
 *     sigaddset(&set, SIGTERM);
 *     int box = mn_signal_open(&set);
 *     ... mn_signal_wait(box, &info) ...
 *
 * The box is a descriptor: it can also be polled, watched by a kqueue, and is closed by mn_close.
 * EVFILT_SIGNAL of a kqueue (mn/kqueue.h) counts signals beside handlers; a box takes them.
 */
/* Programs that have this directory in their path, for mn/sys/event.h, find it as <signal.h>. */
#pragma GCC system_header
#ifndef MN_SIGNAL_WITHIN /* nothing may be next to <mn/signal.h>: /usr/include is the last directory */
#define MN_SIGNAL_WITHIN
#include <signal.h>
#undef MN_SIGNAL_WITHIN
#else
#include_next <signal.h>
#endif

#ifndef MN_SIGNAL_H
#define MN_SIGNAL_H

#include <stdint.h>

#ifdef _POSIX_C_SOURCE /* with -std=c11 alone, signal.h has not the types of POSIX */

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Makes a box for the signals of the set, and blocks them: in the caller's LWP and in those of the runtime, for
 * good.  LWPs that the program made itself, earlier and without blocking them, may still get them the usual
 * way: so it is best done first.  Returns the descriptor.
 *   -EMFILE, -ENFILE, -ENOMEM; -EFAULT: the set cannot be read
 * Contexts: any.
 */
int mn_signal_open(const sigset_t *set);

/*
 * Waits for a signal of the box, takes it and returns its number.  info, if not NULL, says whence it came:
 * si_signo, si_errno, si_code, and what si_code makes of the rest (si_pid, si_uid, si_status, si_value, ...).
 *   -ETIMEDOUT, -ECANCELED
 *   -ENOMEM, -EMFILE, -ENFILE, -ENOSPC   there is nothing to wait with (mn/io.h)
 *   -EBADF, -EINVAL   box is no box, or was closed by mn_close meanwhile
 * Contexts: any.
 */
int mn_signal_wait(int box, siginfo_t *info);
int mn_signal_wait_until(int box, siginfo_t *info, int64_t deadline);

#ifdef __cplusplus
}
#endif

#endif
#endif
