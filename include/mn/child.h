/*
 * mn/child.h: waiting for child processes.
 *
 * As waitpid and waitid, but that only the calling thread waits, and errors are negative errno values; beside
 * their own:
 *   -ETIMEDOUT, -ECANCELED   no child was waited for
 * A child with a given number is waited for by its descriptor (pidfd), so its end is noticed at once.  Where
 * there is none (any child, a process group, stopped or continued children, Linux before 5.3), or nothing to wait
 * for it with (mn/io.h), the call looks every so often, after 20 ms at most.  With WNOHANG nothing waits.
 *
 * mn.h does not include this header: <sys/wait.h> declares wait().
 * Contexts: any.
 */
#ifndef MN_CHILD_H
#define MN_CHILD_H

#include <mn/time.h>
#include <sys/types.h>
#include <sys/wait.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The child's number; 0 with WNOHANG: it is not to be waited for yet.  status may be NULL. */
pid_t mn_waitpid(pid_t pid, int *status, int options);
pid_t mn_waitpid_until(pid_t pid, int *status, int options, int64_t deadline);

/* 0; with WNOHANG info->si_pid is 0 if there was none.  Not with -std=c11 alone, which hides POSIX's types. */
#ifdef _POSIX_C_SOURCE
int mn_waitid(idtype_t type, id_t id, siginfo_t *info, int options);
int mn_waitid_until(idtype_t type, id_t id, siginfo_t *info, int options, int64_t deadline);
#endif

#ifdef __cplusplus
}
#endif

#endif
