/* own: what a process owns and what is released when it ends: memory, descriptors; its dictionary. */
#ifndef MNI_OWN_H
#define MNI_OWN_H

#include "proc/proc.h"

/* A limit for mn_alloc; -ENOMEM.  There is a `more`. */
int mni_arena_make(struct mni_cpu *c, struct mni_proc *p, size_t most);

/* How much the process has by mn_alloc.  There is a `more`. */
size_t mni_arena_used(const struct mni_proc *p);

/* The caller closes a descriptor, or has given it to the runtime (mn_adopt): perhaps its process owns it.  c ==
 * NULL: a foreign LWP. */
void mni_own_closing(struct mni_cpu *c, int fd);
void mni_own_adopted(struct mni_cpu *c, int fd);

#endif
