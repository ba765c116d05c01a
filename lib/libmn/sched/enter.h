/*
 * enter: how a green thread enters the runtime and leaves it.
 *
 *     struct mni_cpu *c = mni_enter();
 *     if (!c) return foreign_way();          not a worker's LWP
 *     ... c is the caller's; a call that switches may return on another cpu: c = mni_cpu_self() ...
 *     mni_leave(c);
 *
 * Guarantee: between the two, the cpu's state is the caller's alone; outside them another LWP may take it
 * (take.c).
 *
 * The naive way is a lock for each cpu, or a compare-and-swap of an owner word: 6 ns or more in every call, so
 * that once in a million calls somebody else can have the cpu.  Here the rare side pays (an asymmetric Dekker
 * protocol):
 *
 *     worker:  inside = 1; [compiler barrier]; read taken      -> 0: go on;  otherwise mni_enter_slow
 *     taker:   taken = 1;  membarrier();       read inside     -> 0: the cpu is the taker's;  otherwise taken = 0, give up
 *
 * membarrier makes each running LWP of the process execute a full barrier between the taker's store and its
 * load.  Either the worker's store of inside came before that barrier, and the taker sees it; or the worker's
 * load of taken comes after it, and sees the mark.  Never both miss.  Where membarrier is refused,
 * MNI_TAKEN_FENCE stands in taken all the time, and every entry goes through mni_enter_slow, which has a full
 * fence.
 *
 * What the taker did to the cpu is seen by the worker: the taker stores taken = 0 with release, mni_enter_slow
 * loads it with acquire; and what the worker did before it left is seen by the taker: inside = 0 is a release,
 * its load an acquire.  A worker that reads taken == 0 without having seen it set has not been taken since it
 * left, so it has nothing to see.
 */
#ifndef MNI_ENTER_H
#define MNI_ENTER_H

#include "atomic.h"
#include "membarrier.h"
#include "runtime/runtime.h"
#include "tls.h"

struct mni_cpu *mni_enter_slow(struct mni_worker *w);
void mni_resched(void);

/* The calling thread is cancelled: if it is a process that is to end by a signal, it does (proc/poke.c). */
void mni_proc_cancelled(struct mni_cpu *c);

/* The caller is a process, or runs the callback of one, and its slice has ended.  poke.c */
void mni_proc_slice_ends(struct mni_cpu *c);

/* The caller's cpu, inside the runtime. */
static inline struct mni_cpu *mni_cpu_self(void) {
    return mni_worker_self()->cpu;
}

/* The same, or NULL: it is not a green thread. */
static inline struct mni_cpu *mni_cpu_here(void) {
    const struct mni_worker *w = mni_worker_self();
    return w ? w->cpu : NULL;
}

/* NULL: the caller is not a green thread. */
static inline struct mni_cpu *mni_enter(void) {
    struct mni_worker *w = mni_worker_self();
    if (__builtin_expect(!w, 0))
        return NULL;
    /* Relaxed, and the light barrier: with mni_take's full one, see above. */
    a32_store(&w->inside, 1);
    mni_fence_light();
    /* Acquire: pairs with the release by which a taker clears its mark. */
    struct mni_cpu *c = __builtin_expect(a32_load_acquire(&w->taken) != 0, 0) ? mni_enter_slow(w) : w->cpu;
    c->budget--;
    return c;
}

/* The same for who has a short way and a long one: NULL also when the cpu is wanted; then mni_enter is to be
 * called. */
static inline struct mni_cpu *mni_enter_quick(void) {
    struct mni_worker *w = mni_worker_self();
    if (__builtin_expect(!w, 0))
        return NULL;
    /* As in mni_enter, which does it again. */
    a32_store(&w->inside, 1);
    mni_fence_light();
    if (__builtin_expect(a32_load_acquire(&w->taken) != 0, 0))
        return NULL;
    return w->cpu;
}

static inline void mni_leave(struct mni_cpu *c) {
    /* Release: pairs with the taker's acquire load. */
    a32_store_release(&c->worker->inside, 0);
}

/* The caller's own thread has something to tidy up at its end.  Inside the runtime: who takes its cpu reads
 * its flags. */
static inline void mni_untidy(struct mni_thread *t) {
    struct mni_cpu *c = mni_enter();
    t->flags |= MNI_UNTIDY;
    if (c)
        mni_leave(mni_cpu_self());
}

/*
 * A system call of the caller's has moved so many bytes.  Who moves many makes few calls, of 10 to 25 us each: a slice
 * of calls alone would not be over when sysmon hands the cpu off, for the others, or because nobody has polled.  1,000
 * KiB take the kernel 0.2 to 0.5 ms.  The slice's end is a look at the clock, too: few switches come before it.
 */
static inline void mni_charge(struct mni_cpu *c, int64_t bytes) {
    if (bytes >= MNI_CHARGED) {
        c->budget -= (int32_t)(bytes / MNI_CHARGED);
        if (c->budget <= 0)
            c->tick = 0;
    }
}

/* Leaves at the end of a call that is documented as able to block: past its slice, the thread lets others
 * run. */
static inline void mni_leave_slice(struct mni_cpu *c) {
    if (__builtin_expect(c->budget <= 0, 0)) {
        mni_resched();
        c = mni_cpu_self();
    }
    mni_leave(c);
}

#endif
