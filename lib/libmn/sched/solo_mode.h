/* solo_mode: when one cpu runs all threads, and who else may touch what meanwhile; see solo_mode.c, solo.h. */
#ifndef MNI_SOLO_MODE_H
#define MNI_SOLO_MODE_H

#include <stdbool.h>
#include <stdint.h>

struct mni_cpu;

/* The runtime starts or ends, or becomes a fork's child: it is over. */
void mni_solo_reset(void);
/* It begins, if nobody is present, for a worker that has yet to begin.  The runtime can be kept already: who
 * ends it may be a signal handler that interrupts the caller. */
void mni_solo_at_once(void);

/* In housekeeping: it begins, if the others have slept for long enough. */
void mni_solo_look(struct mni_cpu *c, int64_t now);

/* The cpu whose threads it was for has nothing to run: over, if there are other cpus.  In its worker's own
 * loop. */
void mni_solo_idle(void);

/* By a worker that was told, as it enters: it knows. */
void mni_solo_told(void);

/* Another cpu is solo, or is about to be, or does not know yet that it is no more.  In a worker's own loop. */
bool mni_solo_elsewhere(void);

/* Returns when it is over.  By whoever is not its owner.  Contexts: signal handlers, too. */
void mni_solo_end(void);

/* For sysmon, who is no worker: true: it is over, and does not begin before mni_solo_visited. */
bool mni_solo_visit(void);
void mni_solo_visited(void);

#endif
