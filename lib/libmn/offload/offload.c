/*
 * offload: pools of LWPs for calls that block (offload.h).
 *
 * Guarantee: a job waits for an LWP only while the pool has as many as it may have, or no more can be made.  So
 * jobs that wait for each other do not stop each other below the limit.
 *
 * The naive pool wakes a sleeper, or makes an LWP, whenever a job comes and one is idle, or none is.  Then ten
 * jobs that come before the first woken LWP runs (4 us) each see it idle, and nine of them wait behind the
 * first; or each wakes one, and nine wake for nothing.  So those on their way are counted:
 *
 *     looking   LWPs that will look at the queue before they sleep: woken, just made, or spinning
 *     queued    jobs in the queue
 *
 * Under the lock, who adds a job sees to it that queued <= looking afterwards: it takes a sleeper, which counts
 * as looking from that moment, or an LWP to be made does; both are done without the lock, and the queue is
 * looked at again.  An LWP that takes a job is no longer looking; it is again when the call has returned, and
 * goes on with the next job without having slept.  It goes to sleep (looking - 1) under the lock, with the
 * queue empty.
 *
 * Sleepers are a stack: the one that slept last is woken, and those at the bottom come to the end of idle_ns
 * and leave.  Who leaves joins the one that left before; so at most one is left to be joined.
 *
 * An LWP that finds no job looks on for a while before it sleeps, if it is the only one to look: its pool's
 * next job is then begun 5 us sooner, and the caller makes no system call.  Only while a CPU seems to be idle:
 * where all have something to run, it would be put behind that for a time slice just when the job comes,
 * whereas who is woken from sleep runs at once.
 *
 * Where an LWP that is to be made cannot be made, and there is no other, all who have queued up for it
 * meanwhile are told to make their calls themselves.
 *
 * The claim of a waiter (wait.h) is taken when its job is begun, and mni_wake follows when the job is done:
 * deadline and cancellation, which claim, too, come before or not at all.  A job that owns its data (drop) is
 * claimed at its end; whether it is done or its caller has gone is decided under the lock.
 *
 *     job             in the queue   taken, running     done
 *     caller's        unclaimed      claimed            mni_wake; the job may be gone with its caller's frame
 *     owns its data   unclaimed      unclaimed; gone    done set and claimed under the lock, or, if gone, dropped
 *
 * At the runtime's end no thread is left, so no job but those that are gone.  A look-up of a name can take half
 * a minute: an LWP that makes such a call is let go.  It touches nothing then but its own record, its job and
 * the pool's lock.
 *
 * The callers are workers, so solo mode has to end before an LWP of the pool touches anything: it is present
 * (wait/foreign.c) but while it sleeps and while it makes a call, which touches nothing of the runtime's.
 */
#include "offload.h"

#include <errno.h>
#include <mn/errno.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "cpu.h"
#include "export.h"
#include "fault.h"
#include "file.h"
#include "progress/lwps.h"
#include "quick.h"
#include "runtime/cpuset.h"
#include "runtime/fork.h"
#include "runtime/keep.h"
#include "runtime/topo.h"
#include "sched/signals.h"
#include "slack.h"
#include "slice.h"
#include "umtx.h"
#include "wait/call.h"

enum { LINGER_LOOKS = 16 };

struct lwp {
    struct list all;     /* in the pool */
    struct list sleeper; /* linked: it sleeps, and nobody has chosen it */
    struct pool *pool;
    struct mni_job *job; /* that owns its data, and runs */
    uint32_t word;       /* futex: changes when it is chosen, and at the end */
    bool let_go;         /* the runtime has ended without it */
    pthread_t id;
};

struct pool {
    _Alignas(MNI_LINE) struct mni_olock lock;
    /* ---- of the present runtime */
    uint32_t queued; /* atomic, as stop: read without the lock by who lingers */
    uint32_t stop;
    uint32_t looking, asleep, limit, most, longest;
    uint32_t lwps;          /* futex, at the runtime's end */
    struct mni_queue queue; /* the callers' waiters; data: the job */
    struct list all, sleepers;
    struct lwp *left; /* has ended, and is to be joined */
    int64_t idle_ns, linger_ns;
    uint64_t done, direct; /* atomic */
    uint64_t withdrawn, started;
    const char *what; /* for dumps */
};

