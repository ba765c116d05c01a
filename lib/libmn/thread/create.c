/* create: starting a thread, up to its first instruction. */
#include "create.h"

#include <errno.h>

#include "bound.h"
#include "exit.h"
#include "export.h"
#include "runtime/fork.h"
#include "runtime/keep.h"
#include "runtime/run.h"
#include "sched/sched.h"
#include "sched/take.h"
#include "scope.h"
#include "table.h"
#include "wait/foreign.h"

static const struct mn_attr plain;

static bool valid(const struct mn_attr *a, void *(*fn)(void *)) {
    return fn && (unsigned)a->stack < MNI_STACK_CLASSES && (unsigned)a->priority <= MN_LOW && a->flags <= 31 &&
           !((a->flags & MN_BOUND) && (a->flags & (MN_CHILD_FIRST | MN_PINNED | MN_CPU)));
}

/* There is a runtime. */
static int check(const struct mn_attr *a) {
    /* Relaxed: a thread that is started as the runtime ends is found by who ends it, or refused. */
    if (a32_load(&mni_rt->ending))
        return -EPERM;
    return (a->flags & MN_CPU) && a->cpu >= mni_rt->ncpus ? -EINVAL : 0;
}

/* What the last thread that had this descriptor left is set anew; it is in no queue and no timer runs. */
static inline __attribute__((always_inline)) void prepare(struct mni_thread *t, const struct mn_attr *a,
                                                          void *(*fn)(void *), void *arg, unsigned cpu,
                                                          unsigned class, bool detached) {
    /* Keeps the count of waits: a late mn_unpark for the last owner must not hit. */
    /* Release: after its last owner's handle is stale; pairs with mn_cancel. */
    uint32_t claim = (a32_load(&t->park.claim) & ~(uint32_t)(MNI_CLAIM_SEQ - 1)) + MNI_CLAIM_SEQ;
    a32_store_release(&t->park.claim, claim);
    a32_store_release(&t->permit, claim / MNI_CLAIM_SEQ << MNI_PARK_SEQ); /* likewise, with mn_unpark */
    t->park.foreign = MNI_GREEN; /* the last may have been a bound thread */
    t->sp = NULL;
    t->flags = (uint16_t)(a->flags & (MNI_PINNED | MNI_BOUND | MNI_INT_RESULT));
    t->cpu = (uint16_t)cpu;
    a8_store(&t->state, MNI_FRESH);
    a8_store(&t->priority, (uint8_t)a->priority);
    t->stack_class = (uint8_t)class;
    a8_store(&t->ended, detached || (a->flags & MN_DETACHED) ? MNI_DETACHED : MNI_LIVES);
    t->fn = fn;
    t->arg = arg;
    t->joiner = NULL;
    if (a->name)
        mni_thread_set_name(t, a->name);
}

/* Not inside the runtime, and solo mode is over. */
static int go_shared(mn_thread *out, const struct mn_attr *a, void *(*fn)(void *), void *arg) {
    MNI_KEEP_OR(-EPERM);
    int r = check(a);
    if (r < 0)
        return r;
    /* Counted before it can end: otherwise all seem to have ended while the caller still runs. */
    mni_count_foreign_spawn(1);
    fence_full(); /* pairs with the swap of `ending`: who ends the runtime sees the count, or we that it does */
    struct mni_thread *t = a32_load(&mni_rt->ending) ? NULL : mni_thread_take_shared(&r);
    if (!t) {
        mni_count_foreign_spawn(-1);
        return r < 0 ? r : -EPERM;
    }
    unsigned cpu = a->flags & MN_CPU ? a->cpu : a32_add(&mni_rt->inject, 1) % a32_load(&mni_rt->active);
    prepare(t, a, fn, arg, cpu, a->stack ? a->stack : mni_rt->config.stack, !out);
    if (out)
        a64_store(out, mni_thread_handle(t)); /* relaxed: a process's word, which who has a stale pid may read */
    char *stack = a->flags & MN_BOUND ? NULL : mni_stack_take_shared(t->stack_class);
    if (stack)
        mni_stack_attach(t, stack);
    if (!stack && !(a->flags & MN_BOUND))
        r = -ENOMEM;
    else if (a->scope)
        r = mni_scope_enter(a->scope, t);
    if (r == 0 && a->flags & MN_BOUND && (r = mni_bound_start(t)) < 0 && a->scope)
        mni_scope_leave(t, NULL);
    if (r < 0) {
        mni_count_foreign_spawn(-1);
        if (stack) {
            mni_fiber_end(&mni_extra(t)->fiber);
            mni_stack_give_shared(t->stack_class, stack);
            t->own = NULL;
        }
        if (out)
            a64_store(out, 0);
        mni_thread_give_shared(t);
        return r;
    }
    if (!(a->flags & MN_BOUND))
        mni_ready_remote(t);
    return 0;
}

