/* run: starting and stopping the runtime (mn/run.h). */
#include "run.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "clock.h"
#include "cpu.h"
#include "export.h"
#include "fault.h"
#include "feature.h"
#include "fork.h"
#include "io/poller.h"
#include "keep.h"
#include "lock.h"
#include "locked.h"
#include "map.h"
#include "offload/offload.h"
#include "panic.h"
#include "proc/proc.h"
#include "progress/nap.h"
#include "progress/progress.h"
#include "quota.h"
#include "sched/idle.h"
#include "sched/sched.h"
#include "sched/shake.h"
#include "sched/signals.h"
#include "sched/solo_mode.h"
#include "sched/take.h"
#include "sched/throttle.h"
#include "sched/worker.h"
#include "sync/rwlock.h"
#include "thread/bound.h"
#include "thread/create.h"
#include "thread/exceptions.h"
#include "thread/table.h"
#include "wait/foreign.h"

struct mni_runtime *mni_rt;

static struct lock start_lock = LOCK_INIT(RANK_INIT);
static bool by_run; /* guarded by start_lock */
static uint32_t running; /* workers; 0: there is no runtime that can be used.  Atomic */

static void free_cpu(struct mni_cpu *c) {
    if (!c)
        return;
    if (c->ring)
        mni_ring_shrink(c);
    free(c->timers);
    free(c);
}

static struct mni_cpu *make_cpu(unsigned index) {
    struct mni_cpu *c = mni_alloc_lines(sizeof *c);
    if (!c || !(c->timers = mni_alloc_lines(mni_timers_size()))) {
        free_cpu(c);
        return NULL;
    }
    c->index = index;
    c->now = (int64_t)clock_now_ns();
    mni_timers_init(c->timers, c->now);
    c->ring = c->small;
    c->mask = MNI_RING - 1;
    c->remote.wakes = MN_FOREVER;
    c->tick = 1;
    c->ticks = 1;
    c->budget = MNI_BUDGET;
    c->young = MNI_YOUNG_NS;
    mni_throttle_init(&c->throttle);
    return c;
}

static void release(struct mni_runtime *rt) {
    for (unsigned i = 0; rt->cpus && i < rt->ncpus; i++)
        if (rt->cpus[i]) {
            mni_stacks_flush(&rt->cpus[i]->stacks);
            free_cpu(rt->cpus[i]);
        }
    free(rt->cpus);
    mni_topo_release(&rt->topo);
    free(rt);
}

/* What neither the caller nor the environment said (mn/run.h). */
static void defaults(struct mn_config *c) {
    if (!c->stack)
        c->stack = MN_STACK_64K;
    if (!c->slice_us)
        c->slice_us = 1000;
    if (!c->spin_us)
        c->spin_us = 20;
    if (!c->max_threads)
        c->max_threads = 16000000;
    if (!c->file_lwps)
        c->file_lwps = 32;
    if (!c->dns_lwps)
        c->dns_lwps = 16;
    if (!c->call_lwps)
        c->call_lwps = 256;
    if (!c->lwp_idle_ms)
        c->lwp_idle_ms = 5000;
    if (!c->max_lwps)
        c->max_lwps = 1024;
}

/* Whether two workers have the same CPU: one that spins keeps the other from running then. */
static bool shares_cpus(const struct mni_topo *topo) {
    for (unsigned i = 1; i < topo->workers; i++)
        for (unsigned k = 0; k < i; k++)
            if (topo->cpu[i] == topo->cpu[k])
                return true;
    return false;
}

/* Ticks of cpu_ticks() in MNI_HELP_NS: roughly, from how both clocks went on since the start began. */
static uint64_t help_ticks(uint64_t ticks, uint64_t ns) {
    ticks = cpu_ticks() - ticks;
    ns = clock_now_ns() - ns;
    return ns ? (uint64_t)((double)ticks / (double)ns * MNI_HELP_NS) + 1 : 1;
}