/* All but the lock. */
static void clear(struct pool *p) {
    memset((char *)p + offsetof(struct pool, queued), 0, sizeof *p - offsetof(struct pool, queued));
}

static struct pool pools[MNI_POOLS];
static const char *const what[MNI_POOLS] = {"file", "name look-up", "blocking call"};

static bool spare_cpus;
static uint32_t busy; /* atomic: threads that wait for a job */

static __thread struct lwp *self __attribute__((tls_model("initial-exec")));

bool mni_offload_self(void) {
    return self != NULL;
}

/* ---- the LWPs */

/* The next job that is to run: NULL: there is none.  The lock is held. */
static struct mni_job *take(struct pool *p) {
    struct mni_waiter *w;
    while ((w = mni_queue_take(&p->queue))) {
        a32_store(&p->queued, p->queued - 1);
        struct mni_job *job = w->data;
        job->parker = w->parker;
        /* Unclaimable: its caller is about to take it back, for which it needs the lock. */
        if (job->drop || mni_claim(w->parker, 0))
            return job;
    }
    return NULL;
}

/* A job that owns its data has run. */
static void settle(struct pool *p, struct lwp *me, struct mni_job *job) {
    struct mni_parker *parker = job->parker;
    mni_lock_take(&p->lock);
    bool gone = job->gone, claimed = false;
    if (!gone) {
        job->done = true;
        claimed = mni_claim(parker, 0);
    }
    if (!me->let_go)
        a64_add(&p->done, 1);
    me->job = NULL;
    mni_lock_drop(&p->lock);
    if (gone)
        job->drop(job);
    else if (claimed)
        mni_wake(parker);
}

static void run(struct pool *p, struct lwp *me, struct mni_job *job) {
    struct mni_parker *parker = job->parker;
    bool owned = job->drop != NULL;
    mni_foreign_rests();
    job->fn(job);
    mni_foreign_enter();
    if (!self) /* the child of a fork that the job made: nothing else is left of the process */
        mni_orphan_end(0);
    if (owned) {
        settle(p, me, job);
    } else {
        a64_add(&p->done, 1);
        mni_wake(parker);
    }
}

/* Whether a CPU has nothing to do but this: not every worker is busy, or there are more CPUs than workers. */
static bool cpu_to_spare(void) {
    return spare_cpus || a32_load(&mni_rt->idlers); /* relaxed: a hint */
}

/* Waits for a job without sleeping, for a moment. */
static void linger(const struct pool *p) {
    int64_t end = p->linger_ns > 0 ? (int64_t)clock_now_ns() + p->linger_ns : 0;
    while ((int64_t)clock_now_ns() < end && cpu_to_spare()) {
        for (int i = 0; i < LINGER_LOOKS; i++) {
            /* Relaxed, both: hints; they are looked at under the lock. */
            if (a32_load(&p->queued) || a32_load(&p->stop))
                return;
            cpu_relax();
        }
        sched_yield();
    }
}

/* Sleeps until it is chosen, and is looking again: true.  False: it is to end, and is not.  The lock is
 * held. */
static bool sleep_on(struct pool *p, struct lwp *me) {
    int64_t until = (int64_t)clock_now_ns() + p->idle_ns;
    struct timespec ts = clock_timespec(until);
    list_prepend(&p->sleepers, &me->sleeper);
    p->asleep++;
    p->looking--;
    while (list_linked(&me->sleeper) && !p->stop) {
        uint32_t word = a32_load(&me->word);
        mni_lock_drop(&p->lock);
        mni_lwp_rests();
        mni_foreign_rests();
        int r = umtx_wait(&me->word, word, &ts, CLOCK_MONOTONIC, UMTX_PRIVATE);
        mni_foreign_enter();
        mni_lwp_works();
        mni_lock_take(&p->lock);
        if (r == -ETIMEDOUT)
            break;
    }
    if (!list_linked(&me->sleeper))
        return true;
    list_remove(&me->sleeper);
    p->asleep--;
    return false;
}

