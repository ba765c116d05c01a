/*
 * idle: how a worker without threads finds some, or sleeps until there are.
 *
 * Guarantee: a ready thread is not left waiting while a worker that could run it sleeps for good, and a busy
 * pair of threads is not disturbed by workers that look for work.
 *
 * The naive way wakes a sleeper for each thread that becomes ready: 1.6 us for the waker, for threads that run
 * 100 ns.  Runtimes that do so get 3 to 8 times slower with a second CPU on ping-pong and ring loads.  Here:
 *
 *   Looking for work.  A worker that runs dry looks at the others for spin_us, nearest first; at most half of
 *   the workers look at a time.  It asks for threads only where there have been some for a few microseconds
 *   (steal in take.c).
 *
 *   Spinning pays where threads come from others soon, and costs a whole CPU where none do: of a million
 *   sleepers one woke each 2 us, and two workers spun from one to the next.  So it is bounded by what it
 *   brought: each gift (threads from others, or a call for help) gives a worker spin_us of credit, up to CREDIT
 *   times that, and the time that it spun is taken off.  Who has no credit takes from long queues only, or from
 *   such as were never empty for as long as the watcher's first nap.  Nor does it spin from one timer to the
 *   next where there is a crowd of them, but sleeps (timekeeper.c).
 *
 *   Apart.  From a cpu whose threads get no more done on two, a worker takes none (throttle.c), nor does it spin.
 *   That cpu does not call it while somebody watches.  Where nobody does, any sleeper is called: others may have
 *   taken the watcher's role, found work, and left it to sleep for good.  The naps of a watcher that stays apart
 *   are short.
 *
 *   Sleep.  idlers + 1, idle = 1, a heavy barrier, one more look at all queues, then the futex.  The barrier
 *   pairs with the compiler barrier of the pushers: a push that the look misses came after the barrier, and its
 *   pusher sees idlers != 0. Who sleeps no longer than the watcher's first nap does without the barrier, and
 *   looks again when it wakes; nor does anybody call a sleeper that wakes by itself within MNI_HELP_NS.
 *
 *   Help.  A pusher that sees idlers wakes one when more than the hot slot is filled, no worker looks for work
 *   already, and its last call for help is MNI_HELP_NS ago: within that time the threads may well have been run
 *   by itself; or longer, up to 64 times, while the calls before it led to nothing.  A thread that was woken
 *   into the hot slot is no reason to call, one that was started there is.  A call that is left out is made up
 *   for: housekeeping calls again (sched.c), and one sleeper (the watcher) looks at the others every so often
 *   while any of them is busy, for the case that a pusher now runs one thread for long.  Where there is no
 *   watcher, since all slept a moment ago, no call is left out because of the last one.  Neither is a crowd of
 *   sleepers, which has just waited, a reason to call while it is CROWD_WORK_NS of work or less; nor a thread
 *   that came alone to a worker that slept, and runs next.  If that one wakes another into the hot slot and goes
 *   on, there is no watcher: so sysmon wakes a sleeper, if it sees threads wait and nobody watches (policy.c).
 *
 *   Inbox.  A thread for this cpu alone wakes its worker at once: the push is a full operation, then idle is
 *   read; the worker stores idle with a full operation, then reads its inbox.  One of the two sees the other.
 *
 *     remote.idle   1: sleeps or is about to; whoever swaps it to 0 changes `sleep` and wakes the futex, and
 *                      counts idlers down
 *                   2: the same, but it sleeps in the set of descriptors: whoever swaps it to 0 rings
 *                      (io/poller.c)
 */
#include "idle.h"

#include <errno.h>
#include <time.h>

#include "clock.h"
#include "cpu.h"
#include "io/poller.h"
#include "progress/progress.h"
#include "runq.h"
#include "runtime/fork.h"
#include "sched.h"
#include "solo_mode.h"
#include "stack/slab.h"
#include "take.h"
#include "thread/table.h"
#include "throttle.h"
#include "timekeeper.h"
#include "umtx.h"

enum {
    LOOK_ROUND_NS = 5000, /* a look around that does not spin: long enough to see a queue grow old (take.c) */
    HELP_LONGEST = 64, /* times MNI_HELP_NS */
    CROWD_WORK_NS = 100000, /* so much work of a crowd of sleepers is no reason to call for help */
    CROWD_LAST_NS = 1000000,
    CREDIT = 16, /* gifts that count at most */
    LONG = 256, /* threads in a queue that is worth a look to a worker without credit: some 50 us of work or more */
    WATCH_FIRST_NS = 100000, /* the watcher's first nap, doubled to the last while it finds nothing */
    WATCH_LAST_NS = 10000000,
    WATCH_APART_NS = 800000, /* the last of one that stays apart: what the others do may change at once */
};
enum { SLEEPS = 1, POLLS = 2 }; /* remote.idle */

