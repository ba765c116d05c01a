/* current: which thread the calling LWP runs, asked without entering the runtime (current.c). */
#ifndef MNI_CURRENT_H
#define MNI_CURRENT_H

struct mni_thread;

/* NULL: a foreign LWP, or a worker's own loop. */
struct mni_thread *mni_current(void);

#endif