static void join(struct lwp *l) {
    if (!l)
        return;
    pthread_join(l->id, NULL);
    free(l);
}

/* Until it is to end; then it is in no list.  True: it was let go. */
static bool serve(struct pool *p, struct lwp *me) {
    bool lingered = false;
    mni_lock_take(&p->lock);
    for (;;) {
        struct mni_job *job = take(p);
        if (job) {
            p->looking--;
            me->job = job->drop ? job : NULL;
            mni_lock_drop(&p->lock);
            run(p, me, job);
            mni_lock_take(&p->lock);
            if (me->let_go) {
                mni_lock_drop(&p->lock);
                return true;
            }
            p->looking++;
            lingered = false;
            continue;
        }
        if (!lingered && p->looking == 1 && !p->stop) {
            mni_lock_drop(&p->lock);
            linger(p);
            mni_lock_take(&p->lock);
            lingered = true;
            continue;
        }
        if (!sleep_on(p, me))
            break;
        lingered = false;
    }
    list_remove(&me->all);
    struct lwp *before = p->left;
    p->left = me;
    a32_store(&p->lwps, p->lwps - 1);
    if (p->stop)
        umtx_wake(&p->lwps, 1, UMTX_PRIVATE);
    mni_lock_drop(&p->lock);
    join(before);
    return false;
}

static void *lwp_main(void *arg) {
    struct lwp *me = arg;
    self = me;
    lwp_slice(0, LWP_SLICE_DEFAULT);
    lwp_timer_slack(LWP_SLACK_DEFAULT);       /* its creator's is a worker's */
    mni_topo_unbind(&mni_rt->topo, 0, false); /* and so is its CPU */
    mni_foreign_enter();
    bool let_go = serve(me->pool, me);
    self = NULL;
    if (let_go)
        free(me);
    return NULL;
}

/* ---- the callers */

/* What may take long is done outside the runtime, so that the caller's cpu can be taken.  There no lock of the
 * pool's may be held or taken: while there is one worker only, that is plain memory to whoever has the cpu
 * (solo.h). */
static __attribute__((noinline)) struct lwp *allocate_outside(void) {
    mni_leave(mni_cpu_self());
    int saved = *mn_errno();
    struct lwp *l = fault("malloc") ? NULL : calloc(1, sizeof *l);
    *mn_errno() = saved;
    mni_enter();
    return l;
}

static __attribute__((noinline)) bool start_outside(struct lwp *l) {
    mni_leave(mni_cpu_self());
    int saved = *mn_errno();
    sigset_t old;
    mni_signals_block(&old);
    int r = fault("clone") ? EAGAIN : pthread_create(&l->id, NULL, lwp_main, l);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    *mn_errno() = saved;
    mni_enter();
    return r == 0;
}

/* Makes an LWP, which is counted already.  Inside the runtime; the lock is not held. */
static bool make(struct pool *p) {
    struct lwp *l = allocate_outside();
    if (!l)
        return false;
    l->pool = p;
    mni_lock_take(&p->lock);
    list_append(&p->all, &l->all);
    mni_lock_drop(&p->lock);
    if (start_outside(l))
        return true;
    mni_lock_take(&p->lock);
    list_remove(&l->all);
    mni_lock_drop(&p->lock);
    free(l);
    return false;
}

enum { DIRECTLY = 1 }; /* a result of mni_wait: there is no LWP after all */

/*
 * The only LWP that others counted on could not be made: they make their calls themselves.  Whom a deadline or
 * a cancellation was faster to claim takes its job back.  The lock is held, and is dropped and taken again
 * meanwhile.
 */
static void disappoint(struct pool *p) {
    struct mni_queue claimed = {0}, kept = {0};
    for (struct mni_waiter *w; (w = mni_queue_take(&p->queue));) {
        bool mine = mni_claim(w->parker, DIRECTLY);
        if (mine)
            a32_store(&p->queued, p->queued - 1);
        mni_queue_append(mine ? &claimed : &kept, w);
    }
    for (struct mni_waiter *w; (w = mni_queue_take(&kept));)
        mni_queue_append(&p->queue, w);
    mni_lock_drop(&p->lock);
    mni_wake_all(&claimed);
    mni_lock_take(&p->lock);
}

