/*
 * sysmon: an LWP of its own that looks whether the workers get on.
 *
 * Guarantee: while any worker is busy, somebody looks at each cpu about once in a slice (at most 0.9 ms); and
 * when all sleep, so does it.  What it looks at and does is policy.c.
 *
 * How it waits between two looks is nap.c: not at all, as long as the workers come round.
 *
 * The naive way is a timer signal for each worker: it interrupts arbitrary C code.  The other naive way is a
 * watchdog that wakes 1,000 times a second for ever: an idle program should be idle.
 *
 * Design.  A nap between two looks; after a look that did something, the next come sooner, since what runs next
 * on that cpu may well be blocked in the same call.  When all workers have slept for QUIET looks it sleeps,
 * too, until a worker wakes it: a worker that has slept looks at one word (mni_busy_again), after idle = 0 and
 * a full operation:
 *
 *     worker:  idle = 0;    full;  read asleep       -> 1: wake it
 *     sysmon:  asleep = 1;  full;  read all idles    -> one is 0: do not sleep
 *
 * One of the two sees the other.  It sleeps at most once in QUIET naps, so a program whose workers sleep and
 * wake a hundred thousand times a second pays for a wake-up 100 times a second, at most, and mostly never.
 *
 * It stays awake, and lets no nap be put off, while an LWP that has lost its cpu computes.  Its worker, with a
 * short slice, wakes beside it for moments; if it woke sysmon, that would take the CPU from it, and when sysmon
 * sleeps again the kernel may find that the worker has had its share, and let the other go on (measured: 0.9 ms
 * late once in 50 times).  And naps that end regularly are occasions for the kernel to see that it is the
 * worker's turn (without them: 0.45 ms late once in 50 times).
 *
 *     asleep   set by             cleared by
 *     1        sysmon             whoever swaps it to 0: a worker, which then changes `word` and wakes it; or sysmon itself
 */
#include "progress.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "clock.h"
#include "fault.h"
#include "lwps.h"
#include "progress/nap.h"
#include "report.h"
#include "runtime/runtime.h"
#include "sched/signals.h"
#include "sched/worker.h"
#include "slack.h"
#include "slice.h"
#include "umtx.h"

enum {
    NAP_MOST_NS = 900000,  /* so that what begins just after a look is acted upon within 2 ms */
    NAP_LEAST_NS = 90000,
    SOON_NS = 200000,      /* the nap after a look that did something, */
    SOON_LOOKS = 8,        /* for so many looks */
    CHECK_NS = 1000000000, /* between two checks for a deadlock */
    LOST_NS = 10000000,    /* between two looks at LWPs that have lost their cpus */
    QUIET = 10,            /* looks that find all workers asleep, before it sleeps itself */
};

uint32_t mni_sysmon_asleep;

static struct {
    pthread_t lwp;
    struct mni_runtime *rt;
    struct mni_seen *seen;
    uint32_t word; /* futex: changes when it is to look up; atomic */
    uint32_t stop; /* atomic */
    bool runs;
} self;

static void ring(void) {
    a32_add_full(&self.word, 1);
    umtx_wake(&self.word, 1, UMTX_PRIVATE);
    mni_nap_ring();
}

void mni_sysmon_wake(void) {
    /* Full: one of several workers wakes it. */
    if (a32_swap_full(&mni_sysmon_asleep, 0))
        ring();
}

static int64_t nap_ns(const struct mni_runtime *rt) {
    int64_t ns = (int64_t)rt->config.slice_us * 900;
    return ns < NAP_LEAST_NS ? NAP_LEAST_NS : ns > NAP_MOST_NS ? NAP_MOST_NS : ns;
}

static bool all_sleep(const struct mni_runtime *rt) {
    for (unsigned i = 0; i < rt->ncpus; i++)
        if (!a32_load(&rt->cpus[i]->remote.idle))
            return false;
    return true;
}

/* Until a worker is busy, the time comes, or the runtime ends. */
static void sleep_until_busy(const struct mni_runtime *rt, int64_t until) {
    struct timespec ts = clock_timespec(until);
    uint32_t word = a32_load(&self.word);
    /* Full: pairs with the worker's operation before mni_busy_again. */
    a32_swap_full(&mni_sysmon_asleep, 1);
    if (all_sleep(rt) && !a32_load_acquire(&self.stop))
        umtx_wait(&self.word, word, until == MN_FOREVER ? NULL : &ts, CLOCK_MONOTONIC, UMTX_PRIVATE);
    a32_swap_full(&mni_sysmon_asleep, 0);
}

