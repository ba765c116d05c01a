/* progress: what keeps one thread from holding up the others; see sysmon.c and policy.c. */
#ifndef MNI_PROGRESS_H
#define MNI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "atomic.h"

struct mni_runtime;

/* The LWP that looks after the workers: 0 or a negative errno. */
int mni_sysmon_start(struct mni_runtime *rt);
void mni_sysmon_stop(void);
void mni_sysmon_forked(void);

/* 1: it sleeps until a worker is busy.  Atomic; who makes it 0 wakes it. */
extern uint32_t mni_sysmon_asleep __attribute__((visibility("hidden")));
void mni_sysmon_wake(void);

/* A worker has slept, and is busy from now on.  After a full operation of its own that followed idle = 0
 * (idle.c). */
static inline void mni_busy_again(void) {
    /* Relaxed: with that operation it pairs with the swap of sysmon.c. */
    if (__builtin_expect(a32_load(&mni_sysmon_asleep), 0))
        mni_sysmon_wake();
}

/* What sysmon knows of the cpus from one look to the next: one for each. */
struct mni_seen;
struct mni_seen *mni_policy_start(const struct mni_runtime *rt); /* NULL: no memory; released by free() */

enum { MNI_LOOK_BUSY = 1, MNI_LOOK_ACTED = 2 };

/* Looks at all cpus, and does what has to be done: MNI_LOOK_*, 0 if all workers sleep. */
unsigned mni_policy_look(struct mni_runtime *rt, struct mni_seen *seen, int64_t now);

/* An LWP that has lost its cpu has used some CPU time since the last call. */
bool mni_policy_computes(void);

#endif