static uint32_t watching; /* one of the sleepers naps; atomic */

void mni_idle_forked(void) {
    a32_store(&watching, 0);
}

/* True: this call made it not idle, and its worker is awake soon. */
static bool rouse(struct mni_cpu *c) {
    uint32_t how;
    if (!a32_load(&c->remote.idle) || (how = a32_swap_full(&c->remote.idle, 0)) == 0)
        return false;
    a32_add_full(&mni_rt->idlers, (uint32_t)-1);
    if (how == POLLS) {
        mni_poller_ring();
        return true;
    }
    struct mni_worker *w = aptr_load_acquire(&c->worker);
    a32_add_full(&w->sleep, 1);
    umtx_wake(&w->sleep, 1, UMTX_PRIVATE);
    return true;
}

void mni_ring_up(struct mni_cpu *c) {
    rouse(c);
}

void mni_rouse_all(void) {
    for (unsigned i = 0; i < mni_rt->ncpus; i++)
        rouse(mni_rt->cpus[i]);
}

bool mni_rouse_one(void) {
    const struct mni_runtime *rt = mni_rt;
    for (unsigned i = 0; rt && i < a32_load(&rt->active); i++)
        if (rouse(rt->cpus[i]))
            return true;
    return false;
}

bool mni_idle_watched(void) {
    return a32_load(&watching) != 0;
}

/* Wakes the nearest sleeper. */
static bool rouse_any(const struct mni_cpu *c) {
    const unsigned n = mni_rt->ncpus, *order = mni_rt->topo.order + (size_t)c->index * (n - 1);
    for (unsigned i = 0; i + 1 < n; i++) {
        struct mni_cpu *v = mni_rt->cpus[order[i]];
        /* Acquire: what `wakes` says belongs to this sleep, or to a later one. */
        if (order[i] >= a32_load(&mni_rt->active) || !a32_load_acquire(&v->remote.idle))
            continue;
        /* It would not help; where this cpu gets stuck, the watcher sees to it, if there is one. */
        if (aptr_load(&v->throttle.apart) == c && a32_load(&watching))
            continue;
        if ((int64_t)a64_load((uint64_t *)&v->remote.wakes) - c->now < MNI_HELP_NS)
            return false;
        if (rouse(v))
            return true;
    }
    return false;
}

/* Its threads are a crowd that has just been waited for, and few. */
static bool small_crowd(const struct mni_cpu *c) {
    return c->now - c->gather < CROWD_LAST_NS &&
           (uint64_t)mni_ring_length(c) * MNI_LOOK_NS / c->ticks < CROWD_WORK_NS;
}

void mni_call_help(struct mni_cpu *c) {
    if (a32_load(&mni_rt->searching))
        return;
    uint64_t now = cpu_ticks();
    /* Without a watcher (all slept a moment ago) nobody would make up for a call that is left out. */
    if ((now - c->helped < c->help_wait || small_crowd(c)) && a32_load(&watching))
        return;
    c->helped = now;
    /* Nobody has taken anything since the last call: the next one can wait longer. */
    bool useful = c->count.stolen != c->stolen_then;
    c->stolen_then = c->count.stolen;
    c->help_wait = useful                                             ? mni_rt->help_ticks
                   : c->help_wait < HELP_LONGEST * mni_rt->help_ticks ? 2 * c->help_wait
                                                                      : c->help_wait;
    if (rouse_any(c))
        mni_count(c, rouses, 1);
}

/* It is not to spin: it has nobody to wait for, or that did not pay of late, or there is a crowd of timers, or
 * it stays apart. */
static bool poor(const struct mni_cpu *c) {
    return mni_rt->ncpus == 1 || c->gather || c->throttle.apart ||
           (a64_load(&mni_rt->spin_ns) && c->credit <= 0);
}

/* Another cpu has threads that it does not run next; for who has no credit, many of them. */
static bool work_elsewhere(const struct mni_cpu *c) {
    const bool long_ones = poor(c);
    for (unsigned i = 0; i < mni_rt->ncpus; i++) {
        const struct mni_cpu *v = mni_rt->cpus[i];
        if (v != c && v != c->throttle.apart && (long_ones ? mni_ring_length(v) >= LONG : mni_runq_more(v)))
            return true;
    }
    return false;
}

/* For who is not counted as idle itself. */
static bool others_busy(void) {
    return a32_load(&mni_rt->idlers) + 1 < mni_rt->ncpus;
}

static bool mine(struct mni_cpu *c) {
    if (aptr_load(&c->remote.inbox))
        mni_inbox_drain(c);
    return !mni_runq_empty(c);
}

/* When it is to look at its timers. */
static int64_t next_timer(struct mni_cpu *c) {
    int64_t next = mni_first_timer(c);
    return next > c->gather ? next : c->gather;
}

