/*
 * offload: calls that block their LWP, made on LWPs that are there for it.
 *
 * A green thread hands a job to a pool and waits; an LWP of the pool makes the call.  One pool for each class,
 * so that no class starves another.  Called by anybody else (a foreign LWP, a bound thread, without a runtime),
 * and where no LWP can be had, the call is made by the caller's own.
 *
 * A job that no LWP has begun is taken back on the deadline or a cancellation.  One that was begun is waited
 * for, since its arguments are the caller's; unless it owns all that it touches, which having a `drop` says:
 * then the caller goes on, and the job is dropped by the LWP when its call returns.
 */
#ifndef MNI_OFFLOAD_H
#define MNI_OFFLOAD_H

#include <mn/offload.h>
#include <stdbool.h>

#include "thread/bound.h"
#include "wait/call.h"

struct mn_config;

enum mni_pool {
    MNI_POOL_FILE = MN_POOL_FILE,
    MNI_POOL_DNS = MN_POOL_DNS,
    MNI_POOL_USER = MN_POOL_CALL,
    MNI_POOLS,
};

struct mni_job {
    void (*fn)(struct mni_job *job);
    void (*drop)(struct mni_job *job); /* NULL: the job is its caller's, and is waited for */
    /* ---- the pool's */
    struct mni_parker *parker; /* who waits for it */
    bool gone;                 /* the caller went on without it */
    bool done;
};

/*
 * Both are called inside the runtime, as mni_wait, by a green thread; by others as they are.
 *   0                        fn has run
 *   -ETIMEDOUT, -ECANCELED   it has not run; one with `drop` may run still, and is, or will be, dropped
 */
int mni_offload_job(enum mni_pool pool, struct mni_job *job, int64_t deadline);
int mni_offload(enum mni_pool pool, void (*fn)(void *arg), void *arg, int64_t deadline);

/*
 * Begins a call that is offloaded, or would be: 0, or -ECANCELED.  *cpu: as of mni_call_begin; a foreign LWP
 * does not enter (foreign.c), as it needs nothing.  Ended by mni_offload_end, also after an error.
 */
static inline int mni_offload_begin(struct mni_cpu **cpu) {
    *cpu = mni_enter();
    if (*cpu)
        return mni_call_cancelled(*cpu) ? -ECANCELED : 0;
    return mni_bound_self() && mni_cancelled_self() ? -ECANCELED : 0;
}

/* The caller may be on another cpu now; or in the child of a fork that the call made, and no green thread any
 * more. */
static inline void mni_offload_end(void) {
    mni_call_end(mni_cpu_here());
}

/* Both, as whole calls: mni_offload; and what does not block after all: 0, or -ECANCELED. */
int mni_offload_call(enum mni_pool pool, void (*fn)(void *arg), void *arg, int64_t deadline);
int mni_offload_none(void);

/* How many threads wait for an LWP's call to be made: the runtime is not dead while there are any.  Any
 * caller. */
uint32_t mni_offload_busy(void);

/* With the runtime: pools without LWPs; then all LWPs are joined, but those whose jobs are gone. */
void mni_offload_start(const struct mn_config *config);
void mni_offload_stop(void);

/* Whether the caller is an LWP of a pool. */
bool mni_offload_self(void);
void mni_offload_forked(void);

#endif
