/*
 * policy: which cpu loses its worker.
 *
 * A worker that sits in a thread's own code (a system call, a page fault, a library, a loop) cannot run the
 * others of its cpu.  If there are any, they get another LWP: first the workers that sleep, then a spare
 * (mni_hand_off).  The thread that was there keeps its LWP, and the kernel shares the CPU between the two.
 *
 * A look costs a few loads for each cpu, of words that the owner writes anyway: whether its worker sleeps, the
 * count of switches, and only if that has not changed since the last look the queues.  The count is what tells
 * one thread from the next: a thread that yields when there are others, or blocks, changes it.
 *
 *     no switch since the last look, outside the runtime, something waits, and    then
 *     - its LWP has used next to no CPU time since the last look, and sleeps      it goes after half a slice
 *     - the same, but it would run if the machine were not busy with others       it goes after some slices: the others shall have
 *                                                                                 their share beside it
 *     - it has been so for a slice, not counting times in which it did nothing
 *       but start threads; of those, STARTS slices                                it goes
 *     - otherwise                                                                 the next look decides
 *
 * What waits: a thread in a queue or in the inbox, a timer that is due, or threads that wait for descriptors
 * which nobody has looked at for a while.  Those are looked at from here where that is possible (mni_poll_now);
 * in solo mode only workers may, so one that sleeps is woken for it, or that is one more reason to give the cpu
 * another.
 *
 * Who starts threads one after another is not held up by those that it has started, for as long as it takes to
 * start two million.  They would run before it wants them to, each that blocks with a stack of its own (a
 * million that wait for the last to be started: 6.9 instead of 0.17 us each, most of it new memory), and it
 * would stand behind all of them.
 *
 * Limits: a worker that was preempted, or takes a page fault, inside the runtime keeps its cpu: nobody could
 * tell what state that is in.  A thread that makes calls without ever blocking is seen as one that computes.
 */
#include "progress.h"

#include <stdlib.h>
#include <time.h>

#include "fault.h"
#include "io/poll.h"
#include "offload/quick.h"
#include "runnable.h"
#include "sched/idle.h"
#include "sched/runq.h"
#include "sched/solo_mode.h"
#include "sched/take.h"
#include "sched/worker.h"

enum { LATE_NS = 5000000, COMPUTES_NS = 100000, UNPOLLED_NS = 500000, START_NS = 4000 };
enum { STARVED = 4, STARTS = 100 }; /* slices */

struct mni_seen {
    const struct mni_worker *worker; /* NULL: it slept, or ran no thread */
    uint64_t switches;
    uint64_t spawns;
    int64_t since;    /* the first look that saw that count */
    int64_t at;       /* the last look */
    int64_t used;     /* CPU time of the worker's LWP then; -1: it was not asked for */
    int64_t starting; /* CPU time in which it did nothing but start threads, since that count */
    bool excused;     /* time has passed without us already, since that count */
};

struct mni_seen *mni_policy_start(const struct mni_runtime *rt) {
    return fault("malloc") ? NULL : calloc(rt->ncpus, sizeof(struct mni_seen));
}

/* CPU time of the worker's LWP: 0.3 us; -1: unknown. */
static int64_t used(const struct mni_worker *w) {
    struct timespec ts;
    clockid_t clock = (clockid_t)a32_load((const uint32_t *)&w->clock); /* relaxed: 0, or what it is for good */
    return clock && clock_gettime(clock, &ts) == 0 ? ts.tv_sec * 1000000000ll + ts.tv_nsec : -1;
}

/* Threads wait for the cpu.  Hints, all relaxed: what is missed is seen at the next look. */
static bool queued(const struct mni_cpu *c) {
    return aptr_load(&c->hot) || mni_runq_more(c) || aptr_load(&c->remote.inbox);
}

static bool waits(const struct mni_cpu *c, int64_t now) {
    return queued(c) || mni_timers_hint(c->timers) <= now;
}

/* There are threads that wait for descriptors, and no worker has looked at these for a while. */
static bool unpolled(int64_t now) {
    /* Maximal while a worker sleeps among them. */
    return mni_poll_waiters() != 0 && mni_poll_last() < now - UNPOLLED_NS;
}