static bool due(struct mni_cpu *c) {
    return next_timer(c) <= (int64_t)clock_now_ns();
}

/* What ended a wait for work: nothing, the cpu's own affairs, or threads from others. */
enum found { NOTHING, OWN, GIFT };

/* Waits for what others put into the inbox, without looking further. */
static enum found linger(struct mni_cpu *c, int64_t ns) {
    int64_t end = (int64_t)clock_now_ns() + ns;
    do {
        for (int i = 0; i < 64; i++) {
            cpu_relax();
            if (aptr_load(&c->remote.inbox))
                return mine(c) ? GIFT : NOTHING;
        }
        if (due(c) || a32_load(&mni_rt->stop))
            return OWN;
    } while ((int64_t)clock_now_ns() < end);
    return NOTHING;
}

/* Looks for work for at most `ns`. */
static enum found search(struct mni_cpu *c, struct mni_search *memory, int64_t ns) {
    int64_t end = (int64_t)clock_now_ns() + ns;
    mni_count(c, searches, 1);
    memory->most = ns * 3 / 4;
    for (;;) {
        if (mine(c))
            return GIFT;
        int64_t now = (int64_t)clock_now_ns();
        if (next_timer(c) <= now || a32_load(&mni_rt->stop))
            return OWN;
        mni_thread_share(c);
        if (mni_rt->ncpus > 1 && mni_steal(c, memory, now))
            return GIFT;
        if (now >= end)
            return NOTHING;
        /* What comes to the inbox does not wait for the end of the pause. */
        for (int i = 0; i < 8 && !aptr_load(&c->remote.inbox); i++)
            cpu_relax();
    }
}

/* False: somebody roused it. */
static bool no_longer_idle(struct mni_cpu *c) {
    if (a32_swap_full(&c->remote.idle, 0) == 0)
        return false;
    a32_add_full(&mni_rt->idlers, (uint32_t)-1);
    return true;
}

/* True: the time has come, and nobody. */
static bool sleep_until(struct mni_worker *w, uint32_t sleep, int64_t until) {
    struct timespec ts = clock_timespec(until);
    return umtx_wait(&w->sleep, sleep, until == MN_FOREVER ? NULL : &ts, CLOCK_MONOTONIC, UMTX_PRIVATE) ==
           -ETIMEDOUT;
}

/* It takes no part, while the quota is small: only what is its own. */
static bool rests_now(const struct mni_cpu *c) {
    return c->index >= a32_load(&mni_rt->active);
}

/* Looks for work, as long as that has paid of late. */
static enum found look(struct mni_cpu *c, struct mni_search *memory, int64_t now, int64_t spin) {
    struct mni_runtime *rt = mni_rt;
    enum found found = NOTHING;
    mni_ran_dry(c, now);
    if (poor(c) && !work_elsewhere(c)) {
        /* A short queue that is never empty is not left to its cpu for good. */
        c->seen.least = c->seen.most = WATCH_FIRST_NS;
        return mni_steal(c, &c->seen, now) ? GIFT : NOTHING;
    }
    if (spin > c->credit)
        spin = c->credit;
    if (a32_add_full(&rt->searching, 1) < rt->most_searching) {
        found = search(c, memory, spin > LOOK_ROUND_NS ? spin : LOOK_ROUND_NS);
        a32_add_full(&rt->searching, (uint32_t)-1);
    } else {
        /* Enough look for work already: this one waits for its own inbox only, and costs nobody a cache
         * line. */
        a32_add_full(&rt->searching, (uint32_t)-1);
        if (spin > 0)
            found = linger(c, spin);
    }
    return found;
}

/* The worker looked for so long; gift: and got threads. */
static void account(struct mni_cpu *c, int64_t spin, int64_t looked, bool gift) {
    int64_t credit = c->credit + (gift ? spin : 0) - looked;
    c->credit = credit < 0 ? 0 : credit < CREDIT * spin ? credit : CREDIT * spin;
}

/*
 * True: it is the watcher now.  That is before it is counted as idle: who finds it idle finds it watching.  For
 * a crowd that it leaves to the timekeeper it sleeps for a while only, and can watch as well, though all sleep.
 */
static bool watch(const struct mni_cpu *c) {
    return mni_rt->ncpus > 1 && (c->gather ? !mni_keeps_time(c) : others_busy()) &&
           a32_cas_acquire(&watching, 0, 1); /* acquire, and released: one at a time; it guards nothing */
}

static void unwatch(void) {
    a32_store_release(&watching, 0);
}

/* It is about to touch what others do, and is idle no more: another's solo mode ends first (solo_mode.c). */
static void come_back(void) {
    if (mni_solo_elsewhere())
        mni_solo_end();
}