/* Everything but the LWPs. */
static int make(struct mni_runtime **out, const struct mn_config *config) {
    uint64_t ticks = cpu_ticks(), ns = clock_now_ns();
    struct mni_runtime *rt = mni_alloc_lines(sizeof *rt);
    if (!rt)
        return -ENOMEM;
    char complaint[128];
    mni_features_read();
    mni_quota_prepare();
    int r = mni_config_read(&rt->config, config, complaint);
    if (r < 0) {
        if (rt->config.verbose)
            notice("libmn: %s", complaint);
        free(rt);
        return r;
    }
    defaults(&rt->config);
    if ((r = mni_topo_decide(&rt->topo, &rt->config)) < 0) {
        if (rt->config.verbose)
            notice("libmn: %s", r == -EINVAL ? rt->topo.why : "no memory");
        free(rt);
        return r;
    }
    bool shared = shares_cpus(&rt->topo);
    if (shared)
        rt->config.spin_us = -1;
    rt->spin_ns = rt->config.spin_us > 0 && !rt->topo.quota ? (uint64_t)rt->config.spin_us * 1000 : 0;
    rt->ncpus = rt->active = rt->topo.workers;
    rt->fixed = rt->config.workers != 0;
    rt->most_searching = shared ? 1 : (rt->ncpus + 1) / 2;
    rt->membarrier = mni_heavy_barrier_start();
    mni_bias_start(rt->ncpus);
    rt->cpus = fault("malloc") ? NULL : calloc(rt->ncpus, sizeof *rt->cpus);
    bool all = rt->cpus != NULL;
    for (unsigned i = 0; all && i < rt->ncpus; i++)
        all = (rt->cpus[i] = make_cpu(i)) != NULL;
    if (!all) {
        release(rt);
        return -ENOMEM;
    }
    if ((r = mni_table_start(rt->config.max_threads, rt->ncpus)) < 0) {
        release(rt);
        return r;
    }
    if ((r = mni_stack_slab_start(rt->config.stack)) < 0) {
        mni_table_end();
        release(rt);
        return r;
    }
    if ((r = mni_procs_start(rt)) < 0) {
        mni_stack_slab_end();
        mni_table_end();
        release(rt);
        return r;
    }
    if (rt->config.verbose)
        notice("libmn: %s%s", rt->topo.why, rt->membarrier ? "" : "; no membarrier: slower entry");
    rt->help_ticks = help_ticks(ticks, ns);
    for (unsigned i = 0; i < rt->ncpus; i++) {
        rt->cpus[i]->help_wait = rt->help_ticks;
        rt->cpus[i]->credit = (int64_t)rt->spin_ns; /* to begin with */
    }
    *out = rt;
    return 0;
}

static void unmake(struct mni_runtime *rt) {
    mni_procs_end(rt);
    release(rt);
    mni_stack_slab_end(); /* its report looks at the threads that are left */
    mni_table_end();
}

/* Starts the runtime with workers for the cpus from `first` on. */
static int start(const struct mn_config *config, unsigned first) {
    struct mni_runtime *rt = NULL;
    int r = make(&rt, config);
    if (r < 0)
        return r;
    mni_foreign_rests(); /* in mn_run the caller is about to be a worker */
    rt->embedded = first == 0;
    mni_rt = rt;
    mni_create_reset();
    mni_offload_start(&rt->config);
    mni_solo_reset();
    mni_exceptions_start();
    mni_fiber_start();
    r = mni_signals_start();
    for (unsigned i = first; r == 0 && i < rt->ncpus; i++)
        r = mni_worker_start(rt->cpus[i]);
    if (r == 0)
        r = mni_shake_start();
    if (r == 0 && (r = mni_sysmon_start(rt)) == 0) {
        a32_store(&running, rt->ncpus);
        mni_keep_open();
        if (first == 1 && rt->ncpus == 1 && rt->membarrier)
            mni_solo_at_once();
        return 0;
    }
    mni_shake_stop();
    mni_workers_stop();
    mni_workers_join();
    mni_signals_stop();
    mni_workers_end();
    mni_solo_reset();
    mni_rt = NULL;
    unmake(rt);
    return r;
}

static void finish(void) {
    struct mni_runtime *rt = mni_rt;
    a32_store(&running, 0);
    /* While its owner can be found.  The last may be a worker that got the cpu, and saw only that it is to
     * stop. */
    mni_solo_end();
    mni_keep_close();
    mni_sysmon_stop();
    mni_shake_stop();
    mni_workers_join();
    mni_nap_end();
    mni_offload_stop();
    mni_signals_stop();
    mni_workers_end(); /* reports of the signal LWP look at them */
    mni_solo_reset();
    mni_procs_outlive(rt);
    mni_rt = NULL;
    mni_poller_end();
    unmake(rt);
}

static bool cancel(struct mni_thread *t, void *self) {
    if (t != self && a8_load(&t->state) != MNI_DONE)
        mn_cancel(mni_thread_handle(t));
    return true;
}

/* Processes that have been told to end are made to, like by an exit signal, when they are still there after
 * so long. */
enum { LATE_NS = 100000000 };

