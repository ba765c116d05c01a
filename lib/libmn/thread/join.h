/* join: see join.c. */
#ifndef MNI_JOIN_H
#define MNI_JOIN_H

#include <mn/thread.h>

#include "wait/wait.h"

struct mni_cpu;
struct mni_thread;

/* The thread has ended and is off its stack, and no joiner was claimed: it becomes joinable, wakes a joiner, or
 * is freed.  c: the caller's cpu, or NULL. */
void mni_join_ended(struct mni_cpu *c, struct mni_thread *t);

/* Whether the handle names a thread that has not ended; it does until the caller drops the thread's lock. */
bool mni_thread_lives(const struct mni_thread *t, mn_thread handle);

#endif