static bool idle(struct mni_worker *w) {
    struct mni_cpu *c = w->cpu;
    struct mni_runtime *rt = mni_rt;
    struct mni_search memory = {0};
    int64_t spin = (int64_t)a64_load(&rt->spin_ns); /* relaxed: it may change (quota_watch.c) */
    int64_t since = (int64_t)clock_now_ns();
    bool rests = rests_now(c);
    mni_solo_idle();
    c->gather = rests ? 0 : mni_timers_wait(c, since);
    if (rt->ncpus > 1 && !rests) {
        if (mni_poller_missing() && mni_poller_look(c))
            return true;
        enum found found = look(c, &memory, since, spin);
        account(c, spin, (int64_t)clock_now_ns() - since, found == GIFT);
        if (found)
            return true;
    }
    int64_t nap = c->gather ? MNI_LEAVE_NS : WATCH_FIRST_NS;
    for (;;) {
        int64_t decay = mni_slab_decay();
        uint32_t sleep = a32_load(&w->sleep);
        rests = rests_now(c);
        bool polls = !rests && mni_poller_wanted() && mni_poller_take();
        bool naps = !rests && watch(c);
        /* Counted first: who rouses it counts it down. */
        a32_add_full(&rt->idlers, 1);
        /* Full: pairs with the full operation of an inbox push, whose pusher then looks at idle. */
        a32_swap_full(&c->remote.idle, polls ? POLLS : SLEEPS);
        /* Not for a short sleep: what is missed then is found soon (look). */
        if (rt->ncpus > 1 && next_timer(c) > since + WATCH_FIRST_NS)
            mni_heavy_barrier();
        /* While enough others search, work elsewhere is theirs: who stops searching comes by here and looks
         * again. */
        if (mine(c) || due(c) || a32_load(&rt->stop) ||
            (!rests && a32_load(&rt->searching) < rt->most_searching && work_elsewhere(c))) {
            if (polls)
                mni_poller_release();
            if (naps)
                unwatch();
            no_longer_idle(c);
            mni_busy_again();
            break;
        }
        if (!polls && !rests && mni_poller_missing()) {
            if (naps)
                unwatch();
            no_longer_idle(c);
            continue;
        }
        int64_t until = next_timer(c);
        if (until > decay)
            until = decay;
        if (naps && until > (int64_t)clock_now_ns() + nap)
            until = (int64_t)clock_now_ns() + nap;
        mni_count(c, sleeps, 1);
        /* Relaxed: the full operations on `idle` order it, see rouse_any. */
        a64_store((uint64_t *)&c->remote.wakes, (uint64_t)until);
        /* Nothing here is in motion while it sleeps: the cpu may be taken. */
        a32_store_release(&w->inside, 0);
        bool nothing = polls ? !mni_poller_sleep(until) : sleep_until(w, sleep, until);
        if (naps)
            unwatch();
        c = mni_enter_loop(w);
        if (c)
            a64_store((uint64_t *)&c->remote.wakes, MN_FOREVER); /* before `idle`; as above */
        bool roused = c && !no_longer_idle(c);
        if (polls) {
            if (!nothing)
                come_back();
            mni_poller_finish(c); /* it may wake others, but not this one */
        }
        if (!c)
            return false;
        a64_store((uint64_t *)&c->now, clock_now_ns()); /* relaxed: read by mni_nap_put_off */
        /* Called for help by one that is solo: it looks what there is, before it ends that (solo_mode.c). */
        const bool own = mine(c) || due(c) || rests || a32_load(&rt->stop);
        const bool called = roused && !own && mni_solo_elsewhere();
        if (roused) {
            account(c, spin, 0, !called);
            /* What it was woken for comes first, housekeeping at the next switch. */
            if (c->tick < 2)
                c->tick = 2;
        } else {
            mni_timekeeper_check(c);
        }
        if (!called && (!nothing || roused || !naps || due(c))) {
            mni_busy_again();
            break;
        }
        /* The watcher's look around, or of who was called: as a search that does not spin long.  It remembers
         * what it saw the last time: a hot slot behind a thread that runs for long would never be old enough
         * otherwise (HOT_NS in take.c). */
        mni_ran_dry(c, (int64_t)clock_now_ns());
        enum found found = search(c, &memory, LOOK_ROUND_NS);
        account(c, spin, 0, found == GIFT);
        if (found)
            break;
        const int64_t longest = c->throttle.apart ? WATCH_APART_NS : WATCH_LAST_NS;
        nap = 2 * nap < longest ? 2 * nap : longest;
        c->gather = 0; /* the timekeeper has seen to it; from here on it watches only while others are busy */
    }
    return true;
}

bool mni_idle(struct mni_worker *w) {
    bool has_cpu = idle(w);
    come_back();
    return has_cpu;
}