/* Sees to it that an LWP will look at one more job.  The lock is held, and is dropped and taken again
 * meanwhile.  False: there is not one LWP. */
static bool provide(struct pool *p) {
    bool refused = false;
    while (p->queued >= p->looking) {
        struct list *link = list_pop(&p->sleepers);
        if (link) {
            struct lwp *l = list_entry(link, struct lwp, sleeper);
            uint32_t *word = &l->word;
            p->asleep--;
            p->looking++;
            a32_store(word, *word + 1);
            mni_lock_drop(&p->lock);
            umtx_wake(word, 1, UMTX_PRIVATE); /* it may have gone already: the address is all that counts */
        } else if (p->lwps < p->limit && !refused) {
            if (++p->lwps > p->most)
                p->most = p->lwps;
            p->looking++;
            mni_lock_drop(&p->lock);
            refused = !make(p);
            mni_lock_take(&p->lock);
            if (refused) {
                p->looking--;
                if (--p->lwps == 0)
                    disappoint(p);
            } else {
                p->started++;
            }
            continue;
        } else {
            break;
        }
        mni_lock_take(&p->lock);
    }
    return p->lwps > 0;
}

/* The caller's LWP makes the call itself, outside the runtime, so that its cpu can be taken. */
static int directly(struct pool *p, struct mni_job *job) {
    a64_add(&p->direct, 1);
    mni_leave(mni_cpu_self());
    job->fn(job);
    mni_enter(); /* no green thread any more, if fn has forked and this is the child */
    return 0;
}

/* The wait has failed: 0 if the job is done all the same. */
static int take_back(struct pool *p, struct mni_waiter *w, struct mni_job *job, int r) {
    bool drop = false;
    mni_lock_take(&p->lock);
    if (mni_queued(w)) {
        mni_queue_remove(&p->queue, w);
        a32_store(&p->queued, p->queued - 1);
        drop = job->drop != NULL;
        p->withdrawn++;
    } else if (job->drop && job->done) {
        r = 0;
    } else {
        job->gone = true;
        p->withdrawn += !job->drop; /* one that an LWP did not begin, seeing that it was claimed */
    }
    mni_lock_drop(&p->lock);
    if (drop)
        job->drop(job);
    return r;
}

int mni_offload_job(enum mni_pool pool, struct mni_job *job, int64_t deadline) {
    struct pool *p = &pools[pool];
    job->gone = job->done = false;
    if (mni_passed(deadline)) {
        if (job->drop)
            job->drop(job);
        return -ETIMEDOUT;
    }
    if (!mni_worker_self()) {
        bool here = mni_foreign_away();
        job->fn(job);
        mni_foreign_back(here);
        return 0;
    }
    mni_lock_take(&p->lock);
    if (!provide(p)) {
        mni_lock_drop(&p->lock);
        return directly(p, job);
    }
    struct mni_waiter *w = mni_waiter_self();
    w->data = job;
    mni_queue_append(&p->queue, w);
    a32_store(&p->queued, p->queued + 1);
    if (p->queued > p->longest)
        p->longest = p->queued;
    a32_add(&busy, 1);
    int r = mni_wait(p->what, p, &p->lock, deadline);
    a32_add_release(&busy, (uint32_t)-1);
    return r < 0 ? take_back(p, w, job, r) : r == DIRECTLY ? directly(p, job) : 0;
}

struct plain {
    struct mni_job job;
    void (*fn)(void *);
    void *arg;
};

static void run_plain(struct mni_job *job) {
    const struct plain *plain = (struct plain *)(void *)job;
    plain->fn(plain->arg);
}

int mni_offload(enum mni_pool pool, void (*fn)(void *), void *arg, int64_t deadline) {
    struct plain plain = {{.fn = run_plain}, fn, arg};
    return mni_offload_job(pool, &plain.job, deadline);
}

int mni_offload_call(enum mni_pool pool, void (*fn)(void *), void *arg, int64_t deadline) {
    struct mni_cpu *cpu;
    int r = mni_offload_begin(&cpu);
    if (r == 0)
        r = mni_offload(pool, fn, arg, deadline);
    mni_offload_end();
    return r;
}

