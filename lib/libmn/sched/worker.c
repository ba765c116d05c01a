/*
 * worker: the LWPs that run cpus, and the loop that each runs on its own stack when no thread has another to
 * switch to.
 *
 * A worker without a cpu is a spare.  Most hand-offs find one, last in, first out; one that was not needed for
 * SPARE_NS ends, if there are more than SPARES_KEPT.  Only its LWP does: others may look at a worker at any
 * time (take.c), so its structure waits in a list of the unborn for another LWP, until the runtime ends.
 *
 *     has a cpu -> lost it, keeps its thread -> spare -> has a cpu ...
 *     unborn -> (LWP made) spare, at once taken;  spare -> (LWP ends, is joined by who comes next) unborn
 */
#include "worker.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"
#include "enter.h"
#include "fault.h"
#include "idle.h"
#include "io/poller.h"
#include "lock.h"
#include "runtime/fork.h"
#include "runtime/map.h"
#include "runtime/run.h"
#include "sched.h"
#include "signals.h"
#include "slack.h"
#include "slice.h"
#include "take.h"
#include "thread/exceptions.h"
#include "umtx.h"
#include "wait/foreign.h"

enum { SPARES_KEPT = 8 };
#define SPARE_NS 5000000000ll

__thread struct mni_worker *mni_worker_tls;

static struct {
    struct lock lock;
    struct mni_worker *all;    /* atomic: read without the lock */
    struct mni_worker *spares, *unborn; /* linked through next */
    uint32_t count, idle;      /* of all; in the list of spares */
    uint32_t lwps, most_lwps;  /* that there are, or are about to be; atomic: read without the lock */
} workers = {.lock = LOCK_INIT(RANK_POOL)};

struct mni_worker *mni_workers_all(void) {
    /* Acquire: pairs with the release of make(). */
    return aptr_load_acquire(&workers.all);
}

/* With the lock. */
static void count_lwp(int n) {
    uint32_t lwps = workers.lwps + (uint32_t)n;
    a32_store(&workers.lwps, lwps); /* relaxed: statistics */
    if (lwps > workers.most_lwps)
        a32_store(&workers.most_lwps, lwps);
}

/* For a cpu, whose LWP is counted; or, NULL, for one that the caller has counted. */
static struct mni_worker *make(struct mni_cpu *cpu) {
    struct mni_worker *w = mni_alloc_lines(sizeof *w);
    if (!w)
        return NULL;
    w->cpu = cpu;
    w->taken = mni_rt->membarrier ? 0 : MNI_TAKEN_FENCE;
    lock_take(&workers.lock);
    w->index = workers.count++;
    w->all = workers.all;
    aptr_store_release(&workers.all, w);
    if (cpu)
        count_lwp(1);
    lock_drop(&workers.lock);
    if (cpu)
        aptr_store_release(&cpu->worker, w); /* pairs with mark() in take.c */
    return w;
}

void mni_worker_detached(struct mni_worker *w) {
    /* A pinned thread stays on its CPU, beside the others of its cpu. */
    if (!(w->detached->flags & MNI_PINNED))
        mni_topo_unbind(&mni_rt->topo, w->tid, false);
    lwp_slice(w->tid, LWP_SLICE_DEFAULT);
}

/* Runs its cpu until that is taken away (false) or the runtime stops (true). */
static bool run(struct mni_worker *w) {
    struct mni_cpu *c = mni_enter_loop(w);
    c->err = w->err;
    c->exceptions = w->exceptions;
    for (;;) {
        struct mni_thread *t = mni_next(c);
        if (!t) {
            c->tick = 0;
            mni_housekeep(c);
            t = mni_runq_pick(c);
        }
        if (!t) {
            if (a32_load_acquire(&mni_rt->stop))
                return true;
            if (!mni_idle(w))
                return false;
            c = w->cpu;
            continue;
        }
        c->after = NULL;
        mni_prepare(c, t);
        void *sp = mni_context(c, t);
        mni_fiber_leave(&w->fiber, &mni_extra(t)->fiber);
        mni_ctx_switch_inline(&w->sp, sp);
        mni_fiber_arrive(&w->fiber);
        c = w->cpu;
        if (!c)
            return false;
        if (c->after)
            c->after(c, c->after_thread);
    }
}

