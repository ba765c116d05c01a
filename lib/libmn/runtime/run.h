/* run: see run.c. */
#ifndef MNI_RUN_H
#define MNI_RUN_H

#include <stdbool.h>

/* Counts begin at 0 again (create.c). */
void mni_create_reset(void);
/* Queues the first thread of mn_run; 0 or a negative errno.  Before any worker runs that cpu (create.c). */
int mni_create_first(void *(*fn)(void *), void *arg);
/* That thread has ended, cleanup included: the others are cancelled and waited for, then the workers stop.
 * Called as it, outside the runtime. */
struct mni_thread;
void mni_run_main_ended(struct mni_thread *self, void *result);

#endif
