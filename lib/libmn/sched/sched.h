/*
 * sched: how a worker goes from one thread to the next.
 *
 * A thread that blocks, yields or ends picks the next one itself and switches to it directly; only when there
 * is none does the worker's own loop (worker.c) run, on the LWP's stack.  What must not happen before a thread
 * is off its stack (its lock's release, its stack's recycling) is done by the next stack, first thing:
 * c->after.
 */
#ifndef MNI_SCHED_H
#define MNI_SCHED_H

#include <errno.h>

#include "ctx_inline.h"
#include "enter.h"
#include "runq.h"
#include "take.h"
#include "thread/exceptions.h"

enum { MNI_LOOK_NS = 10000 }; /* c->ticks switches take about so long */

/* Every so many switches, or when somebody wrote to us: inbox, thieves, timers. */
void mni_housekeep(struct mni_cpu *c);

/* On a stack that was just switched to: does what the last one left to do; returns the cpu.  err: this
 * thread's errno. */
static inline struct mni_cpu *mni_arrive(int err) {
    struct mni_cpu *c = mni_cpu_self();
    mni_fiber_arrive(&mni_extra(c->current)->fiber);
    *c->err = err;
    mni_exceptions_restore(c->current, c->exceptions);
    if (c->after)
        c->after(c, c->after_thread);
    return c;
}

struct mni_thread *mni_next_any(struct mni_cpu *c);

/* The next thread to run; NULL: none. */
static inline __attribute__((always_inline)) struct mni_thread *mni_next(struct mni_cpu *c) {
    struct mni_thread *t = c->hot;
    /* Relaxed: what is missed now is seen next time; who needs more rings (idle.c). */
    if (__builtin_expect(!t || c->tick <= 1 || c->budget <= 0 || aptr_load(&c->remote.inbox) ||
                             a32_load(&c->remote.want) || (c->others & (MNI_OTHER_HIGH | MNI_OTHER_LOW)),
                         0))
        return mni_next_any(c);
    c->tick--;
    mni_runq_hop(c);
    aptr_store(&c->hot, NULL);
    return t;
}

/*
 * The same for one that goes behind all others, and does so: NULL where that is not as simple as it is mostly.
 * Nobody is called for help, since there are as many threads to run as before.
 */
static inline __attribute__((always_inline)) struct mni_thread *mni_next_round(struct mni_cpu *c,
                                                                               struct mni_thread *t) {
    uint32_t head = c->head;
    /* Relaxed, as above. */
    if (__builtin_expect(c->tick <= 1 || c->hot || c->others || a8_load(&t->priority) != MN_NORMAL ||
                             aptr_load(&c->remote.inbox) || a32_load(&c->remote.want) ||
                             !mni_runq_plain(c, head),
                         0))
        return NULL;
    c->tick--;
    struct mni_thread *next = mni_runq_pick_plain(c, head);
    mni_ring_put(c, t);
    return next;
}

/* The same at the end of a thread: its spawner goes on, if it was started child first and nothing came
 * between. */
static inline struct mni_thread *mni_next_spawner(struct mni_cpu *c, struct mni_thread *spawner) {
    if (__builtin_expect(--c->tick <= 0 || aptr_load(&c->remote.inbox) || a32_load(&c->remote.want), 0))
        mni_housekeep(c);
    return spawner && mni_runq_take_young(c, spawner) ? spawner : mni_runq_pick(c);
}

static inline void mni_prepare(struct mni_cpu *c, struct mni_thread *to) {
    aptr_store(&c->current, to);
    a8_store(&to->state, MNI_RUNNING);
    mni_count(c, switches, 1);
}

/* It gets its stack. */
static inline void mni_stack_attach(struct mni_thread *t, char *stack) {
    mni_stack_own(stack, t->stack_class, t);
    mni_fiber_begin(&mni_extra(t)->fiber, stack, mni_stack_bytes(t->stack_class));
    t->own = (struct mni_own *)mni_stack_top(stack, t->stack_class) - 1;
}