/* It is in the list of spares, and there are enough of them: out of the list, and true. */
static bool quit(struct mni_worker *w) {
    bool found = false;
    lock_take(&workers.lock);
    for (struct mni_worker **p = &workers.spares; *p && workers.idle > SPARES_KEPT; p = &(*p)->next)
        if (*p == w) {
            *p = w->next;
            a32_store(&workers.idle, workers.idle - 1); /* relaxed: statistics */
            found = true;
            break;
        }
    lock_drop(&workers.lock);
    return found;
}

/* Sleeps until it is given a cpu; false: the runtime stops, or the LWP is to end. */
static bool wait_for_cpu(struct mni_worker *w) {
    for (;;) {
        /* Anew each time: one that is kept would not sleep any more once it had passed. */
        int64_t until = (int64_t)clock_now_ns() + SPARE_NS;
        struct timespec ts = clock_timespec(until);
        uint32_t sleep = a32_load_acquire(&w->sleep);
        if (aptr_load_acquire(&w->cpu))
            return true;
        if (a32_load_acquire(&mni_rt->stop))
            return false;
        int r = umtx_wait(&w->sleep, sleep, w->own_lwp ? &ts : NULL, CLOCK_MONOTONIC, UMTX_PRIVATE);
        if (r == -ETIMEDOUT && (w->ends = quit(w)))
            return false;
    }
}

static void loop(struct mni_worker *w) {
    mni_worker_tls = w;
    w->err = &errno;
    w->exceptions = mni_exceptions_lwp();
    mni_fiber_lwp(&w->fiber);
    a32_store((uint32_t *)&w->tid, (uint32_t)syscall(SYS_gettid)); /* relaxed: lwps.c */
    clockid_t clock;
    if (pthread_getcpuclockid(pthread_self(), &clock) == 0)
        a32_store((uint32_t *)&w->clock, (uint32_t)clock); /* relaxed: a hint to policy.c */
    mni_signals_worker_start();
    for (;;) {
        if (!wait_for_cpu(w))
            break;
        mni_topo_bind(&mni_rt->topo, w->cpu->index);
        /* Beside an LWP that lost this cpu and computes, it runs soon when a thread of it is woken. */
        lwp_slice(0, LWP_SLICE_SHORT);
        if (run(w))
            break;
        struct mni_thread *t = w->lost;
        w->lost = NULL;
        if (t)
            mni_ready_remote(t);
        /* Outside since it lost its cpu: the mark goes before it can get another, and WAITED, if it was set
         * too late. */
        a32_store_release(&w->inside, 0);
        a32_and_full(&w->taken, ~(uint32_t)(MNI_TAKEN_AWAY | MNI_TAKEN_WAITED | MNI_TAKEN_TELL));
        mni_spare_give(w);
    }
    a32_store_release(&w->inside, 0);
    a32_store((uint32_t *)&w->tid, 0);
    mni_signals_worker_end();
    mni_worker_tls = NULL;
}

static void give_unborn(struct mni_worker *w, int lwps) {
    lock_take(&workers.lock);
    w->next = workers.unborn;
    workers.unborn = w;
    count_lwp(lwps);
    lock_drop(&workers.lock);
}

static void *lwp_main(void *arg) {
    pthread_setname_np(pthread_self(), "mn-worker");
    lwp_timer_slack(1); /* who sleeps here sleeps until a deadline */
    loop(arg);
    struct mni_worker *w = arg;
    if (w->ends)
        give_unborn(w, -1);
    return NULL;
}

/* An LWP that has ended is joined: by the one that has taken the worker out of the list. */
static void join(struct mni_worker *w) {
    if (w->own_lwp)
        pthread_join(w->lwp, NULL);
    w->own_lwp = w->ends = false;
}

/* The LWP is counted. */
static int start(struct mni_worker *w) {
    sigset_t old;
    w->own_lwp = true;
    mni_signals_block(&old);
    int r = fault("clone") ? EAGAIN : pthread_create(&w->lwp, NULL, lwp_main, w);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (r)
        w->own_lwp = false;
    return -r;
}

