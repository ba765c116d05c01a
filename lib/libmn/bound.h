/* bound: threads with an LWP of their own (MN_BOUND); see bound.c. */
#ifndef MNI_BOUND_H
#define MNI_BOUND_H

#include "thread.h"

/* Makes the LWP that runs the thread: 0, -EAGAIN, -ENOMEM. */
int mni_bound_start(struct mni_thread *t);
/* How many have ended. */
uint64_t mni_bound_ends(void);
/* The calling LWP's bound thread, or NULL. */
struct mni_thread *mni_bound_self(void);
/* Ends the calling bound thread. */
_Noreturn void mni_bound_exit(void *result);

#endif