/* Where a thread that never ran begins, on a stack that it gets now, unless its descriptor kept one. */
void mni_thread_main(void);
static inline void *mni_first_top(struct mni_cpu *c, struct mni_thread *t) {
    if (__builtin_expect(!t->own, 0))
        mni_stack_attach(t, mni_stack_take(&c->stacks, t->stack_class));
    *t->own = (struct mni_own){0};
    return t->own;
}

/* The context of a thread that is to run on c. */
static inline void *mni_context(struct mni_cpu *c, struct mni_thread *t) {
    return __builtin_expect(t->sp != NULL, 1) ? t->sp : mni_ctx_make(mni_first_top(c, t), mni_thread_main);
}

/* Leaves `from` (the current thread) for the next one, or for the worker's loop (to == NULL).  Returns when
 * `from` runs again, on the cpu that it returns.  after: what the next stack does, or NULL. */
static inline __attribute__((always_inline)) struct mni_cpu *
mni_switch(struct mni_cpu *c, struct mni_thread *from, struct mni_thread *to,
           void (*after)(struct mni_cpu *, struct mni_thread *)) {
    int err = *c->err;
    mni_exceptions_save(from, c->exceptions);
    c->after = after;
    c->after_thread = from;
    if (__builtin_expect(to != NULL, 1)) {
        mni_prepare(c, to);
        if (to->sp) {
            mni_fiber_leave(&mni_extra(from)->fiber, &mni_extra(to)->fiber);
            mni_ctx_switch_inline(&from->sp, to->sp);
        } else {
            void *top = mni_first_top(c, to);
            mni_fiber_leave(&mni_extra(from)->fiber, &mni_extra(to)->fiber);
            mni_ctx_start_inline(&from->sp, top, mni_thread_main);
        }
    } else {
        aptr_store(&c->current, NULL);
        mni_fiber_leave(&mni_extra(from)->fiber, &c->worker->fiber);
        mni_ctx_switch_inline(&from->sp, c->worker->sp);
    }
    return mni_arrive(err);
}

/* From a thread that has ended (mni_thread_end) to the context that runs next. */
_Noreturn static inline __attribute__((always_inline)) void mni_jump(void *sp) {
    if (MNI_FIBERS) {
        struct mni_cpu *c = mni_cpu_self();
        mni_fiber_leave(NULL, c->current ? &mni_extra(c->current)->fiber : &c->worker->fiber);
    }
    mni_ctx_jump_inline(sp);
}

/* An executor of handlers stops in a callback: another one is to go on (proc/exec.c). */
void mni_executor_blocks(struct mni_cpu *c, struct mni_thread *t);

/* There was no memory for another one: it is tried again. */
void mni_executor_sought(struct mni_cpu *c);

/* poke.c: a callback is about to wait; or makes calls without a wait, and sees to whether its process is to end:
 * then its thread is cancelled. */
void mni_callback_waits(struct mni_cpu *c, struct mni_thread *t);
void mni_callback_looks(struct mni_thread *t);

void mni_inbox_push(struct mni_cpu *to, struct mni_thread *t);

/* Makes a thread ready that the caller has claimed or made, on this cpu if it may run here. */
static inline void mni_ready(struct mni_cpu *c, struct mni_thread *t) {
    if (__builtin_expect((t->flags & MNI_PINNED) && t->cpu != c->index, 0)) {
        mni_inbox_push(mni_rt->cpus[t->cpu], t);
        return;
    }
    mni_count(c, wakes, 1);
    a8_store(&t->state, MNI_READY);
    mni_runq_push_hot(c, t);
    mni_answer(c); /* who wakes many may not switch for long, and be inside the runtime most of the time */
}

/* The same for one that may run here, whatever its priority: it runs next. */
static inline void mni_ready_next(struct mni_cpu *c, struct mni_thread *t) {
    mni_count(c, wakes, 1);
    a8_store(&t->state, MNI_READY);
    mni_runq_push_next(c, t);
}

/*
 * The waiter is off its stack: from here on it may be woken.  False: a cancellation had come before, and it is
 * ready again.
 */