int mni_worker_start(struct mni_cpu *cpu) {
    struct mni_worker *w = make(cpu);
    if (!w)
        return -ENOMEM;
    return start(w);
}

int mni_worker_run_here(struct mni_cpu *cpu) {
    struct mni_worker *w = make(cpu);
    if (!w)
        return -ENOMEM;
    sigset_t old;
    mni_signals_block(&old);
    mni_foreign_rests(); /* after the last handler */
    int saved = errno;
    long slack = lwp_timer_slack(1);
    /* Its own, if the switches copy them: a thread that lost its cpu may have left some here. */
    void **exceptions = mni_exceptions_lwp(), *own[2] = {0};
    if (exceptions)
        memcpy(own, exceptions, sizeof own);
    loop(w);
    if (exceptions)
        memcpy(exceptions, own, sizeof own);
    lwp_timer_slack(slack);
    lwp_slice(0, LWP_SLICE_DEFAULT);
    mni_topo_unbind(&mni_rt->topo, 0, true);
    errno = saved;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return 0;
}

struct mni_worker *mni_spare_take(void) {
    lock_take(&workers.lock);
    struct mni_worker *w = workers.spares;
    if (w) {
        workers.spares = w->next;
        a32_store(&workers.idle, workers.idle - 1); /* relaxed: statistics */
        lock_drop(&workers.lock);
        return w;
    }
    bool allowed = workers.lwps < mni_rt->config.max_lwps;
    if (allowed) {
        w = workers.unborn;
        workers.unborn = w ? w->next : NULL;
        count_lwp(1);
    }
    lock_drop(&workers.lock);
    if (!allowed)
        return NULL;
    if (w)
        join(w);
    else if (!(w = make(NULL))) {
        lock_take(&workers.lock);
        count_lwp(-1);
        lock_drop(&workers.lock);
        return NULL;
    }
    if (start(w) < 0) {
        give_unborn(w, -1);
        return NULL;
    }
    return w;
}

void mni_spare_give(struct mni_worker *w) {
    lock_take(&workers.lock);
    w->next = workers.spares;
    workers.spares = w;
    a32_store(&workers.idle, workers.idle + 1);
    lock_drop(&workers.lock);
}

void mni_spares_reap(void) {
    for (;;) {
        struct mni_worker **p, *w;
        lock_take(&workers.lock);
        for (p = &workers.unborn; (w = *p) && !w->own_lwp; p = &w->next)
            continue;
        if (w)
            *p = w->next;
        lock_drop(&workers.lock);
        if (!w)
            return;
        join(w);
        give_unborn(w, 0);
    }
}

void mni_workers_lwps(struct mni_lwps *n) {
    *n = (struct mni_lwps){a32_load(&workers.lwps), a32_load(&workers.most_lwps), a32_load(&workers.idle)};
}

static void wake(struct mni_worker *w) {
    a32_add_full(&w->sleep, 1);
    umtx_wake(&w->sleep, 1, UMTX_PRIVATE);
}

void mni_spare_start(struct mni_worker *w) {
    wake(w);
}

void mni_workers_stop(void) {
    a32_swap_full(&mni_rt->stop, 1);
    for (struct mni_worker *w = mni_workers_all(); w; w = w->all)
        wake(w);
    mni_poller_ring();
}

void mni_workers_join(void) {
    for (struct mni_worker *w = mni_workers_all(); w; w = w->all)
        if (w->own_lwp)
            pthread_join(w->lwp, NULL);
}

void mni_workers_end(void) {
    struct mni_worker *w = mni_workers_all();
    while (w) {
        struct mni_worker *next = w->all;
        free(w);
        w = next;
    }
    workers.all = workers.spares = workers.unborn = NULL;
    workers.count = workers.idle = workers.lwps = workers.most_lwps = 0;
}

void mni_workers_forked(void) {
    mni_worker_tls = NULL;
    lock_reset(&workers.lock);
    workers.all = workers.spares = workers.unborn = NULL;
    workers.count = workers.idle = workers.lwps = workers.most_lwps = 0;
}