/* Requests that all threads but the caller end, and waits for it.  Short naps: their ends are not announced. */
static int drain(struct mni_thread *self, int64_t deadline) {
    int64_t nap = 20000, late = (int64_t)clock_now_ns() + LATE_NS;
    a32_swap_full(&mni_rt->ending, 1);
    while (mni_alive() > (self ? 1 : 0)) {
        mni_table_each(cancel, self);
        int64_t now = (int64_t)clock_now_ns();
        mni_procs_drain(now >= late);
        if (now >= late)
            late = now + LATE_NS;
        if (now >= deadline) {
            a32_store(&mni_rt->ending, 0);
            return -ETIMEDOUT;
        }
        int64_t until = deadline - now > nap ? now + nap : deadline;
        if (self) {
            mni_enter();
            mni_wait("the end of all threads", NULL, NULL, until);
            mni_leave(mni_cpu_self());
        } else {
            struct timespec ts = clock_timespec(until);
            mni_foreign_rests();
            clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
        }
        if (nap < 5000000)
            nap *= 2;
    }
    return 0;
}

struct first {
    int (*fn)(void *);
    void *arg;
};

static void *first_main(void *arg) {
    const struct first *f = arg;
    return (void *)(intptr_t)f->fn(f->arg);
}

static int main_result; /* one mn_run runs at a time */

void mni_run_main_ended(struct mni_thread *self, void *result) {
    main_result = (int)(intptr_t)result;
    mn_shield(true);
    drain(self, MN_FOREVER);
    mni_workers_stop();
}

/* Called by one of the runtime's own LWPs. */
static bool inside(void) {
    return mni_worker_self() || mni_bound_self() || mni_offload_self();
}

/* The runtime did not start, and is gone again. */
static void say_why(int error, const struct mn_config *config) {
    struct mn_config read;
    char complaint[128];
    if ((error == -ENOMEM || error == -EAGAIN) && mni_config_read(&read, config, complaint) == 0 && read.verbose)
        notice("libmn: cannot start: %s%s", error == -ENOMEM ? "no memory" : "no LWP",
               memory_is_locked_up() ? "; mlockall() locks all memory, and RLIMIT_MEMLOCK allows no more of that" : "");
}

MN_EXPORT int mn_run(int (*main_fn)(void *), void *arg, const struct mn_config *config) {
    if (!main_fn)
        return -EINVAL;
    if (inside()) /* mn_stop may hold the lock while it waits for a bound one */
        return -EBUSY;
    int saved = errno;
    lock_take(&start_lock);
    int r = mni_rt ? -EBUSY : start(config, 1);
    if (r == 0)
        by_run = true;
    lock_drop(&start_lock);
    if (r < 0) {
        say_why(r, config);
        errno = saved;
        return r;
    }
    struct first f = {main_fn, arg};
    r = mni_create_first(first_main, &f);
    if (r < 0 || (r = mni_worker_run_here(mni_rt->cpus[0])) < 0)
        mni_workers_stop();
    lock_take(&start_lock);
    finish();
    by_run = false;
    if (r >= 0)
        r = main_result; /* before the next mn_run has one */
    else
        say_why(r, config);
    lock_drop(&start_lock);
    errno = saved;
    return r;
}

MN_EXPORT int mn_start(const struct mn_config *config) {
    if (inside())
        return -EBUSY;
    int saved = errno;
    lock_take(&start_lock);
    int r = mni_rt ? -EBUSY : start(config, 0);
    lock_drop(&start_lock);
    if (r < 0)
        say_why(r, config);
    errno = saved;
    return r;
}

/* Takes start_lock, which another mn_stop may hold for as long as its threads take to end. */
static bool take_until(int64_t deadline) {
    while (!lock_try(&start_lock)) {
        int64_t now = (int64_t)clock_now_ns();
        if (now >= deadline)
            return false;
        int64_t until = deadline - now > 1000000 ? now + 1000000 : deadline;
        struct timespec ts = clock_timespec(until);
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
    }
    return true;
}

MN_EXPORT int mn_stop(int64_t deadline) {
    if (inside())
        return -EDEADLK;
    int saved = errno;
    if (!take_until(deadline)) {
        errno = saved;
        return -ETIMEDOUT;
    }
    int r = !mni_rt || by_run ? -EPERM : drain(NULL, deadline);
    if (r == 0) {
        mni_workers_stop();
        finish();
    }
    lock_drop(&start_lock);
    errno = saved;
    return r;
}

MN_EXPORT unsigned mn_workers(void) {
    return a32_load(&running); /* relaxed: a number that may be old in any case */
}

/* What a fork's child never uses again is named here, so that tools which look for leaks see that it is not
 * lost. */
static struct mni_runtime *left_behind;

void mni_run_forked(void) {
    if (mni_rt) {
        mni_rt->older = left_behind;
        left_behind = mni_rt;
    }
    mni_rt = NULL;
    running = 0;
    mni_keep_forked();
    mni_solo_reset();
    lock_reset(&start_lock);
    by_run = false;
}
