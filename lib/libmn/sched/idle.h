/* idle: workers that have nothing to do, and who wakes them; see idle.c. */
#ifndef MNI_IDLE_H
#define MNI_IDLE_H

#include "enter.h"

/* Something was put into the cpu's inbox (by a full operation): its worker is woken if it sleeps. */
void mni_ring_up(struct mni_cpu *c);

/* There are more threads here than this worker runs, and others sleep: wakes one of them, now and then. */
void mni_call_help(struct mni_cpu *c);

/* The worker has nothing to run: looks for work with others, then sleeps.  False: its cpu was taken away
 * meanwhile. */
bool mni_idle(struct mni_worker *w);

/* Wakes a worker that sleeps; false: none does. */
bool mni_rouse_one(void);

/* One of the sleepers looks around every so often. */
bool mni_idle_watched(void);

/* All who sleep look around (progress/quota_watch.c). */
void mni_rouse_all(void);

#endif
