/*
 * call: the beginning and end of a public function that can block: of a green thread, a bound one, or a foreign
 * LWP.
 */
#ifndef MNI_CALL_H
#define MNI_CALL_H

#include "foreign.h"
#include "sched/enter.h"
#include "wait.h"

/* NULL: the caller is not a green thread. */
static inline struct mni_cpu *mni_call_begin(void) {
    struct mni_cpu *cpu = mni_enter();
    if (__builtin_expect(!cpu, 0))
        mni_foreign_enter();
    return cpu;
}

/* Whether a cancellation of the caller is to be seen, early in the call. */
static inline bool mni_call_cancelled(const struct mni_cpu *cpu) {
    if (__builtin_expect(!cpu, 0))
        return mni_cancelled_self();
    /* Relaxed: a request that comes now is seen by the wait, or by the next call. */
    if (__builtin_expect((a32_load(&cpu->current->park.claim) & (MNI_CANCEL | MNI_SHIELD)) != MNI_CANCEL, 1))
        return false;
    mni_worker_self()->cpu->budget = 0; /* as mni_block does it */
    return true;
}

/* The call did not block: cpu is still the caller's.  Past its slice, the thread lets others run. */
static inline void mni_call_end(struct mni_cpu *cpu) {
    if (__builtin_expect(cpu != NULL, 1))
        mni_leave_slice(cpu);
}

/* It may have blocked: cpu only tells green from foreign. */
static inline void mni_call_end_moved(const struct mni_cpu *cpu) {
    if (__builtin_expect(cpu != NULL, 1))
        mni_leave_slice(mni_cpu_self());
}

/* It is not documented as able to block, and does not yield. */
static inline void mni_call_end_here(struct mni_cpu *cpu) {
    if (__builtin_expect(cpu != NULL, 1))
        mni_leave(cpu);
}

#endif
