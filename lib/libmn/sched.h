/*
 * sched: how a worker goes from one thread to the next.
 *
 * A thread that blocks, yields or ends picks the next one itself and switches to it directly; only when there is none does
 * the worker's own loop (worker.c) run, on the LWP's stack.  What must not happen before a thread is off its stack (its
 * lock's release, its stack's recycling) is done by the next stack, first thing: c->after.
 */
#ifndef MNI_SCHED_H
#define MNI_SCHED_H

#include "ctx_inline.h"
#include "enter.h"
#include "exceptions.h"
#include "runq.h"

/* Every so many switches, or when somebody wrote to us: inbox, thieves, timers. */
void mni_housekeep(struct mni_cpu *c);

/* A thread that never ran gets its stack and first frame. */
void mni_first_frame(struct mni_cpu *c, struct mni_thread *t);

/* On a stack that was just switched to: does what the last one left to do; returns the cpu. */
static inline struct mni_cpu *mni_arrive(void) {
    struct mni_cpu *c = mni_cpu_self();
    mni_fiber_arrive(&c->current->fiber);
    *c->err = c->current->err;
    mni_exceptions_restore(c->current, c->exceptions);
    c->after(c, c->after_thread);
    return c;
}

/* The next thread to run; NULL: none. */
static inline struct mni_thread *mni_next(struct mni_cpu *c) {
    /* Relaxed: what is missed now is seen next time; who needs more rings (idle.c). */
    if (__builtin_expect(--c->tick <= 0 || aptr_load(&c->remote.inbox) || a32_load(&c->remote.want), 0))
        mni_housekeep(c);
    return mni_runq_pick(c);
}

/* The same at the end of a thread: its spawner goes on, if it was started child first and nothing came between. */
static inline struct mni_thread *mni_next_spawner(struct mni_cpu *c, struct mni_thread *spawner) {
    if (__builtin_expect(--c->tick <= 0 || aptr_load(&c->remote.inbox) || a32_load(&c->remote.want), 0))
        mni_housekeep(c);
    return spawner && mni_runq_take_young(c, spawner) ? spawner : mni_runq_pick(c);
}

static inline void mni_prepare(struct mni_cpu *c, struct mni_thread *to) {
    c->current = to;
    to->state = MNI_RUNNING;
    a64_store(&c->count.switches, c->count.switches + 1);
    if (__builtin_expect(!to->sp, 0))
        mni_first_frame(c, to);
}

/* Leaves `from` (the current thread) for the next one, or for the worker's loop (to == NULL).  Returns when `from` runs
 * again, on the cpu that it returns. */
static inline struct mni_cpu *mni_switch(struct mni_cpu *c, struct mni_thread *from, struct mni_thread *to,
                                         void (*after)(struct mni_cpu *, struct mni_thread *)) {
    from->err = *c->err;
    mni_exceptions_save(from, c->exceptions);
    c->after = after;
    c->after_thread = from;
    if (__builtin_expect(to != NULL, 1)) {
        mni_prepare(c, to);
        mni_fiber_leave(&from->fiber, &to->fiber);
        mni_ctx_switch_inline(&from->sp, to->sp);
    } else {
        c->current = NULL;
        mni_fiber_leave(&from->fiber, &c->worker->fiber);
        mni_ctx_switch_inline(&from->sp, c->worker->sp);
    }
    return mni_arrive();
}

/* From a thread that has ended (mni_thread_end) to the context that runs next. */
_Noreturn static inline __attribute__((always_inline)) void mni_jump(void *sp) {
    if (MNI_FIBERS) {
        struct mni_cpu *c = mni_cpu_self();
        mni_fiber_leave(NULL, c->current ? &c->current->fiber : &c->worker->fiber);
    }
    mni_ctx_jump_inline(sp);
}

/* Parks the caller until its claim is taken; `after` stores WAITING, on the next stack (wait.c, park.c). */
int mni_wait_after(struct mni_cpu *c, const char *what, const void *on, int64_t deadline,
                   void (*after)(struct mni_cpu *, struct mni_thread *));

/* Makes a thread ready that the caller has claimed or made, on this cpu if it may run here. */
void mni_ready(struct mni_cpu *c, struct mni_thread *t);
/* The same from anywhere: through the inbox of a cpu. */
void mni_ready_remote(struct mni_thread *t);
void mni_inbox_push(struct mni_cpu *to, struct mni_thread *t);
void mni_inbox_push_chain(struct mni_cpu *to, struct mni_thread *first, struct mni_thread *last);
void mni_inbox_drain(struct mni_cpu *c);

void mni_after_nothing(struct mni_cpu *c, struct mni_thread *t);

#endif
