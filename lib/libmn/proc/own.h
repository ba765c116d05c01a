/* own: what a process owns and what is released when it ends: memory, descriptors; its dictionary. */
#ifndef MNI_OWN_H
#define MNI_OWN_H

#include "proc/proc.h"

/* A limit for mn_alloc; -ENOMEM.  There is a `more`. */
int mni_arena_make(struct mni_cpu *c, struct mni_proc *p, size_t most);

#endif