/* Child first.  By itself: the switch makes its function save all registers. */
static __attribute__((noinline)) struct mni_cpu *start_child(struct mni_cpu *c, struct mni_thread *t) {
    struct mni_thread *parent = c->current;
    a8_store(&parent->state, MNI_READY);
    t->flags |= MNI_CHILD;
    mni_extra(t)->spawner = parent;
    mni_runq_push_fair(c, parent);
    return mni_switch(c, parent, t, NULL);
}

/* On a cpu of the caller's, which may be another one afterwards. */
static inline __attribute__((always_inline)) int
go_here(struct mni_cpu **cpu, mn_thread *out, const struct mn_attr *a, void *(*fn)(void *), void *arg) {
    struct mni_cpu *c = *cpu;
    int r = 0;
    unsigned class = a->stack ? a->stack : mni_rt->config.stack;
    struct mni_thread *t = c->kept;
    if (__builtin_expect(t && t->stack_class == class, 1)) {
        mni_thread_take_kept(c);
    } else {
        if (__builtin_expect(!c->free && !t, 0) && (r = mni_thread_refill(c)) < 0)
            return r;
        if ((r = mni_stack_reserve(&c->stacks, class)) < 0)
            return r;
        if (__builtin_expect(c->free != NULL, 1))
            t = mni_thread_take_bare(c);
        else
            mni_thread_drop_stack(c, mni_thread_take_kept(c));
    }
    prepare(t, a, fn, arg, a->flags & MN_CPU ? a->cpu : c->index, class, !out);
    if (__builtin_expect(a->scope != NULL, 0) && (r = mni_scope_enter(a->scope, t)) < 0) {
        mni_thread_give(c, t); /* with its stack, if it kept one */
        if (!t->own)
            mni_stack_unreserve(&c->stacks, class);
        return r;
    }
    if (out)
        a64_store(out, mni_thread_handle(t)); /* relaxed: as above */
    mni_count(c, spawns, 1);
    if (__builtin_expect(a->flags & MN_CPU, 0) && a->cpu != c->index) {
        mni_inbox_push(mni_rt->cpus[a->cpu], t);
    } else if (a->flags & MN_CHILD_FIRST) {
        *cpu = start_child(c, t);
    } else {
        mni_runq_push_hot(c, t);
        /* Its spawner may not switch for long, and be inside the runtime most of the time, if it starts
         * many. */
        if (__builtin_expect(a32_load(&mni_rt->idlers) != 0, 0))
            mni_call_help(c);
        mni_answer(c);
    }
    return 0;
}

static __attribute__((noinline)) int go_bound(mn_thread *out, const struct mn_attr *a, void *(*fn)(void *),
                                              void *arg) {
    mni_foreign_hold();
    int r = go_shared(out, a, fn, arg);
    mni_foreign_let();
    return r;
}

static inline __attribute__((always_inline)) int go(mn_thread *out, const struct mn_attr *a,
                                                    void *(*fn)(void *), void *arg) {
    struct mni_cpu *c = mni_enter();
    if (!c) {
        mni_foreign_enter();
        return go_shared(out, a, fn, arg);
    }
    if (__builtin_expect(a->flags & MN_BOUND, 0)) {
        mni_leave(c);
        return go_bound(out, a, fn, arg);
    }
    int r = check(a);
    if (__builtin_expect(r == 0, 1))
        r = go_here(&c, out, a, fn, arg);
    mni_leave(c);
    return r;
}

