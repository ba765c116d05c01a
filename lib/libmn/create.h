/* create: see create.c. */
#ifndef MNI_CREATE_H
#define MNI_CREATE_H

#include "thread.h"

/* Threads that foreign LWPs started; they have no cpu to count on. */
void mni_count_foreign_spawn(void);
uint64_t mni_foreign_spawns(void);

/* Threads that have not ended. */
uint64_t mni_alive(void);

#endif
