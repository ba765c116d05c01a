/* lwps: LWPs of the runtime's that run no program's code at this moment; see lwps.c. */
#ifndef MNI_LWPS_H
#define MNI_LWPS_H

#include <stdbool.h>

/* The calling LWP rests from now on: until somebody else has it do something, it does nothing to the program.
 * Nested calls are not counted. */
void mni_lwp_rests(void);
void mni_lwp_works(void);

/* Whether every LWP of the process is a worker, one that rests, or the caller.  False if it cannot be found
 * out. */
bool mni_lwps_all_ours(void);

void mni_lwps_forked(void);

#endif
