/* take: taking threads, or the cpu, from a worker; see take.c and enter.h. */
#ifndef MNI_TAKE_H
#define MNI_TAKE_H

#include "enter.h"

enum { MNI_YOUNG_NS = 2500 }; /* the shortest that a thief leaves a queue alone (take.c) */

/* Somebody wants threads of this cpu: the owner hands over what it can spare. */
void mni_give(struct mni_cpu *c);

/* The same, if anybody does. */
static inline void mni_answer(struct mni_cpu *c) {
    if (__builtin_expect(a32_load(&c->remote.want) != 0, 0)) /* relaxed: as in mni_next */
        mni_give(c);
}

/* What c was given goes to its queues; the owner calls it when it looks into its inbox. */
void mni_gift_open(struct mni_cpu *c);

/* Tries to get threads from another cpu; true: there are some in c's queues now. */
bool mni_steal(struct mni_cpu *c, struct mni_search *m, int64_t now);

/* The cpu has nothing left and looks for work: was what it stole last worth it? */
void mni_ran_dry(struct mni_cpu *c, int64_t now);

/* The descriptors that lie free on another cpu go to the common list (table.c); false: its worker is inside the
 * runtime, or somebody else takes it.  Any caller. */
bool mni_take_free(struct mni_cpu *v);

/*
 * Gives the cpu to another worker, if its own is outside the runtime at this moment; that one keeps the thread
 * that it runs, and gives it up when it enters the runtime.
 *   0 done;  -EBUSY the worker is inside, or somebody else takes it;  -ENOENT it runs no thread;  -EAGAIN no LWP
 * Contexts: foreign LWPs.
 */
int mni_hand_off(struct mni_cpu *c);

/* Moves threads of a cpu whose worker is outside the runtime to another cpu: true, if there were any.
 * Contexts: as above. */
bool mni_move(struct mni_cpu *from, struct mni_cpu *to);

/* Clears a mark, and wakes the worker that waits for it. */
void mni_unmark(struct mni_worker *w, uint32_t how);

/* A worker's own loop comes back from a wait: NULL, when its cpu was taken away. */
struct mni_cpu *mni_enter_loop(struct mni_worker *w);

/* Its worker is inside the runtime, or marked by somebody who stands for it. */
bool mni_in_motion(const struct mni_cpu *c);

/* Its worker is to come by mni_solo_told: MNI_TAKEN_TELL, which may stay for long when it does not enter. */
void mni_tell(const struct mni_cpu *c);

#endif
