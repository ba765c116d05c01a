/* bound: threads with an LWP of their own (MN_BOUND); see bound.c. */
#ifndef MNI_BOUND_H
#define MNI_BOUND_H

#include "sched/enter.h"
#include "thread.h"

/* Makes the LWP that runs the thread: 0, -EAGAIN, -ENOMEM. */
int mni_bound_start(struct mni_thread *t);
/* How many have ended. */
uint64_t mni_bound_ends(void);
/* The calling LWP's bound thread, or NULL. */
struct mni_thread *mni_bound_self(void);

/* The calling thread, green (inside the runtime) or bound; NULL: a foreign LWP. */
static inline struct mni_thread *mni_thread_here(void) {
    const struct mni_cpu *c = mni_cpu_here();
    return __builtin_expect(c != NULL, 1) ? c->current : mni_bound_self();
}
/* Ends the calling bound thread. */
_Noreturn void mni_bound_exit(void *result);

#endif
