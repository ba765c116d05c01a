/* worker: the LWPs that run cpus; see worker.c. */
#ifndef MNI_WORKER_H
#define MNI_WORKER_H

#include "runtime/runtime.h"

/* A worker for that cpu (NULL: a spare) with an LWP of its own; 0 or a negative errno. */
int mni_worker_start(struct mni_cpu *cpu);
/* The calling LWP is that cpu's worker until the runtime stops; 0 or a negative errno. */
int mni_worker_run_here(struct mni_cpu *cpu);
/* Lets all workers end, and waits for those that are other LWPs. */
void mni_workers_stop(void);
void mni_workers_join(void);

/* Frees them, when nobody looks at them any more (the signal LWP has ended). */
void mni_workers_end(void);

/* Every worker that there is; new ones come first, none goes before mni_workers_end. */
struct mni_worker *mni_workers_all(void);

/* A worker without a cpu, NULL: there is no LWP to be had.  Given back, or started once its cpu is set. */
struct mni_worker *mni_spare_take(void);
void mni_spare_give(struct mni_worker *w);
void mni_spare_start(struct mni_worker *w);

/* Joins LWPs of spares that have ended. */
void mni_spares_reap(void);

/* How many LWPs workers have, had at most, and how many of them are spares that wait. */
struct mni_lwps {
    uint32_t now, most, spares;
};
void mni_workers_lwps(struct mni_lwps *n);

/* It lost its cpu: it may run on any CPU. */
void mni_worker_detached(struct mni_worker *w);

#endif
