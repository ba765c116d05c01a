/*
 * poller: one set of descriptors for the whole runtime, and who looks at it.
 *
 * Guarantee: a thread whose descriptor is ready runs at once if any worker is idle, and after some 100 us of
 * other threads' switches otherwise.  Between two switches of a busy worker nobody has to know that descriptors
 * exist.
 *
 * Naive designs.  An LWP that does nothing but poll: each event is a wake-up of a worker (1.6 us to the poller,
 * 4 us until it runs), and on one CPU two switches of LWPs for each batch.  A set for each cpu: a descriptor
 * whose thread moves to another cpu has to be moved, too, and the events of a cpu that is busy wait although
 * others idle.
 *
 * Here: the role of the poller is one word.  Who has it may call mni_pollset_wait, and owns the buffer of
 * events.
 *
 *   idle worker    takes the role, if somebody waits for descriptors, and sleeps in the set instead of on its futex, until its
 *                  next timer.  With one worker that is all the polling there is: a batch of events, their threads, again.
 *   busy worker    housekeeping looks, without waiting, when nobody has for 100 us (mni_poller_tick).
 *   others         mni_poll_now, for who watches over workers that do not come by.
 *
 * Falling asleep with the role extends the protocol of idle.c by one value: remote.idle is 2, not 1.
 *
 *     worker: take the role;  idlers++;  idle = 2;  heavy barrier;  look at queues, timers, stop;  wait in the set
 *     rouse:  swap idle for 0;  it was 2: ring
 *
 * The ring is a descriptor of the set that stays readable until it is read: a ring before the wait ends the
 * wait.  Only the role's holder reads it, and it does so before it gives the role back:
 *
 *   - A ring for P that comes while P still holds the role is for P, and P is awake.
 *   - P saw the change of idle by itself, and left; the ring comes later, when Q has the role: Q wakes for nothing.
 *   - No ring for Q can be read by P: Q's idle became 2 after Q had got the role, so after P had given it back.
 *
 * Who looks when the role is free?  Somebody who waits, and workers that sleep on their futexes without a
 * poller among them, must not be.
 *
 *   - A worker that goes to sleep without the role looks, after the heavy barrier, whether someone waits and the role is
 *     free (mni_poller_missing), and then comes again.
 *   - The role was held by a busy worker that only looked: it looks again while it is busy, and takes the role when it is not.
 *   - By somebody foreign (mni_poll_now): it looks for sleepers after it has given the role back, and rouses one.
 *   - A foreign LWP begins to wait: it says so, then looks for sleepers.  The worker stores idle, then looks who waits: one of
 *     the two sees the other.
 *   - A worker leaves the role because there is work, others sleep, and the work turns out to be long: as for ready threads
 *     (idle.c), it rouses another, which becomes the poller; once a millisecond at most, since it is in vain nearly always.
 *     Between two of these it is as if the cpu were busy in any other way: whoever watches over that (mni_poll_now) comes.
 *
 * How many wait is counted for each cpu, by plain additions: a thread adds one where it begins to wait, and
 * takes one away where it goes on, so single counts may be negative and only the sum means something.  While
 * others run the sum may be seen wrong; the last worker that goes to sleep sees it right.
 *
 * tests/model/mn_poller.c walks through all orders.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "poller.h"

#include <mn/time.h>

#include "clock.h"
#include "fd.h"
#include "lock.h"
#include "poll.h"
#include "runtime/fork.h"
#include "runtime/keep.h"
#include "sched/idle.h"

enum {
    BATCH = 256,
    KICK_NS = 1000000, /* between two wake-ups of others by pollers that leave */
};

struct mni_pollset mni_poller_set = {-1, -1, -1, 0};
uint32_t mni_poller_epoch, mni_poller_role, mni_poller_foreign;
uint64_t mni_poller_last;

static struct lock opening = LOCK_INIT(RANK_POOL);
static uint32_t epochs; /* guarded by opening */
static uint64_t kicked; /* when; atomic, relaxed */

/* The role's. */
static struct mni_ready ready[BATCH];
static int came;