static inline bool mni_begin_wait_untimed(struct mni_cpu *c, struct mni_thread *t) {
    for (;;) {
        uint32_t claim = a32_load(&t->park.claim);
        bool cancelled = (claim & (MNI_CANCEL | MNI_SHIELD)) == MNI_CANCEL;
        /* Full: pairs with the swap of mni_claim and the or of mn_cancel; the first sees all that the waiter
         * wrote.  CLAIMED, by ourselves, since that is what the end of the wait expects (mni_block). */
        if (!mni_cas32(&t->park.claim, claim, claim | (cancelled ? MNI_CLAIMED : MNI_WAITING_CLAIM)))
            continue;
        if (!cancelled)
            return true;
        t->park.result = -ECANCELED;
        mni_ready(c, t);
        return false;
    }
}

/* The same of a wait that may have a deadline. */
static inline bool mni_begin_wait(struct mni_cpu *c, struct mni_thread *t) {
    /* Before it can be claimed: the timer runs on this cpu only, and not before we are done. */
    if (__builtin_expect(c->after_deadline != MN_FOREVER, 0))
        mni_timer_set(c->timers, &t->timer, c->after_deadline);
    return mni_begin_wait_untimed(c, t);
}

/*
 * Parks the caller (c->current) until its claim is taken, and returns the result that came with it.  `after`
 * stores WAITING, on the next stack (wait.c, park.c), untimed if the deadline is none for sure.
 */
static inline __attribute__((always_inline)) int
mni_block_as(struct mni_cpu *c, struct mni_thread *t, const char *what, const void *on, bool timed,
             int64_t deadline, void (*after)(struct mni_cpu *, struct mni_thread *)) {
    aptr_store(&t->wait_what, what); /* relaxed: read in passing (dump.c, proc/info.c) */
    t->wait_on = on;
    t->since = c->now;
    a8_store(&t->state, MNI_WAITING);
    if (__builtin_expect(!(t->flags & MNI_PINNED), 1))
        t->cpu = (uint16_t)c->index;
    else if (t->flags & MNI_EXECUTOR)
        mni_callback_waits(c, t);
    struct mni_thread *next = mni_next(c);
    if (timed)
        c->after_deadline = deadline;
    mni_count(c, parks, 1);
    c = mni_switch(c, t, next, after);
    /* Past its slice, so that a process which is to end is found out at the end of the call (mni_resched). */
    if (__builtin_expect(t->park.result == -ECANCELED, 0))
        c->budget = 0;
    /* Also when it has expired: its expiry may still be under way on another cpu, and is not to hit a later
     * wait. */
    if (timed && __builtin_expect(deadline != MN_FOREVER, 0))
        mni_timer_remove(&t->timer);
    /* CLAIMED becomes IDLE, one wait on.  Nobody else changes these bits now; CANCEL may come. */
    mni_add32(&t->park.claim, MNI_CLAIM_SEQ - MNI_CLAIMED);
    return t->park.result;
}

static inline __attribute__((always_inline)) int
mni_block(struct mni_cpu *c, struct mni_thread *t, const char *what, const void *on, int64_t deadline,
          void (*after)(struct mni_cpu *, struct mni_thread *)) {
    return mni_block_as(c, t, what, on, true, deadline, after);
}

void mni_after_block(struct mni_cpu *c, struct mni_thread *t);

/* mni_wait for a green thread, without a deadline and with a lock; inline for where that counts. */
static inline __attribute__((always_inline)) int mni_block_on(struct mni_cpu *c, struct mni_thread *t,
                                                              const char *what, const void *on,
                                                              struct mni_olock *lock) {
    c->after_lock = lock;
    return mni_block_as(c, t, what, on, false, MN_FOREVER, mni_after_block);
}

/* mni_block, where it need not be fast.  `after` stores WAITING, on the next stack (wait.c, park.c). */
int mni_wait_after(struct mni_cpu *c, const char *what, const void *on, int64_t deadline,
                   void (*after)(struct mni_cpu *, struct mni_thread *));

/* The same from anywhere: through the inbox of a cpu. */
void mni_ready_remote(struct mni_thread *t);
/* The same of many, the oldest first. */
void mni_inbox_push_all(struct mni_cpu *to, struct mni_thread *const *all, unsigned n);
void mni_inbox_drain(struct mni_cpu *c);
/* The cpu rests: its threads go to others, but for pinned ones. */
void mni_leave_work(struct mni_cpu *c);

#endif
