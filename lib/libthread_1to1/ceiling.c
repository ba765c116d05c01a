/*
 * Priority ceilings: the priority of a thread that owns mutexes with PTHREAD_PRIO_PROTECT.
 *
 * Guarantee: a thread runs at the higher of its own priority and the highest ceiling of the mutexes that it
 * owns, from before it gets the first until after it has given up the last, whoever changes its own priority
 * meanwhile.  A thread of an ordinary policy (SCHED_OTHER and the like) is below all ceilings: it becomes
 * SCHED_FIFO at the ceiling.  What pthread_getschedparam tells, and what a new thread inherits, is its own.
 *
 * When.  A ceiling keeps threads of middle priority from running while the owner of the mutex could not.  So
 * there must be no moment in which a thread owns the mutex with a lower priority.
 *
 *   raised first    Between a successful attempt and a rise after it the thread could be preempted.  And if it
 *                   may not be raised, it would have to give the mutex back before everybody's eyes; so, a
 *                   refusal leaves nothing behind.
 *   also to wait    An unlock wakes one sleeper and relies on it.  One that first has to wait for a CPU behind
 *                   threads of middle priority leaves the mutex free and sleepers of high priority asleep.
 *   lowered last    After the mutex is free and a sleeper is woken, for the same reasons.
 *
 * A thread that did not get the mutex after all (trylock, deadline, another ceiling) is lowered again.
 *
 * Which.  Mutexes are given up in any order, so a thread counts those that it owns, by ceiling.  A list through
 * the mutexes would need no table; but a mutex may lie in memory that its owner unmaps, or that it shares with
 * its fork, which would link the same nodes into a list of its own.
 *
 * What the kernel knows is one policy and one priority.  `own` is what they were when the first such mutex was
 * taken, `given` what they were changed to.  Neither is kept while the thread owns no such mutex: the kernel is
 * asked afresh, since others may change it past us (sched_setscheduler, chrt(1)).  For the same reason it is
 * asked before each change; if it has not what was given, then what it has is the thread's own now.  Nothing is
 * asked or changed while the highest ceiling stays the same.
 *
 * Who.  A thread's ceilings are changed by the thread itself, its own scheduling by anybody.  `lock` makes each
 * of these one step: counts and kernel agree whenever it is free.  The thread takes it with signals enabled,
 * which is safe since no function that takes it may be called in a signal handler.  For the same reason no
 * cancellation comes between raising and the mutex: pthread_mutex_lock is no cancellation point, and may not be
 * called by a thread that can be cancelled anywhere.
 *
 * Ends.  A thread that ends as an owner leaves its mutexes locked, and its LWP is not reused.  A fork's child
 * owns what its parent's thread owned: it has the same scheduling, and a copy of this from between two changes.
 *
 * Limits: a thread that was just lowered may be preempted while it still has `lock`; who wants it waits until
 * that thread runs again.  A program that is executed (exec, posix_spawn) by a thread under a ceiling keeps the
 * priority.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "ceiling.h"

#include <errno.h>
#include <sched.h>
#include <sys/prctl.h>

#include "fault.h"
#include "sys.h"
#include "thr.h"

enum {
    CEILINGS = 100,      /* Linux has priorities 1 to 99 */
    POLICY_DEADLINE = 6, /* above every priority */
};

/* How many mutexes the thread owns, or is about to, by ceiling.  All zero before an LWP is reused. */
static __thread uint16_t owned[CEILINGS] __attribute__((tls_model("initial-exec")));

/* ---- the kernel */

static int policy_of(const struct schedule *s) {
    return s->policy & ~SCHED_RESET_ON_FORK;
}

static bool real_time(const struct schedule *s) {
    return policy_of(s) == SCHED_FIFO || policy_of(s) == SCHED_RR;
}

/* Only a real-time thread has a priority to ask for.  (sched_getattr would do in one call for all, but there
 * are sandboxes that lack it.) */
static int kernel_get(uint32_t tid, struct schedule *s) {
    long policy = fault("sched_get") ? -EPERM : sys(SYS_sched_getscheduler, tid);
    *s = (struct schedule){(int)policy, 0};
    if (policy < 0 || !real_time(s))
        return policy < 0 ? (int)policy : 0;
    struct sched_param p = {0};
    long err = sys(SYS_sched_getparam, tid, &p);
    s->priority = p.sched_priority;
    return (int)err;
}

static int kernel_set(uint32_t tid, const struct schedule *s) {
    struct sched_param p = {.sched_priority = s->priority};
    return fault("sched_set") ? -EPERM : (int)sys(SYS_sched_setscheduler, tid, s->policy, &p);
}

/* ---- schedules */

static bool same(const struct schedule *a, const struct schedule *b) {
    return a->policy == b->policy && a->priority == b->priority;
}

/* What a thread with this schedule runs with under a ceiling. */
static struct schedule under(struct schedule s, int ceiling) {
    if (s.priority < ceiling) {
        if (!real_time(&s))
            s.policy = SCHED_FIFO | (s.policy & SCHED_RESET_ON_FORK);
        s.priority = ceiling;
    }
    return s;
}

static bool above(const struct schedule *s, int ceiling) {
    return s->priority > ceiling || policy_of(s) == POLICY_DEADLINE;
}