int mni_poller_open(void) {
    /* Acquire: pairs with the release below; the set is made. */
    if (__builtin_expect(a32_load_acquire(&mni_poller_epoch) != 0, 1))
        return 0;
    int r = 0;
    lock_take(&opening);
    if (!mn_workers()) { /* also while it starts: that may fail yet */
        r = 1;
    } else if (!mni_poller_epoch && (r = mni_pollset_open(&mni_poller_set)) == 0) {
        a64_store(&mni_poller_last, clock_now_ns());
        a32_store_release(&mni_poller_epoch, ++epochs ? epochs : ++epochs);
    }
    lock_drop(&opening);
    return r;
}

void mni_poller_end(void) {
    lock_take(&opening);
    if (mni_poller_epoch) {
        /* Before the locks of the entries are taken, or seen free, in turn: who takes one from now on sees it
         * (fd.c).  Full: pairs with the taking. */
        a32_swap_full(&mni_poller_epoch, 0);
        mni_fd_wake_all();
        mni_pollset_close(&mni_poller_set);
    }
    lock_drop(&opening);
}

void mni_poller_forked(void) {
    lock_reset(&opening);
    if (mni_poller_epoch)
        mni_pollset_close(&mni_poller_set);
    mni_poller_epoch = mni_poller_role = mni_poller_foreign = 0;
    came = 0;
    mni_fd_forked();
}

uint32_t mni_poll_waiters(void) {
    const struct mni_runtime *rt = mni_rt;
    /* Relaxed: see above. */
    uint32_t n = a32_load(&mni_poller_foreign);
    for (unsigned i = 0; rt && i < rt->ncpus; i++)
        n += a32_load(&rt->cpus[i]->polls);
    return n;
}

void mni_poller_waits(struct mni_cpu *c) {
    if (c) {
        a32_store(&c->polls, c->polls + 1);
        return;
    }
    /* Full: pairs with the swap of idle by a worker that goes to sleep. */
    a32_add_full(&mni_poller_foreign, 1);
    if (a32_load(&mni_poller_role) == 0 && mni_keep_foreign()) {
        mni_rouse_one();
        mni_let_go_foreign();
    }
}

void mni_poller_waited(struct mni_cpu *c) {
    if (c)
        a32_store(&c->polls, c->polls - 1);
    else
        a32_add_full(&mni_poller_foreign, (uint32_t)-1);
}

void mni_poller_release(void) {
    /* Full: a release for the buffer; and before a look at sleepers (mni_poll_now). */
    a32_swap_full(&mni_poller_role, 0);
}

bool mni_poller_sleep(int64_t deadline) {
    a64_store(&mni_poller_last, INT64_MAX);
    came = mni_pollset_wait(&mni_poller_set, ready, BATCH, deadline);
    a64_store(&mni_poller_last, clock_now_ns());
    return came > 0;
}

static void hand_out(struct mni_cpu *c) {
    mni_fd_events(c, ready, came);
    came = 0;
}

void mni_poller_finish(struct mni_cpu *c) {
    bool any = came > 0;
    hand_out(c);
    mni_poller_release();
    /* Relaxed, all: hints. */
    if (!any || a32_load(&mni_rt->idlers) == 0 || mni_idle_watched() || a32_load(&mni_rt->searching))
        return;
    uint64_t now = clock_now_ns(), then = a64_load(&kicked);
    if (now - then > KICK_NS && mni_poll_waiters() != 0) {
        a64_store(&kicked, now);
        mni_rouse_one();
    }
}

bool mni_poller_look(struct mni_cpu *c) {
    if (!mni_poller_take())
        return false;
    came = mni_pollset_wait(&mni_poller_set, ready, BATCH, 0);
    a64_store(&mni_poller_last, clock_now_ns());
    bool any = came > 0;
    hand_out(c);
    mni_poller_release();
    return any;
}

int64_t mni_poll_last(void) {
    return (int64_t)a64_load(&mni_poller_last);
}

int mni_poll_now(void) {
    if (!mni_poller_wanted() || mni_rouse_one() || !mni_poller_take())
        return 0;
    int n = came = mni_pollset_wait(&mni_poller_set, ready, BATCH, 0);
    a64_store(&mni_poller_last, clock_now_ns());
    hand_out(NULL);
    mni_poller_release();
    if (a32_load(&mni_rt->idlers) != 0)
        mni_rouse_one();
    return n;
}
