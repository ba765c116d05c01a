/* limit: mailboxes with a bound; see limit.c. */
#ifndef MNI_LIMIT_H
#define MNI_LIMIT_H

#include "proc/proc.h"

/*
 * A message to a process with a bound: 1 it may be pushed and is counted; 0 it is to be dropped; -EAGAIN,
 * -EDEADLK, -ETIMEDOUT, -ECANCELED.  May block; *cpu is the caller's after it.
 */
int mni_limit_enter(struct mni_cpu **cpu, struct mni_proc *p, mn_pid to, int64_t deadline);

/* The same for a call, which is not dropped: 1 counted; 0 not, since old messages are dropped there, or the
 * process has ended; or an error. */
int mni_limit_call(struct mni_cpu **cpu, struct mni_proc *p, mn_pid to, int64_t deadline);

/* A counted message was not pushed after all, or has left the mailbox. */
void mni_limit_undo(struct mni_proc *p);
void mni_limit_left(struct mni_cpu *c, struct mni_proc *p, struct mni_msg *m);

/* The receiver, which has just looked: drops the oldest beyond the bound, where that is the policy. */
void mni_limit_drop_old(struct mni_cpu *c, struct mni_proc *p);

/* The process has ended: who waits to send to it goes on. */
void mni_limit_ended(struct mni_proc *p);

/* Where the oldest is dropped; see limit.c.  There is a `more`.  -ENOMEM. */
int mni_latest_make(struct mni_proc *p);
/* Whether messages to it go by mni_latest_put.  Relaxed: a stale pid is found out there. */
static inline bool mni_latest_is(const struct mni_proc *p) {
    return a32_load(&p->flags) & MNI_PROC_RING;
}
/* Sends one; token: a block of class 0.  Both are the process's, or released. */
void mni_latest_put(struct mni_cpu *c, struct mni_proc *p, mn_pid to, struct mni_msg *m, struct mni_msg *token);
/* By the process: acts on the messages that a token stands for; it ends. */
void mni_latest_take(struct mni_cpu *c, struct mni_proc *p, const struct mni_msg *token);
void mni_latest_end(struct mni_cpu *c, struct mni_proc *p);

void mni_limit_forked(void);
void mni_fixed_forked(void); /* send.c */

#endif
