/* create: see create.c. */
#ifndef MNI_CREATE_H
#define MNI_CREATE_H

#include "thread.h"

/* mn_go_attr for a function that returns an int; detached. */
int mni_go_int(const struct mn_attr *attr, int (*fn)(void *), void *arg);

/* mn_go_attr inside the runtime, also while that ends: detached, on this cpu, not child first. */
struct mni_cpu;
int mni_go_here(struct mni_cpu *c, mn_thread *out, const struct mn_attr *attr, void *(*fn)(void *), void *arg);

/* Threads that foreign LWPs started; they have no cpu to count on; -1: it was not started. */
void mni_count_foreign_spawn(int n);
uint64_t mni_foreign_spawns(void);

/* Threads that have not ended. */
uint64_t mni_alive(void);

#endif