/* To workers that sleep. */
static bool move(struct mni_runtime *rt, struct mni_cpu *c) {
    bool moved = false;
    for (unsigned i = 0; i < a32_load(&rt->active) && queued(c); i++)
        if (a32_load(&rt->cpus[i]->remote.idle) && mni_move(c, rt->cpus[i]))
            moved = true;
    return moved;
}

static unsigned look_at(struct mni_runtime *rt, struct mni_cpu *c, struct mni_seen *s, int64_t now, bool poll) {
    /* Acquire: pairs with the release of a hand-off. */
    struct mni_worker *w = aptr_load_acquire(&c->worker);
    if (a32_load(&c->remote.idle)) {
        s->worker = NULL;
        return 0;
    }
    const int64_t slice = (int64_t)rt->config.slice_us * 1000;
    uint64_t switches = a64_load(&c->count.switches), spawns = a64_load(&c->count.spawns);
    if (!w || s->worker != w || s->switches != switches || !aptr_load(&c->current)) {
        /* It has come round since; that was hardly before the thread that is there began.  Relaxed: a hint. */
        int64_t came = (int64_t)a64_load((const uint64_t *)&c->now),
                since = came > s->at && came < now ? came : now;
        *s = (struct mni_seen){w, switches, spawns, since, now, w ? used(w) : -1, 0, false};
        return MNI_LOOK_BUSY;
    }
    int64_t before = s->used, passed = now - s->at, started = (int64_t)(spawns - s->spawns);
    s->at = now;
    s->spawns = spawns;
    if (passed > LATE_NS && !s->excused) {
        /* The whole process may have been stopped; once, since on a busy machine we are always late. */
        s->excused = true;
        s->since = now;
        s->used = -1;
        return MNI_LOOK_BUSY;
    }
    if (!waits(c, now) && !poll) {
        s->used = -1;
        return MNI_LOOK_BUSY;
    }
    /* Nobody was called for a thread that came alone, and who would find it late sleeps for good (idle.c). */
    if (queued(c) && a32_load(&rt->idlers) && !mni_idle_watched()) /* relaxed: hints */
        mni_rouse_one();
    s->used = used(w);
    bool known = before >= 0 && s->used >= 0;
    int64_t spent = known ? s->used - before : 0;
    if (started > 0 && started * START_NS > spent && s->starting < STARTS * slice) {
        s->starting += spent;
        s->since = now;
        return MNI_LOOK_BUSY;
    }
    bool idles = known && spent * 8 < passed;
    /* Relaxed: what it is for good. */
    bool starves = idles && lwp_runnable((int)a32_load((const uint32_t *)&w->tid));
    /* A look is never more than a tenth early. */
    bool stuck = now - s->since >= (starves ? STARVED * slice : idles ? slice / 2 : slice - slice / 8);
    if (!stuck || a32_load(&w->inside))
        return MNI_LOOK_BUSY;
    mni_quick_stuck(w);
    bool moved = move(rt, c);
    if (!waits(c, now) && !poll)
        return MNI_LOOK_BUSY | (moved ? MNI_LOOK_ACTED : 0);
    if (mni_hand_off(c) == 0)
        moved = true;
    return MNI_LOOK_BUSY | (moved ? MNI_LOOK_ACTED : 0);
}

unsigned mni_policy_look(struct mni_runtime *rt, struct mni_seen *seen, int64_t now) {
    unsigned r = 0;
    /* Acquire: pairs with mni_workers_stop; spares may be gone then. */
    if (a32_load_acquire(&rt->stop))
        return 0;
    bool poll = unpolled(now);
    if (poll && mni_solo_visit()) {
        mni_poll_now();
        mni_solo_visited();
        poll = false;
    } else if (poll && mni_rouse_one()) {
        poll = false;
    }
    for (unsigned i = 0; i < rt->ncpus; i++)
        r |= look_at(rt, rt->cpus[i], &seen[i], now, poll);
    return r;
}

bool mni_policy_computes(void) {
    bool any = false;
    for (struct mni_worker *w = mni_workers_all(); w; w = w->all) {
        if (!(a32_load(&w->taken) & MNI_TAKEN_AWAY)) /* relaxed: a hint */
            continue;
        int64_t now = used(w);
        any |= now - w->used > COMPUTES_NS;
        w->used = now;
    }
    return any;
}
