/* sched: yielding, making ready, and what is looked at between threads (sched.h). */
#include "sched.h"

#include "clock.h"
#include "cpu.h"
#include "export.h"
#include "idle.h"
#include "io/poller.h"
#include "proc/proc.h"
#include "progress/nap.h"
#include "runtime/keep.h"
#include "solo_mode.h"
#include "take.h"
#include "thread/table.h"
#include "timekeeper.h"
#include "wait/foreign.h"

/*
 * How often the clock is read: so that a look comes every MNI_LOOK_NS, whatever the threads do between two
 * switches.  It costs 25 ns.
 */
enum { MOST_TICKS = 128 };

enum { LEAVE_AT_ONCE = 32 };

/*
 * A slice is so many calls, and it is inherited; where calls are far apart, that is long.  So the slice also
 * ends when the ring's oldest thread has been that for slice_us.
 */
static void look_at_slice(struct mni_cpu *c, int64_t now) {
    uint32_t head = c->head;
    if (head != c->oldest || head == c->tail) {
        c->oldest = head;
        c->oldest_since = now;
    } else if (now - c->oldest_since > mni_rt->config.slice_us * 1000ll && c->budget > 0) {
        c->budget = 0;
        c->strand = MNI_STRAND;
    }
}

void mni_housekeep(struct mni_cpu *c) {
    if (aptr_load(&c->remote.inbox))
        mni_inbox_drain(c);
    mni_answer(c);
    if (c->tick > 0)
        return;
    int64_t now = (int64_t)clock_now_ns(), passed = now - c->now;
    if (passed > 2 * MNI_LOOK_NS)
        c->ticks = (uint32_t)((int64_t)c->ticks * MNI_LOOK_NS / passed) + 1;
    else if (passed < MNI_LOOK_NS && c->ticks < MOST_TICKS)
        c->ticks++;
    c->tick = (int32_t)c->ticks;
    a64_store((uint64_t *)&c->now, (uint64_t)now); /* relaxed: read by mni_nap_put_off */
    mni_come_round(now);
    look_at_slice(c, now);
    mni_thread_share(c);
    mni_solo_look(c, now);
    mni_run_timers(c, now);
    mni_poller_tick(c, now);
    if (__builtin_expect(c->proc->vacant, 0))
        mni_executor_sought(c);
    if (__builtin_expect(c->index >= a32_load(&mni_rt->active), 0))
        mni_leave_work(c);
    else if (a32_load(&mni_rt->idlers) && mni_runq_more(c))
        mni_call_help(c);
}

static void slice_used(struct mni_thread *t) {
    uint32_t *slices = &mni_extra(t)->slices;
    a32_store(slices, *slices + 1); /* relaxed: proc/inspect.c looks at it */
}

struct mni_thread *mni_next_any(struct mni_cpu *c) {
    if (__builtin_expect(--c->tick <= 0 || aptr_load(&c->remote.inbox) || a32_load(&c->remote.want), 0))
        mni_housekeep(c);
    if (__builtin_expect(c->budget <= 0, 0) && c->current)
        slice_used(c->current);
    return mni_runq_pick(c);
}

/* A thread that others may see by now is pushed when it stands on its stack no more: its home is another
 * cpu. */
static void after_push_remote(struct mni_cpu *c, struct mni_thread *t) {
    (void)c;
    mni_inbox_push(mni_rt->cpus[t->cpu], t);
}

/* Where a thread that last was on that cpu is to run: elsewhere, if that rests. */
static struct mni_cpu *at_work(unsigned cpu) {
    uint32_t active = a32_load(&mni_rt->active);
    return mni_rt->cpus[cpu < active ? cpu : cpu % active];
}

/* From a cpu that rests. */
static void after_push_active(struct mni_cpu *c, struct mni_thread *t) {
    mni_inbox_push(at_work(c->index), t);
}

static __attribute__((noinline)) struct mni_cpu *
switch_slow(struct mni_cpu *c, struct mni_thread *from, struct mni_thread *to,
            void (*after)(struct mni_cpu *, struct mni_thread *)) {
    return mni_switch(c, from, to, after);
}

/* Returns the cpu that the thread is on now. */
static inline __attribute__((always_inline)) struct mni_cpu *yield(struct mni_cpu *c, struct mni_thread *t) {
    if (__builtin_expect(t->flags & MNI_EXECUTOR, 0)) {
        mni_callback_looks(t);
        mni_executor_blocks(c, t); /* other handlers of the cpu have their turn, too */
    }
    a8_store(&t->state, MNI_READY);
    if (__builtin_expect((t->flags & MNI_PINNED) && t->cpu != c->index, 0))
        /* It was stolen before it ran, or its LWP lost its cpu: back home. */
        return switch_slow(c, t, mni_next(c), after_push_remote);
    struct mni_thread *next = mni_next_round(c, t);
    if (__builtin_expect(!next, 0)) {
        next = mni_next(c);
        if (!next && c->index >= a32_load(&mni_rt->active) && !(t->flags & MNI_PINNED))
            return switch_slow(c, t, NULL, after_push_active);
        if (!next) {
            a8_store(&t->state, MNI_RUNNING);
            return c;
        }
        mni_runq_push_fair(c, t);
    }
    return mni_switch(c, t, next, NULL);
}

