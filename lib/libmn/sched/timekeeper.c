/*
 * timekeeper: what expires on a cpu, and who looks at the timers of those that sleep.
 *
 * Each cpu has its own timers, and its worker sleeps until the first of them.  Where many threads sleep, that
 * is nearly always a microsecond away, and going to sleep and waking costs 20: with a million sleepers two
 * workers spent half of their time so, and neither was ever busy.
 *
 * A crowd is CROWD or more timers due within GATHER_NS.  A worker with nothing to do but a crowd waits until
 * GATHER_NS have passed and runs them all.  And one worker does so for all: the timekeeper.  Another worker
 * with nothing to do but a crowd leaves that to it and sleeps for MNI_LEAVE_NS; it is called, as any sleeper
 * is, when the timekeeper has more threads than it can run (idle.c), and then looks at its own timers again.
 * So as many workers are awake as there is work for.
 *
 *     timekeeper = 0        nobody, and nobody has left its timers to anyone
 *     timekeeper = i + 1    cpu i looks at the timers of those that sleep beyond their first one
 *
 * Nothing rests on that word: who left its timers wakes after MNI_LEAVE_NS, runs what is due, and if some were
 * overdue for long (the timekeeper runs one thread for long, or is not there) it keeps time itself from then
 * on.  Two may believe that they are the timekeeper for a moment; a queue lets one help at a time.
 *
 * What is left to the timekeeper is seen from `wakes` and `idle`, which a sleeper writes anyway.
 *
 * Limits.  Timers of a crowd are late by GATHER_NS, and by MNI_LEAVE_NS where the timekeeper fails.
 */
#include "timekeeper.h"

#include "runq.h"
#include "sched.h"
#include "solo_mode.h"

enum {
    EXPIRE_AT_ONCE = 256,
    GATHER_NS = 50000,
    CROWD = 8,
    OVERDUE_NS = 4 * GATHER_NS,
};

static void expired(struct mni_timer *timer, void *arg) {
    struct mni_cpu *c = arg;
    if (__builtin_expect(timer->expire != NULL, 0)) {
        timer->expire(c, timer);
        return;
    }
    struct mni_thread *t = list_entry(timer, struct mni_thread, timer);
    if (!mni_claim(&t->park, -ETIMEDOUT))
        return;
    if (__builtin_expect((t->flags & MNI_PINNED) && t->cpu != c->index, 0)) {
        mni_ready(c, t);
        return;
    }
    /* In the order of their deadlines: not to the hot slot. */
    mni_count(c, wakes, 1);
    a8_store(&t->state, MNI_READY);
    mni_runq_push_fair(c, t);
    c->cold = c->tail;
}

bool mni_keeps_time(const struct mni_cpu *c) {
    /* Relaxed: hints.  Who rests leaves it: it sleeps for longer than the others allow. */
    return a32_load(&mni_rt->timekeeper) == c->index + 1 && c->index < a32_load(&mni_rt->active);
}

/* Its first timer, if it sleeps for longer than that; else MN_FOREVER. */
static int64_t left(const struct mni_cpu *v) {
    /* Relaxed, all: hints. */
    int64_t first = mni_timers_hint(v->timers), wakes = (int64_t)a64_load((const uint64_t *)&v->remote.wakes);
    return first < wakes && wakes != MN_FOREVER && a32_load(&v->remote.idle) ? first : MN_FOREVER;
}

void mni_run_timers(struct mni_cpu *c, int64_t now) {
    /* Also when nothing is due: the queue follows the time (two comparisons, then). */
    mni_timers_run(c->timers, now, EXPIRE_AT_ONCE, expired, c);
    if (__builtin_expect(!mni_keeps_time(c), 1))
        return;
    for (unsigned i = 0; i < mni_rt->ncpus; i++) {
        struct mni_cpu *v = mni_rt->cpus[i];
        if (v != c && left(v) <= now)
            mni_timers_help(v->timers, now, EXPIRE_AT_ONCE, &v->remote.idle, expired, c);
    }
}

static bool oversleeps(const struct mni_cpu *k, int64_t until) {
    /* Relaxed: hints. */
    return a32_load(&k->remote.idle) && (int64_t)a64_load((const uint64_t *)&k->remote.wakes) > until;
}

/* Of those that sleep beyond it. */
static int64_t first_left(const struct mni_cpu *c) {
    int64_t first = MN_FOREVER;
    for (unsigned i = 0; i < mni_rt->ncpus; i++) {
        int64_t theirs = mni_rt->cpus[i] != c ? left(mni_rt->cpus[i]) : MN_FOREVER;
        if (theirs < first)
            first = theirs;
    }
    return first;
}

int64_t mni_first_timer(struct mni_cpu *c) {
    /* Its queue's lock may be held by who is solo: then that is what it was, or too early. */
    int64_t own = mni_solo_elsewhere() ? mni_timers_hint(c->timers) : mni_timers_next(c->timers);
    int64_t theirs = mni_keeps_time(c) ? first_left(c) : MN_FOREVER;
    return own < theirs ? own : theirs;
}

int64_t mni_timers_wait(struct mni_cpu *c, int64_t now) {
    bool crowd = mni_timers_crowd(c->timers, now + GATHER_NS, CROWD);
    if (mni_keeps_time(c)) {
        if (crowd || first_left(c) != MN_FOREVER)
            return now + GATHER_NS;
        a32_store(&mni_rt->timekeeper, 0);
        return 0;
    }
    if (!crowd)
        return 0;
    uint32_t k = a32_load(&mni_rt->timekeeper);
    if (k != 0 && !oversleeps(mni_rt->cpus[k - 1], now + GATHER_NS))
        return now + MNI_LEAVE_NS;
    a32_store(&mni_rt->timekeeper, c->index + 1);
    return now + GATHER_NS;
}

void mni_timekeeper_check(const struct mni_cpu *c) {
    if (a32_load(&mni_rt->timekeeper) && mni_timers_hint(c->timers) < c->now - OVERDUE_NS)
        a32_store(&mni_rt->timekeeper, c->index + 1);
}