/* ---- what is in force */

static struct ceiling *take(struct thr *thr) {
    if (!thr->registered) /* the caller itself, made by the libc: nobody else finds it */
        thr->ceiling.lock.rank = RANK_SCHED;
    lock_take(&thr->ceiling.lock);
    return &thr->ceiling;
}

static void drop(struct ceiling *c) {
    lock_drop(&c->lock);
}

/* Makes the kernel give the caller `want`.  A real-time thread has no timer slack; the kernel forgets the one
 * that it had before. */
static int give(struct ceiling *c, const struct schedule *want) {
    bool was = real_time(&c->given), will = real_time(want);
    if (!was && will)
        c->slack = sys(SYS_prctl, PR_GET_TIMERSLACK);
    int err = kernel_set(0, want);
    if (err < 0)
        return err;
    if (was && !will && c->slack > 0)
        sys(SYS_prctl, PR_SET_TIMERSLACK, c->slack);
    c->given = *want;
    return 0;
}

/* Makes `highest` the ceiling in force. */
static int apply(struct ceiling *c, int highest) {
    struct schedule want = under(c->own, highest), now;
    if (!same(&want, &c->given)) {
        if (c->highest != 0 && kernel_get(0, &now) == 0 && !same(&now, &c->given)) {
            c->own = c->given = now;
            want = under(now, highest);
        }
        int err = same(&want, &c->given) ? 0 : give(c, &want);
        if (err < 0)
            return err;
    }
    c->highest = highest;
    return 0;
}

/* ---- the calling thread's ceilings */

static int highest_owned(void) {
    int c = CEILINGS - 1;
    while (c > 0 && owned[c] == 0)
        c--;
    return c;
}

static void count(int ceiling, int n) {
    if (ceiling != 0)
        owned[ceiling] = (uint16_t)(owned[ceiling] + n);
}

/* The thread owns no such mutex yet: what it has now is its own. */
static int begin(struct ceiling *c) {
    int err = kernel_get(0, &c->own);
    c->given = c->own;
    c->slack = 0;
    return err;
}

static int change_locked(struct ceiling *c, int from, int to, bool obey) {
    int err = c->highest == 0 ? begin(c) : 0;
    if (err < 0)
        return err;
    if (to != 0 && obey && above(&c->own, to))
        return -EINVAL;
    if (to != 0 && owned[to] == UINT16_MAX)
        return -EAGAIN;
    if (owned[from] == 0)
        from = 0; /* as ceiling_change */
    count(to, 1);
    count(from, -1);
    int highest = highest_owned();
    err = highest == c->highest ? 0 : apply(c, highest);
    if (err < 0 && to != 0) {
        count(to, -1);
        count(from, 1);
    }
    return err;
}

int ceiling_change(int from, int to, bool obey) {
    if (to < 0 || to >= CEILINGS || from < 0 || from >= CEILINGS || from == to)
        return from == to ? 0 : -EINVAL;
    if (to == 0 && owned[from] == 0)
        return 0; /* taken back without obeying; or locked by another thread, as it should not be */
    struct ceiling *c = take(thr_self());
    int err = change_locked(c, from, to, obey);
    drop(c);
    return err;
}

bool ceiling_in_force(void) {
    return thr_self()->ceiling.highest != 0; /* without the lock: only this thread changes it */
}

/* ---- any thread's own scheduling */

int ceiling_own(struct thr *thr, uint32_t tid, struct schedule *own) {
    struct ceiling *c = take(thr);
    int err = 0;
    if (c->highest != 0)
        *own = c->own;
    else
        err = kernel_get(tid, own);
    drop(c);
    return err;
}

/* What the kernel would check, were it to apply this schedule and not one with the ceiling's priority. */
static bool valid(const struct schedule *s) {
    int policy = policy_of(s);
    long lowest = sys(SYS_sched_get_priority_min, policy), highest = sys(SYS_sched_get_priority_max, policy);
    return policy != POLICY_DEADLINE && lowest >= 0 && s->priority >= lowest && s->priority <= highest;
}

static int set_own(struct ceiling *c, uint32_t tid, const struct schedule *own) {
    if (!valid(own))
        return -EINVAL;
    struct schedule want = under(*own, c->highest);
    int err = kernel_set(tid, &want);
    if (err == 0) {
        c->own = *own;
        c->given = want;
    }
    return err;
}

int ceiling_set_own(struct thr *thr, uint32_t tid, const struct schedule *own) {
    struct ceiling *c = take(thr);
    int err = c->highest == 0 ? kernel_set(tid, own) : set_own(c, tid, own);
    drop(c);
    return err;
}

int ceiling_set_own_priority(struct thr *thr, uint32_t tid, int priority) {
    struct ceiling *c = take(thr);
    struct schedule own = {c->own.policy, priority};
    struct sched_param p = {.sched_priority = priority};
    int err = c->highest == 0 ? (int)sys(SYS_sched_setparam, tid, &p) : set_own(c, tid, &own);
    drop(c);
    return err;
}

/* ---- fork */

void ceiling_lock_for_fork(void) {
    take(thr_self());
}

void ceiling_unlock_after_fork(void) {
    drop(&thr_self()->ceiling);
}