/* Past its slice, at the end of a call. */
void mni_resched(void) {
    struct mni_cpu *c = mni_cpu_self();
    c->budget = MNI_BUDGET;
    c->strand = 0;
    struct mni_thread *t = c->current;
    slice_used(t);
    c = yield(c, t);
    if (t->own->proc)
        mni_proc_slice_ends(c);
    /* Relaxed: what comes now is seen at the end of the next call that blocks. */
    if (__builtin_expect((a32_load(&t->park.claim) & (MNI_CANCEL | MNI_SHIELD)) == MNI_CANCEL, 0))
        mni_proc_cancelled(c);
}

MN_EXPORT int mn_yield(void) {
    struct mni_cpu *c = mni_enter();
    if (!c) {
        mni_foreign_enter();
        sched_yield();
        return mni_cancelled_self() ? -ECANCELED : 0; /* it may be a bound thread */
    }
    struct mni_thread *t = c->current;
    mni_count(c, yields, 1);
    c = yield(c, t);
    /* Relaxed: only the thread itself would act on it. */
    bool cancelled = (a32_load(&t->park.claim) & (MNI_CANCEL | MNI_SHIELD)) == MNI_CANCEL;
    if (__builtin_expect(cancelled, 0)) {
        mni_proc_cancelled(c);
        mni_leave(mni_cpu_self());
        return -ECANCELED;
    }
    mni_leave(c);
    return 0;
}

static void ready_remote(struct mni_thread *t) {
    mni_inbox_push(t->flags & MNI_PINNED ? mni_rt->cpus[t->cpu] : at_work(t->cpu), t);
}

void mni_ready_remote(struct mni_thread *t) {
    if (mni_worker_self()) {
        ready_remote(t);
        return;
    }
    /* The thread may run and end, and the runtime with it, before its cpu's worker has been woken. */
    mni_keep_alive();
    ready_remote(t);
    mni_let_go_foreign();
}

void mni_leave_work(struct mni_cpu *c) {
    uint32_t active = a32_load(&mni_rt->active);
    struct mni_thread *all[LEAVE_AT_ONCE];
    for (unsigned n; (n = mni_runq_give(c, true, all, LEAVE_AT_ONCE)) != 0;) {
        mni_count(c, stolen, n);
        mni_inbox_push_all(mni_rt->cpus[a32_add(&mni_rt->inject, 1) % active], all, n);
    }
}

/* A stack of threads, pushed by anyone, emptied as a whole by the owner: no thread is taken out singly, so
 * no ABA. */
static void push_chain(struct mni_cpu *to, struct mni_thread *first, struct mni_thread *last) {
    struct mni_thread *head;
    cpu_will_write(&to->remote.inbox);
    do {
        head = aptr_load(&to->remote.inbox);
        last->next = head;
        /* Full: pairs with the swap of mni_inbox_drain, and orders this push before the look at idle
         * (idle.c). */
    } while (!aptr_cas_full(&to->remote.inbox, head, first));
    mni_ring_up(to);
}

void mni_inbox_push(struct mni_cpu *to, struct mni_thread *t) {
    push_chain(to, t, t);
}

void mni_inbox_push_all(struct mni_cpu *to, struct mni_thread *const *all, unsigned n) {
    for (unsigned i = 1; i < n; i++)
        all[i]->next = all[i - 1];
    if (n)
        push_chain(to, all[n - 1], all[0]);
}

void mni_inbox_drain(struct mni_cpu *c) {
    /* Full: pairs with the push; what its thread wrote before is seen. */
    struct mni_thread *t = aptr_swap_full(&c->remote.inbox, NULL), *oldest = NULL;
    if (t)
        cpu_will_write(t);
    mni_gift_open(c); /* its last one was in the inbox */
    while (t) {
        struct mni_thread *next = t->next;
        t->next = oldest;
        oldest = t;
        t = next;
    }
    bool more = false; /* one that came alone runs next */
    for (t = oldest; t; t = oldest) {
        oldest = t->next;
        a8_store(&t->state, t->sp ? MNI_READY : MNI_FRESH);
        more |= !mni_runq_empty(c);
        mni_runq_push_quietly(c, t);
    }
    if (more)
        mni_runq_seek_help(c);
}
