/*
 * exit: the end of a thread.
 *
 * On its own stack: deferred functions and destructors of thread-local values, then the joiner, if one waits
 * already, is claimed and queued, so that the next thread to run can be the joiner.  On the next stack: the
 * stack goes back to its cache, and the descriptor becomes joinable, or free.  A joiner that was queued runs
 * after that at the earliest, since the queue is this cpu's and this LWP has not left the runtime; one that
 * lives elsewhere (a foreign LWP, a pinned thread) is woken on the next stack.
 */
#include "exit.h"

#include "bound.h"
#include "create.h"
#include "export.h"
#include "join.h"
#include "panic.h"
#include "runtime/fork.h"
#include "runtime/run.h"
#include "sched/sched.h"
#include "table.h"

/* A descriptor that is freed at once, since its joiner waits or nobody joins it, keeps its stack for the next
 * thread, as long as there are few of these. */
enum { KEEP_MOST = 64 };

static inline bool keeps_stack(const struct mni_cpu *c) {
    /* Not where tools are told of each stack's new thread. */
    return c->kept_count < KEEP_MOST && !*(volatile uint32_t *)&mni_stack_watch && !MNI_FIBERS && !mni_valgrind;
}

static void after_end(struct mni_cpu *c, struct mni_thread *t) {
    struct mni_parker *remote = c->after_parker;
    /* Relaxed: DETACHED stays. */
    if (a8_load(&t->ended) != MNI_DETACHED || !keeps_stack(c))
        mni_thread_drop_stack(c, t);
    if (remote)
        mni_wake(remote);
    else if (a8_load(&t->ended) < MNI_ENDED)
        mni_join_ended(c, t);
}

/* Whether a waiter that was claimed may be queued on this cpu. */
static inline bool local(const struct mni_cpu *c, const struct mni_parker *p) {
    if (p->foreign != MNI_GREEN)
        return false;
    const struct mni_thread *t = (const struct mni_thread *)(const void *)p;
    /* The lists of the other priorities may be given to a thief before we are off our stack; the hot slot is
     * not. */
    return (!(t->flags & MNI_PINNED) || t->cpu == c->index) && a8_load(&t->priority) == MN_NORMAL;
}

/* The thread ends, and somebody waits: claims the joiner, who then owns the descriptor; NULL: he gave up
 * just now. */
static inline __attribute__((always_inline)) struct mni_parker *claim_joiner(struct mni_thread *t) {
    mni_lock_take(&t->lock);
    struct mni_parker *joiner = t->joiner;
    aptr_store(&t->joiner, NULL);
    if (joiner && mni_claim(joiner, 0))
        a8_store(&t->ended, MNI_JOINED);
    else
        joiner = NULL;
    mni_lock_drop(&t->lock);
    return joiner;
}

/* Also where the end is mn_exit, and all that may block in it: the workers stop with the end of the first
 * thread. */
static void tidy(struct mni_thread *t, void *result) {
    bool first = t->flags & MNI_MAIN;
    if (!mni_worker_self()) /* it has forked, and this is the child */
        mni_orphan_end(first ? (int)(intptr_t)result : 0);
    mni_thread_cleanup(t, result);
    if (!mni_worker_self()) /* a deferred function forked, and this is the child */
        mni_orphan_end(first ? (int)(intptr_t)result : 0);
    if (first)
        mni_run_main_ended(t, result);
}

/* The joiner runs next, by the shortest way: false, nothing done, if it might be another's turn. */
static inline bool joiner_next(struct mni_cpu *c) {
    /* Relaxed: as in mni_next. */
    if (c->tick <= 1 || c->budget <= 0 || c->hot || c->others || aptr_load(&c->remote.inbox) ||
        a32_load(&c->remote.want))
        return false;
    c->tick--;
    mni_count(c, wakes, 1);
    return true;
}

/* Inline where a thread returns: the function there never does, so it has no registers to save. */
static inline __attribute__((always_inline)) void *thread_end(struct mni_thread *t, void *result) {
    t->arg = result; /* a deferred function may look at it (future.c) */
    if (__builtin_expect(t->flags & MNI_UNTIDY, 0))
        tidy(t, result);
    struct mni_cpu *c = mni_enter();
    if (__builtin_expect(!c, 0))
        mni_orphan_end(0);
    mni_exceptions_ended(t, c->exceptions);
    a8_store(&t->state, MNI_DONE);
    mni_count(c, ends, 1);
    struct mni_parker *joiner = NULL;
    struct mni_thread *next = NULL;
    c->after = after_end;
    /* Relaxed: one that comes later finds ENDED, or is found by after_end. */
    if (aptr_load(&t->joiner)) {
        joiner = claim_joiner(t);
        if (joiner && local(c, joiner)) {
            next = (struct mni_thread *)(void *)joiner;
            joiner = NULL;
            if (__builtin_expect(keeps_stack(c), 1))
                c->after = NULL;
            if (__builtin_expect(t->flags & MNI_CHILD || !joiner_next(c), 0)) {
                mni_ready_next(c, next); /* though its priority may change just now */
                next = NULL;
            }
        }
    }
    if (!next)
        next = mni_next_spawner(c, t->flags & MNI_CHILD ? mni_extra(t)->spawner : NULL);
    c->after_parker = joiner;
    c->after_thread = t;
    if (!next) {
        aptr_store(&c->current, NULL);
        return c->worker->sp;
    }
    mni_prepare(c, next);
    return mni_context(c, next);
}

void *mni_thread_end(struct mni_thread *t, void *result) {
    return thread_end(t, result);
}

/* Where every green thread begins. */
void mni_thread_main(void) {
    struct mni_cpu *c = mni_arrive(0);
    struct mni_thread *t = c->current;
    mni_leave(c);
    mni_jump(thread_end(t, mni_call_entry(t)));
}

MN_EXPORT void mn_exit(void *result) {
    if (!mni_bound_self() && !mni_worker_self()) {
        mni_orphan_end(0);
        panic("mn_exit in a foreign LWP", 0);
    }
    mni_exit_unwind(result);
}