int mni_go_here(struct mni_cpu *c, mn_thread *out, const struct mn_attr *attr, void *(*fn)(void *), void *arg) {
    return go_here(&c, out, attr, fn, arg);
}

static __attribute__((noinline)) int go_plain(mn_thread *out, void *(*fn)(void *), void *arg) {
    return go(out, &plain, fn, arg);
}

MN_EXPORT int mn_go(mn_thread *out, void *(*fn)(void *), void *arg) {
    if (__builtin_expect(!fn, 0))
        return -EINVAL;
    /* What it mostly is, without a call, so that no registers are saved: a free descriptor with a stack,
     * nobody sleeps. */
    struct mni_cpu *c = mni_enter_quick();
    struct mni_thread *t = c ? c->kept : NULL;
    const struct mni_runtime *rt = mni_rt; /* there, if t is */
    if (__builtin_expect(!t || t->stack_class != rt->config.stack ||
                             (a32_load(&rt->idlers) | a32_load(&rt->ending) | a32_load(&c->remote.want)) != 0,
                         0))
        return go_plain(out, fn, arg);
    struct mni_thread *old = c->hot;
    if (__builtin_expect(old != NULL, 0)) {
        if (mni_ring_full(c))
            return go_plain(out, fn, arg);
        mni_ring_put(c, old);
    }
    c->budget--;
    mni_thread_take_kept(c);
    prepare(t, &plain, fn, arg, c->index, t->stack_class, !out);
    if (out)
        *out = mni_thread_handle(t);
    mni_count(c, spawns, 1);
    aptr_store(&c->hot, t); /* relaxed: a hint for others */
    mni_leave(c);
    return 0;
}

MN_EXPORT int mn_go_attr(mn_thread *out, const struct mn_attr *attr, void *(*fn)(void *), void *arg) {
    if (!attr)
        attr = &plain;
    return valid(attr, fn) ? go(out, attr, fn, arg) : -EINVAL;
}

int mni_go_int(const struct mn_attr *attr, int (*fn)(void *), void *arg) {
    struct mn_attr a = *attr;
    void *(*entry)(void *) = (void *(*)(void *))(void (*)(void))fn;
    if (!valid(&a, entry))
        return -EINVAL;
    a.flags |= MNI_INT_RESULT;
    return go(NULL, &a, entry, arg);
}

/* The first thread of mn_run: its cpu has no worker yet, so it is the caller's. */
int mni_create_first(void *(*fn)(void *), void *arg) {
    struct mni_cpu *c = mni_rt->cpus[0];
    unsigned class = mni_rt->config.stack;
    int r = mni_thread_refill(c);
    if (r < 0 || (r = mni_stack_reserve(&c->stacks, class)) < 0)
        return r;
    struct mni_thread *t = mni_thread_take_bare(c);
    prepare(t, &plain, fn, arg, 0, class, true);
    mni_thread_set_name(t, "main");
    t->flags |= MNI_MAIN | MNI_UNTIDY;
    mni_count(c, spawns, 1);
    aptr_store(&c->hot, t); /* relaxed: thieves may look already */
    return 0;
}

static uint64_t foreign_spawns; /* atomic; counts only */

void mni_create_reset(void) {
    a64_store(&foreign_spawns, mni_bound_ends());
}

void mni_count_foreign_spawn(int n) {
    a64_add(&foreign_spawns, (uint64_t)n);
}

uint64_t mni_foreign_spawns(void) {
    return a64_load(&foreign_spawns);
}

uint64_t mni_alive(void) {
    uint64_t ended = mni_bound_ends();
    /* Ends first: a thread that is started meanwhile is counted, or nothing of it is. */
    for (unsigned i = 0; i < mni_rt->ncpus; i++)
        ended += a64_load(&mni_rt->cpus[i]->count.ends);
    fence_full();
    uint64_t spawned = mni_foreign_spawns();
    for (unsigned i = 0; i < mni_rt->ncpus; i++)
        spawned += a64_load(&mni_rt->cpus[i]->count.spawns);
    return spawned - ended;
}