int mni_offload_none(void) {
    struct mni_cpu *cpu;
    int r = mni_offload_begin(&cpu);
    mni_offload_end();
    return r;
}

uint32_t mni_offload_busy(void) {
    /* Acquire: pairs with the release of who counts down, as mni_wait has returned. */
    return a32_load_acquire(&busy);
}

/* ---- with the runtime */

void mni_offload_start(const struct mn_config *config) {
    const struct mni_topo *topo = &mni_rt->topo;
    unsigned cpus = topo->mask ? mni_cpuset_count(topo->bound ? topo->bound : topo->mask) : 0;
    spare_cpus = cpus > topo->workers;
    mni_file_start();
    mni_quick_start(topo->workers, config->max_lwps);
    const unsigned limit[MNI_POOLS] = {config->file_lwps, config->dns_lwps, config->call_lwps};
    for (int i = 0; i < MNI_POOLS; i++) {
        struct pool *p = &pools[i];
        /* An LWP that an earlier runtime let go may take the lock. */
        mni_lock_take(&p->lock);
        clear(p);
        p->what = what[i];
        p->limit = limit[i];
        p->idle_ns = config->lwp_idle_ms * 1000000ll;
        p->linger_ns = (int64_t)mni_rt->spin_ns;
        list_init(&p->all);
        list_init(&p->sleepers);
        mni_lock_drop(&p->lock);
    }
}

static void stop(struct pool *p) {
    mni_lock_take(&p->lock);
    a32_store(&p->stop, 1);
    list_each_safe(link, &p->all) {
        struct lwp *l = list_entry(link, struct lwp, all);
        if (l->job) {
            /* Its caller has gone, as all threads have. */
            l->let_go = true;
            list_remove(&l->all);
            p->lwps--;
            pthread_detach(l->id);
        } else {
            a32_store(&l->word, l->word + 1);
            umtx_wake(&l->word, 1, UMTX_PRIVATE);
        }
    }
    for (uint32_t lwps; (lwps = p->lwps) > 0;) {
        mni_lock_drop(&p->lock);
        umtx_wait(&p->lwps, lwps, NULL, CLOCK_MONOTONIC, UMTX_PRIVATE);
        mni_lock_take(&p->lock);
    }
    struct lwp *left = p->left;
    p->left = NULL;
    mni_lock_drop(&p->lock);
    join(left);
}

void mni_offload_stop(void) {
    for (int i = 0; i < MNI_POOLS; i++)
        stop(&pools[i]);
}

/* The child has none of the LWPs.  A list that was being changed at that moment is not looked at. */
static void forget(struct pool *p) {
    if (p->lock.word == 0 && p->all.next)
        list_each_safe(link, &p->all) {
            struct lwp *l = list_entry(link, struct lwp, all);
            if (l != self)
                free(l);
        }
    p->lock.word = 0;
    clear(p);
}

void mni_offload_forked(void) {
    for (int i = 0; i < MNI_POOLS; i++)
        forget(&pools[i]);
    self = NULL;
    a32_store(&busy, 0);
}

MN_EXPORT int mn_stats_pool(enum mn_pool pool, struct mn_pool_use *stats, size_t size) {
    if ((unsigned)pool >= MNI_POOLS || !stats || size < sizeof *stats)
        return -EINVAL;
    MNI_KEEP_OR(-EPERM);
    struct pool *p = &pools[pool];
    struct mni_cpu *cpu = mni_call_begin();
    mni_lock_take(&p->lock);
    const struct mn_pool_use s = {
        .limit = p->limit,
        .running = p->lwps - p->asleep - p->looking,
        .idle = p->asleep + p->looking,
        .queued = p->queued,
        .most = p->most,
        .longest = p->longest,
        .done = a64_load(&p->done),
        .direct = a64_load(&p->direct),
        .withdrawn = p->withdrawn,
        .started = p->started,
    };
    mni_lock_drop(&p->lock);
    mni_call_end_here(cpu);
    memset(stats, 0, size);
    memcpy(stats, &s, sizeof s);
    return 0;
}
