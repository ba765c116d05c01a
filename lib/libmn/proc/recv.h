/* recv: taking messages out of the caller's mailbox. */
#ifndef MNI_RECV_H
#define MNI_RECV_H

#include "proc/limit.h"
#include "proc/signal.h"

/* Inside the runtime; the message is out of the mailbox, and the caller's.  0, -ETIMEDOUT, -ECANCELED. */
int mni_recv(struct mni_cpu **cpu, struct mni_proc *p, struct mni_msg **out, const struct mn_match *match,
             int64_t deadline);

/* Waits until something has come; results as mni_wait. */
int mni_recv_wait(struct mni_cpu **cpu, struct mni_proc *p, int64_t deadline);

#endif