/* All sleep: when to look again, though nobody is busy.  Threads may still run, on LWPs without a cpu. */
static int64_t quiet_until(const struct mni_runtime *rt, int64_t now) {
    int64_t until = MN_FOREVER, wants = mni_stall_wants();
    if (mni_deadlock_seems(rt)) {
        int64_t again = mni_deadlock_again();
        if (again == MN_FOREVER || again <= now)
            mni_report_ring(MNI_REPORT_DEADLOCK);
        /* Whatever it finds: that no wake-up of ours is needed, or something that may end without one. */
        until = now + CHECK_NS;
    }
    return wants && now + wants < until ? now + wants : until;
}

/* True: workers came round for a while, and now one does not. */
static bool nap(int64_t now, int64_t until, int64_t limit) {
    enum mni_nap how = mni_nap(now, until, limit);
    if (how != MNI_NAP_NOT)
        return how == MNI_NAP_PUT_OFF;
    uint32_t word = a32_load_acquire(&self.word);
    struct timespec ts = clock_timespec(until);
    /* Acquire: pairs with the stop's release. */
    while (!a32_load_acquire(&self.stop) &&
           umtx_wait(&self.word, word, &ts, CLOCK_MONOTONIC, UMTX_PRIVATE) == -EINTR)
        continue;
    return false;
}

static void *sysmon_main(void *arg) {
    struct mni_runtime *rt = arg;
    const int64_t long_nap = nap_ns(rt);
    unsigned quiet = 0, soon = 0;
    bool computes = false; /* an LWP that has lost its cpu */
    int64_t reap = 0, ask = 0, last = (int64_t)clock_now_ns(), watched = 2 * long_nap;
    pthread_setname_np(pthread_self(), "mn-sysmon");
    mni_lwp_rests();
    lwp_timer_slack(1);
    lwp_slice(0, LWP_SLICE_SHORT);
    while (!a32_load_acquire(&self.stop)) {
        int64_t now = (int64_t)clock_now_ns();
        unsigned r = mni_policy_look(rt, self.seen, now);
        if (r & MNI_LOOK_ACTED)
            soon = SOON_LOOKS;
        else if (soon > 0)
            soon--;
        mni_stall_look(rt, now - last < watched ? now - last : watched);
        last = now;
        watched = 2 * long_nap;
        quiet = r ? 0 : quiet + 1;
        if (now >= reap) {
            mni_spares_reap();
            mni_report_ring(MNI_REPORT_QUOTA);
            reap = now + 1000000000;
        }
        if (quiet >= QUIET) {
            quiet = 0;
            if (!mni_policy_computes()) {
                int64_t until = quiet_until(rt, now);
                watched += until - now; /* the next look is that late on purpose */
                sleep_until_busy(rt, until);
            }
        } else {
            if (now >= ask) {
                computes = mni_policy_computes();
                ask = now + LOST_NS;
            }
            /* Workers that come round do not show how long others have been stuck that have lost their cpus. */
            int64_t limit = soon || computes || mni_stall_wants() ? 0 : reap;
            if (nap(now, now + (soon && SOON_NS < long_nap ? SOON_NS : long_nap), limit))
                soon = 2; /* this look, and another to compare with it */
        }
    }
    mni_lwp_works();
    return NULL;
}

static void drop_seen(void) {
    free(self.seen);
    self.seen = NULL;
}

int mni_sysmon_start(struct mni_runtime *rt) {
    self.rt = rt;
    drop_seen(); /* what a runtime has that a fork left behind */
    self.seen = mni_policy_start(rt);
    if (!self.seen)
        return -ENOMEM;
    a32_store(&self.stop, 0);
    mni_deadlock_start(rt);
    mni_stall_start(rt);
    a32_store(&mni_sysmon_asleep, 0);
    mni_nap_start(nap_ns(rt));
    sigset_t old;
    mni_signals_block(&old);
    int r = fault("clone") ? EAGAIN : pthread_create(&self.lwp, NULL, sysmon_main, rt);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    self.runs = r == 0;
    if (r) {
        mni_nap_end();
        drop_seen();
    }
    return -r;
}

void mni_sysmon_stop(void) {
    if (!self.runs)
        return;
    a32_store_release(&self.stop, 1);
    ring();
    pthread_join(self.lwp, NULL);
    drop_seen();
    self.runs = false;
}

void mni_sysmon_forked(void) {
    self.runs = false;
    a32_store(&mni_sysmon_asleep, 0);
    mni_nap_end();
    mni_lwps_forked();
}
