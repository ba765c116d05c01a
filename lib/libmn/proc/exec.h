/* exec: executors: the threads that run handlers; see exec.c. */
#ifndef MNI_EXEC_H
#define MNI_EXEC_H

#include "proc/proc.h"

/* A new handler; -ENOMEM, -EAGAIN: there is nobody to run it, and it is the caller's again. */
int mni_handler_start(struct mni_cpu *c, struct mni_proc *p);

/* The calling executor ends in the middle of a callback: closes the process, and sees to its succession. */
void mni_executor_ends(struct mni_cpu *c, struct mni_proc *p);

/* call.c: the caller waits for an answer that it will never take.  There is a `more`. */
void mni_call_given_up(struct mni_cpu *c, struct mni_proc *p);

/* call.c: as mn_call_until, but a signal that the process itself answers (inspect.c).  Inside the runtime,
 * which it leaves. */
int mni_inspect_call(struct mni_cpu *c, mn_pid pid, uint64_t what, struct mn_msg **reply, int64_t deadline);

/* spawn.c: a record for a call of a thread that is no process. */
int mni_caller_begin(struct mni_cpu *c, struct mni_proc **p);

#endif
