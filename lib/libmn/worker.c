/*
 * worker: the LWPs that run cpus, and the loop that each runs on its own stack when no thread has another to switch to.
 */
#include "worker.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "enter.h"
#include "exceptions.h"
#include "fault.h"
#include "fork.h"
#include "idle.h"
#include "lock.h"
#include "run.h"
#include "sched.h"
#include "signals.h"
#include "slack.h"
#include "take.h"
#include "umtx.h"

__thread struct mni_worker *mni_worker_tls;

static struct {
    struct lock lock;
    struct mni_worker *all;    /* atomic: read without the lock */
    struct mni_worker *spares; /* linked through next */
    uint32_t count;
} workers = {.lock = LOCK_INIT(RANK_POOL)};

struct mni_worker *mni_workers_all(void) {
    /* Acquire: pairs with the release of make(). */
    return aptr_load_acquire(&workers.all);
}

static struct mni_worker *make(struct mni_cpu *cpu) {
    struct mni_worker *w = fault("malloc") ? NULL : aligned_alloc(MNI_LINE, (sizeof *w + MNI_LINE - 1) / MNI_LINE * MNI_LINE);
    if (!w)
        return NULL;
    *w = (struct mni_worker){.cpu = cpu, .taken = mni_rt->membarrier ? 0 : MNI_TAKEN_FENCE};
    lock_take(&workers.lock);
    w->index = workers.count++;
    w->all = workers.all;
    aptr_store_release(&workers.all, w);
    lock_drop(&workers.lock);
    if (cpu)
        aptr_store_release(&cpu->worker, w); /* pairs with mark() in take.c */
    return w;
}

void mni_worker_detached(struct mni_worker *w) {
    mni_topo_unbind(&mni_rt->topo, w->tid, false);
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
        c->after = mni_after_nothing;
        mni_prepare(c, t);
        void *sp = mni_context(c, t);
        mni_fiber_leave(&w->fiber, &t->fiber);
        mni_ctx_switch_inline(&w->sp, sp);
        mni_fiber_arrive(&w->fiber);
        c = w->cpu;
        if (!c)
            return false;
        c->after(c, c->after_thread);
    }
}

/* Sleeps until it is given a cpu; false: the runtime stops. */
static bool wait_for_cpu(struct mni_worker *w) {
    for (;;) {
        uint32_t sleep = a32_load_acquire(&w->sleep);
        if (aptr_load_acquire(&w->cpu))
            return true;
        if (a32_load_acquire(&mni_rt->stop))
            return false;
        umtx_wait(&w->sleep, sleep, NULL, CLOCK_MONOTONIC, UMTX_PRIVATE);
    }
}

static void loop(struct mni_worker *w) {
    mni_worker_tls = w;
    w->err = &errno;
    w->exceptions = mni_exceptions_lwp();
    mni_fiber_lwp(&w->fiber);
    w->tid = (int)syscall(SYS_gettid);
    clockid_t clock;
    if (pthread_getcpuclockid(pthread_self(), &clock) == 0)
        a32_store((uint32_t *)&w->clock, (uint32_t)clock); /* relaxed: a hint to policy.c */
    mni_signals_worker_start();
    for (;;) {
        if (!wait_for_cpu(w))
            break;
        mni_topo_bind(&mni_rt->topo, w->cpu->index);
        if (run(w))
            break;
        struct mni_thread *t = w->lost;
        w->lost = NULL;
        if (t)
            mni_inbox_push(mni_rt->cpus[t->cpu], t);
        /* Outside since it lost its cpu: the mark goes before it can get another, and WAITED, if it was set too late. */
        a32_store_release(&w->inside, 0);
        a32_and_full(&w->taken, ~(uint32_t)(MNI_TAKEN_AWAY | MNI_TAKEN_WAITED));
        mni_spare_give(w);
    }
    a32_store_release(&w->inside, 0);
    mni_signals_worker_end();
    mni_worker_tls = NULL;
}

static void *lwp_main(void *arg) {
    lwp_timer_slack(1); /* who sleeps here sleeps until a deadline */
    loop(arg);
    return NULL;
}

static int start(struct mni_worker *w) {
    sigset_t old;
    mni_signals_block(&old);
    int r = fault("clone") ? EAGAIN : pthread_create(&w->lwp, NULL, lwp_main, w);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (r)
        return -r;
    w->own_lwp = true;
    return 0;
}

int mni_worker_start(struct mni_cpu *cpu) {
    struct mni_worker *w = make(cpu);
    return w ? start(w) : -ENOMEM;
}

int mni_worker_run_here(struct mni_cpu *cpu) {
    struct mni_worker *w = make(cpu);
    if (!w)
        return -ENOMEM;
    sigset_t old;
    mni_signals_block(&old);
    int saved = errno;
    long slack = lwp_timer_slack(1);
    loop(w);
    lwp_timer_slack(slack);
    mni_topo_unbind(&mni_rt->topo, 0, true);
    errno = saved;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return 0;
}

struct mni_worker *mni_spare_take(void) {
    lock_take(&workers.lock);
    struct mni_worker *w = workers.spares;
    if (w)
        workers.spares = w->next;
    lock_drop(&workers.lock);
    if (!w && (w = make(NULL)))
        w->unborn = true;
    if (w && w->unborn) {
        if (start(w) < 0) {
            /* It stays in the list of all, without an LWP, and may get one next time. */
            mni_spare_give(w);
            return NULL;
        }
        w->unborn = false;
    }
    return w;
}

void mni_spare_give(struct mni_worker *w) {
    lock_take(&workers.lock);
    w->next = workers.spares;
    workers.spares = w;
    lock_drop(&workers.lock);
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
}

void mni_workers_join(void) {
    struct mni_worker *w = mni_workers_all();
    for (struct mni_worker *i = w; i; i = i->all)
        if (i->own_lwp)
            pthread_join(i->lwp, NULL);
    while (w) {
        struct mni_worker *next = w->all;
        free(w);
        w = next;
    }
    workers.all = workers.spares = NULL;
    workers.count = 0;
}

void mni_workers_forked(void) {
    mni_worker_tls = NULL;
    lock_reset(&workers.lock);
    workers.all = workers.spares = NULL;
    workers.count = 0;
}
