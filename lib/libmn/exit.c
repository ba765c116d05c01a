/*
 * exit: the end of a thread.
 *
 * On its own stack: deferred functions and destructors of thread-local values, then the joiner, if one waits already, is
 * claimed and queued, so that the next thread to run can be the joiner.  On the next stack: the stack goes back to its
 * cache, and the descriptor becomes joinable, or free.  A joiner that was queued runs after that at the earliest, since
 * the queue is this cpu's and this LWP has not left the runtime; one that lives elsewhere (a foreign LWP, a pinned thread)
 * is woken on the next stack.
 */
#include "exit.h"

#include "bound.h"
#include "create.h"
#include "export.h"
#include "fork.h"
#include "join.h"
#include "panic.h"
#include "sched.h"
#include "table.h"

static void after_end(struct mni_cpu *c, struct mni_thread *t) {
    struct mni_parker *remote = c->after_parker;
    mni_fiber_end(&t->fiber);
    mni_stack_give(&c->stacks, t->stack_class, t->stack);
    if (remote) {
        mni_wake(remote);
    } else if (t->ended == MNI_LIVES) {
        mni_join_ended(c, t);
    }
}

/* Whether a waiter that was claimed may be queued on this cpu. */
static bool local(const struct mni_cpu *c, const struct mni_parker *p) {
    if (p->foreign != MNI_GREEN)
        return false;
    const struct mni_thread *t = (const struct mni_thread *)(const void *)p;
    return !(t->flags & MNI_PINNED) || t->cpu == c->index;
}

void *mni_thread_end(struct mni_thread *t, void *result) {
    t->arg = result; /* a deferred function may look at it (future.c) */
    if (__builtin_expect(t->flags & MNI_UNTIDY, 0))
        mni_thread_cleanup(t, result);
    struct mni_cpu *c = mni_enter();
    mni_exceptions_ended(t, c->exceptions);
    t->state = MNI_DONE;
    a64_store(&c->count.ends, c->count.ends + 1);
    struct mni_parker *joiner = NULL;
    /* Relaxed: one that comes later finds ENDED, or is found by after_end. */
    if (aptr_load(&t->joiner)) {
        joiner = mni_join_claim(t);
        if (joiner && local(c, joiner)) {
            mni_ready(c, (struct mni_thread *)(void *)joiner);
            joiner = NULL;
        }
    }
    struct mni_thread *next = mni_next_spawner(c, t->spawner);
    c->after_parker = joiner;
    c->after = after_end;
    c->after_thread = t;
    if (!next) {
        c->current = NULL;
        return c->worker->sp;
    }
    mni_prepare(c, next);
    return next->sp;
}

MN_EXPORT void mn_exit(void *result) {
    if (!mni_bound_self() && !mni_worker_self()) {
        mni_orphan_end(0);
        panic("mn_exit in a foreign LWP", 0);
    }
    mni_exit_unwind(result);
}
