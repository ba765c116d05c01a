/* local: see local.c. */
#ifndef MNI_LOCAL_H
#define MNI_LOCAL_H

#include "thread.h"

/* A round of destructors of the calling thread's values; false: there were none to call.  Outside the
 * runtime. */
bool mni_locals_round(struct mni_thread *t);

/* Releases their memory. */
void mni_locals_release(struct mni_thread *t);

/* The calling LWP, which is foreign, ends: both for its own. */
void mni_locals_end_foreign(void);

#endif
