/*
 * mutex: mutexes.
 *
 * Guarantee.  Mutual exclusion; nobody waits for ever; while threads wait, each gets its share; a mutex that
 * many fight for costs little more than one that one thread has for itself.
 *
 * The naive designs.  "First come, first served": every section waits for a switch, or for a sleeping CPU,
 * while the mutex is owned by a thread that does not run.  "Whoever comes": a thread that runs takes the mutex
 * again and again before the one that was woken can look (barging): fast, and the others starve.  And each
 * woken thread that looks, fails and sleeps again makes the owner's CPU wait for the cache line (55 to 215 ns)
 * several times, where a section takes 10: the line has to stay with one CPU for thousands of sections.
 *
 * Turns.  Threads that run may barge, and the ones that wait are left in peace, for TURN_NS in all; then the
 * thread that has waited longest gets the mutex by hand-over, and another turn begins.
 *
 *   - Owners count sections.  Unlock looks at the clock when the count is used up (due), and sets it to what will use up
 *     the rest of the turn.
 *   - The previous owner usually asks for the mutex again, parks, and its CPU switches to the heir, whom the hand-over put
 *     into the run queue of that CPU: turns go round among many threads while the cache line stays where it is.
 *   - Many waiters make turns shorter, so that a round stays near ROUND_NS.
 *
 * Calling.  The owner may not come back, so an unlock that finds a queue calls the first waiter: wakes it to
 * try its luck.  CALLED says that this was done; if the called thread finds the mutex held, it goes back to the
 * head of the queue, and CALLED remains.  Where sections follow each other quickly (brisk: one in BRISK_NS or
 * less, over the time between two threads that had to wait), calling only brings a second CPU to the cache
 * line.  There the thread that queues sets CALLED itself.  A thread that comes when it is not brisk looks at
 * the mutex a few times (spin.h) before it queues, whether others wait or not: it runs, and they do not.
 *
 * Who was called and finds that the owner rests (it has lost its turn between lock and unlock) takes CALLED
 * back: that owner may not come back either, and its unlock is to call again, at once.  (Without that two
 * threads that hand a turn over by a condition variable stood still for AWAY_NS after each slice, half of the
 * time.)  There are owners that rest in every section, and each call begins a turn: so one who is called again,
 * and in vain, marks the mutex URGENT, as a lookout does (below).
 *
 * Unlock without an atomic operation.  An unlock reads flags and then frees the mutex by a plain store with
 * release.  (A compare-and-swap costs 6 ns, half of the whole.)  So the owner of the time when a flag is set
 * may miss it, once:
 *
 *     owner:  read flags; store owner = 0          waiter:  set QUEUE; full barrier; read owner
 *
 * The waiter would sleep, and the mutex be free.  This is caught twice.  Who sets QUEUE looks on for RECHECK,
 * many times what a store needs to get from one CPU to the other.  And there is a lookout: the waiter that set
 * QUEUE, or was called, or set CALLED, sleeps for AWAY_NS only, then looks again.  An owner that was
 * interrupted between its two instructions so costs a fraction of a millisecond, and nothing is lost.  Owners
 * that come later know what is set, since their compare-and-swap comes after.  Hence these rules:
 *
 *     QUEUE       set by a thread that is then the lookout, or by the owner itself
 *     CALLED      cleared with a filled queue only by one who owns the mutex then, or by a lookout
 *     a lookout that leaves calls another, whether the mutex is free or not
 *
 * A lookout that finds the mutex held, and not handed over since its last look (long sections, or nobody
 * counts), marks it URGENT: the next unlock hands it over.  One that finds it free takes it, unless it is
 * brisk, and was handed over since (then the owner merely made room on the CPU for the lookout).  While others
 * wait, brisk turns go to them, not to the lookout; it is the previous owner who comes and relieves it.
 *
 * flags    meaning                                set by                           cleared by
 * QUEUE    the queue may hold somebody            who queues                       who finds the queue empty
 * CALLED   no need to call: somebody will look    unlock, when it calls; adopt; a  the called thread or lookout as it
 *                                                 lookout, when brisk or leaving   gets the mutex, or as above
 * URGENT   hand over at the next unlock           the lookout                      as CALLED; every hand-over
 *
 *     tag of a waiter: LOOKOUT    MOVED: claimed already (by a condition variable)
 *             written by who wakes it: GOT: it owns the mutex now    CALL: it was called
 *
 * flags, queue, waiting, handed and tags change under the mutex's lock.  owner: from 0 by compare-and-swap of
 * anyone, to 0 or the heir by the owner.  sections, due, step, began, looked are the owner's; brisk and sampled
 * are hints.
 *
 * A robust mutex (robust.h) has MNI_ROBUST in `owner` all the time, which stands for 0 above: called the base
 * below.
 *
 * Unlock obeys the rule of the last touch (waiters.h).  Limits: the mutex does not know whether its owner runs;
 * a thread that is handed the mutex while all CPUs are busy with others keeps it until it gets to run.
 */
#include "mutex.h"

#include <errno.h>

#include "away.h"
#include "clock.h"
#include "cpu.h"
#include "export.h"
#include "spin.h"

enum { QUEUE = 1, CALLED = 2, URGENT = 4 };
enum { LOOKOUT = 1, MOVED = 2, GOT = 4, CALL = 8 };

enum {
    TURN_NS = 100000,
    ROUND_NS = 6400000,
    TURN_LEAST_NS = 10000,
    AWAY_NS = 200000,
    AWAY_MOST_NS = 3200000,
    BRISK_NS = 150,
    SAMPLE_NS = 20000,
    SAMPLE_MOST_NS = 100000000,
    STEP_MOST = 1 << 16,
    RECHECK = 14,    /* looks of 30 ns */
};

static struct mni_queue *queue(struct mn_mutex *m) {
    return mni_queue_in(&m->queue);
}

/* Sets flags, and QUEUE as it is.  The lock is held; relaxed: see the essay for who may miss it. */
static void set_flags(struct mn_mutex *m, uint32_t others) {
    a32_store(&m->flags, others | (mni_queue_empty(queue(m)) ? 0 : QUEUE));
}

/* What the owner of a free one is. */
static inline uint32_t base_of(const struct mn_mutex *m) {
    return a32_load(&m->owner) & MNI_ROBUST; /* relaxed: it never changes */
}

/* The first waiter that can be woken, claimed; NULL: none.  The lock is held. */
static struct mni_waiter *take_first(struct mn_mutex *m) {
    struct mni_waiter *w;
    while ((w = mni_queue_take(queue(m)))) {
        a32_store(&m->waiting, m->waiting - 1);
        /* A lookout that has just ended its wait by itself still is one, and will look. */
        if (w->tag & MOVED || mni_claim(w->parker, 0))
            return w;
    }
    return NULL;
}

/* The same, but while others wait a lookout stays one, where the owner will come and relieve it. */
static struct mni_waiter *take_heir(struct mn_mutex *m) {
    struct mni_queue *q = queue(m);
    struct mni_waiter *lookout = q->head;
    if (!lookout || lookout == q->tail || !(lookout->tag & LOOKOUT) || !a32_load(&m->brisk))
        return take_first(m);
    mni_queue_remove(q, lookout);
    struct mni_waiter *w = take_first(m);
    mni_queue_prepend(q, lookout);
    return w ? w : take_first(m);
}

static void put(struct mn_mutex *m, struct mni_waiter *w, bool first, uint64_t tag) {
    w->tag = tag;
    if (first)
        mni_queue_prepend(queue(m), w);
    else
        mni_queue_append(queue(m), w);
    a32_store(&m->waiting, m->waiting + 1); /* relaxed: turn_ns asks without the lock how many there are */
}

static void take_out(struct mn_mutex *m, struct mni_waiter *w) {
    if (mni_queued(w)) {
        mni_queue_remove(queue(m), w);
        a32_store(&m->waiting, m->waiting - 1);
    }
}

/* It is timed from the first look at the clock on: to read it costs more than many a section. */
static void begin_turn(struct mn_mutex *m) {
    m->began = 0;
    m->step = 1;
    m->due = m->sections + 1;
}

static int64_t turn_ns(const struct mn_mutex *m) {
    int64_t n = a32_load(&m->waiting);
    if (n * TURN_NS <= ROUND_NS)
        return TURN_NS;
    return ROUND_NS / n > TURN_LEAST_NS ? ROUND_NS / n : TURN_LEAST_NS;
}

/* Sets how many sections the owner may go on without a look at the clock. */
static void count_on(struct mn_mutex *m, int64_t now) {
    int64_t took = now - m->looked, rest = m->began + turn_ns(m) - now;
    /* Not more: the sections so far may have been shorter than the next ones. */
    uint64_t step = (uint64_t)m->step * 8;
    if (took > 0 && (uint64_t)rest * m->step / (uint64_t)took < step)
        step = (uint64_t)rest * m->step / (uint64_t)took;
    m->step = step < 1 ? 1 : step > STEP_MOST ? STEP_MOST : (uint32_t)step;
    m->due = m->sections + m->step;
    m->looked = now;
}

/* Whether the count is used up.  One from another time may be anything: it counts as used up when it is too
 * large. */
static inline bool is_due(const struct mn_mutex *m) {
    return m->due - m->sections - 1 >= STEP_MOST;
}

/* Whether sections follow each other quickly, by the number of them since the last sample.  Called by those
 * who wait. */
static bool sample(struct mn_mutex *m) {
    /* A sample is a time in units of 256 ns and a number of sections: in one word, so that they belong
     * together. */
    uint32_t now = (uint32_t)(clock_now_ns() >> 8), at = a32_load(&m->sections);
    uint64_t last = a64_load(&m->sampled);
    uint64_t took = (uint64_t)(now - (uint32_t)(last >> 32)) << 8, count = at - (uint32_t)last;
    bool brisk = a32_load(&m->brisk);
    if (took < SAMPLE_NS)
        return brisk;
    brisk = took < SAMPLE_MOST_NS && count * BRISK_NS > took;
    /* Relaxed: hints. */
    a64_store(&m->sampled, (uint64_t)now << 32 | at);
    a32_store(&m->brisk, brisk);
    return brisk;
}

/*
 * The owner's unlock when somebody may have to be woken.  Returns true when the mutex went to another;
 * otherwise it is still the caller's, to be released.  *wake: to be woken after that, or NULL.
 */
static bool pass_on(struct mn_mutex *m, uint32_t base, uint32_t flags, struct mni_parker **wake) {
    struct mni_olock *lock = mni_lock_in(m);
    if (flags & CALLED && !(flags & URGENT)) {
        int64_t now = (int64_t)clock_now_ns();
        if (!m->began)
            m->began = m->looked = now;
        if (now - m->began < turn_ns(m)) {
            count_on(m, now);
            return false;
        }
    }
    mni_lock_take(lock);
    bool hand = flags & (CALLED | URGENT);
    flags = a32_load(&m->flags);
    struct mni_waiter *w = NULL;
    if (hand || !(flags & CALLED))
        w = hand ? take_heir(m) : take_first(m);
    if (w && hand) {
        if (w->tag & LOOKOUT)
            flags &= ~(uint32_t)CALLED;
        flags &= ~(uint32_t)URGENT;
        w->tag = GOT;
        m->handed++;
        /* Release; pairs with the acquire of lockers and of the heir's claim. */
        a32_store_release(&m->owner, base | w->parker->owner);
    } else if (w) {
        w->tag = CALL;
        flags |= CALLED;
    }
    begin_turn(m);
    set_flags(m, flags & (CALLED | URGENT));
    mni_lock_drop(lock);
    *wake = w ? w->parker : NULL;
    return w && hand;
}

static inline __attribute__((always_inline)) struct mni_parker *release(struct mn_mutex *m, uint32_t base) {
    struct mni_parker *wake = NULL;
    uint32_t flags = a32_load(&m->flags); /* relaxed: see the essay */
    a32_store(&m->sections, m->sections + 1); /* relaxed: sample asks for it without the mutex */
    if (__builtin_expect(flags & QUEUE, 0) && (!(flags & CALLED) || flags & URGENT || is_due(m)) &&
        pass_on(m, base, flags, &wake))
        return wake;
    /* Release; pairs with the compare-and-swap of the next owner.  Nothing of the mutex is touched after it. */
    a32_store_release(&m->owner, base);
    return wake;
}

/* ---- robust ones (robust.h) */

static __attribute__((noinline)) struct mni_parker *release_robust(struct mn_mutex *m) {
    struct mni_thread *t = mni_thread_here();
    m->state = mni_robust_unlocked(m->state);
    for (struct mn_mutex **at = t ? &t->own->mutexes : NULL; at && *at; at = &(*at)->next)
        if (*at == m) {
            *at = m->next;
            break;
        }
    return release(m, MNI_ROBUST);
}

/* The caller has got a robust mutex: what it is told. */
static int got_robust(struct mn_mutex *m) {
    if (m->state & MNI_LOST) {
        struct mni_parker *wake = release(m, MNI_ROBUST);
        if (wake)
            mni_wake(wake);
        return -ENOTRECOVERABLE;
    }
    struct mni_thread *t = mni_thread_here();
    if (t) {
        m->next = t->own->mutexes;
        t->own->mutexes = m;
    }
    return mni_robust_got(t, m->state);
}

void mni_mutexes_end(struct mni_thread *t) {
    for (struct mn_mutex *m; (m = t->own->mutexes);) {
        t->own->mutexes = m->next;
        m->state |= MNI_DIED;
        struct mni_parker *wake = release(m, MNI_ROBUST);
        if (wake)
            mni_wake(wake);
    }
}

struct mni_parker *mni_mutex_release(struct mn_mutex *m) {
    return __builtin_expect(base_of(m) != 0, 0) ? release_robust(m) : release(m, 0);
}

/* A lookout has left the queue without the mutex: another must look.  Returns it, to be woken, or NULL.
 * Lock held. */
static struct mni_waiter *call_another(struct mn_mutex *m) {
    struct mni_waiter *w = take_first(m);
    if (w)
        w->tag = CALL;
    set_flags(m, w ? CALLED : 0);
    return w;
}

struct mni_waiter *mni_mutex_adopt(struct mn_mutex *m, struct mni_waiter *w, const struct mni_parker *self) {
    struct mni_olock *lock = mni_lock_in(m);
    mni_lock_take(lock);
    uint32_t flags = a32_load(&m->flags);
    /* With one of these, somebody looks after the queue; otherwise nobody would, but an owner that sees
     * QUEUE. */
    if (flags & (QUEUE | CALLED) || mni_mutex_mine(m, self)) {
        put(m, w, false, MOVED);
        set_flags(m, flags);
        w = NULL;
    } else {
        w->tag = CALL;
        set_flags(m, flags | CALLED);
    }
    mni_lock_drop(lock);
    return w;
}

/* Looks at a held mutex for about a microsecond: true when the caller has got it. */
static bool spin(struct mn_mutex *m, uint32_t base, const struct mni_parker *self) {
    if (mni_solo() || sample(m) || !mni_may_spin())
        return false;
    for (int i = 0; i < MNI_SPIN_LOOKS; i++) {
        if (a32_load(&m->flags) & URGENT)
            return false;
        if (a32_load(&m->owner) == base && mni_mutex_try(m, base, self))
            return true;
        stay_away(MNI_SPIN_PAUSES);
    }
    return false;
}

/* After QUEUE was set: an unlock that missed it shows soon.  True: the caller has the mutex.  The lock is
 * held. */
static bool recheck(struct mn_mutex *m, uint32_t base, const struct mni_parker *self, bool long_enough) {
    if (mni_solo())
        return false;
    fence_full(); /* after the store of QUEUE; pairs with nothing in unlock: that is why it takes some time */
    for (int i = 0; i < (long_enough ? RECHECK : 1); i++) {
        if (a32_load(&m->owner) == base && mni_mutex_try(m, base, self))
            return true;
        cpu_relax();
    }
    return false;
}

/*
 * The lookout need not look: no unlock misses a flag where solo mode has been on from the start.  One that
 * finds CALLED calls nobody, though: who was called, and found the mutex held, looks.
 */
static bool will_be_called(uint32_t flags) {
    return mni_solo_unbroken() && !(flags & CALLED);
}

/* Timers that wake nobody for good: a deadlock is one all the same. */
static void count_looks(int n) {
    struct mni_worker *w = n ? mni_worker_self() : NULL;
    if (w) /* relaxed: only the sum means something, while nobody runs */
        a32_store(&w->cpu->looks, w->cpu->looks + (uint32_t)n);
}

/* Waits for the mutex.  called: the caller was called. */
static int lock_slow(struct mn_mutex *m, const struct mni_parker *self, int64_t deadline, bool called) {
    struct mni_olock *lock = mni_lock_in(m);
    struct mni_waiter *w = mni_waiter_self();
    const uint32_t base = base_of(m);
    int64_t away = AWAY_NS;
    bool lookout = called; /* it is one, with or without CALLED */
    bool stuck = false;    /* it has looked, and the mutex was not handed over since */
    bool patient = false;  /* it was, and it is brisk */
    if (!called && spin(m, base, self))
        return 0;
    mni_lock_take(lock);
    for (;;) { /* the lock is held; w may still be in the queue after a look */
        uint32_t flags = a32_load(&m->flags);
        if (!patient && mni_mutex_try(m, base, self)) {
            take_out(m, w);
            set_flags(m, lookout ? 0 : flags & (CALLED | URGENT));
            if (stuck)
                a32_store(&m->brisk, 0); /* relaxed: a hint */
            mni_lock_drop(lock);
            return 0;
        }
        struct mni_waiter *first = queue(m)->head;
        if (!mni_queued(w)) {
            bool brisk = a32_load(&m->brisk);
            if (!lookout && (!first || (brisk && (first->tag & LOOKOUT || !(flags & CALLED))))) {
                lookout = true;
                if (first)
                    first->tag &= ~(uint64_t)LOOKOUT;
                flags |= brisk ? CALLED : 0;
            }
            put(m, w, called, lookout ? LOOKOUT : 0);
        }
        if (called && mni_owner_rests(a32_load(&m->owner) & ~MNI_ROBUST)) /* relaxed: a hint */
            flags &= ~(uint32_t)CALLED; /* if that was a mistake, the lookout looks */
        flags = (flags & (CALLED | URGENT)) | (stuck ? URGENT : 0);
        set_flags(m, flags);
        if (!patient && !first && recheck(m, base, self, !(flags & CALLED))) {
            take_out(m, w);
            set_flags(m, 0);
            mni_lock_drop(lock);
            return 0;
        }
        int64_t until = deadline, again;
        if (lookout && !will_be_called(flags) && (again = (int64_t)clock_now_ns() + away) < deadline)
            until = again;
        uint32_t handed = m->handed;
        bool looks = until != deadline && deadline == MN_FOREVER;
        count_looks(looks);
        int r = mni_wait("mutex", m, lock, until);
        count_looks(-looks);
        if (r >= 0 && w->tag & GOT)
            return 0;
        mni_lock_take(lock);
        if (r >= 0) {
            stuck = called && handed == m->handed;
            called = lookout = true;
            patient = false;
            away = AWAY_NS;
            continue;
        }
        lookout = lookout && w->tag & LOOKOUT; /* it may have been relieved */
        called = called && lookout;
        if (r == -ETIMEDOUT && until != deadline) {
            stuck = lookout && handed == m->handed;
            patient = lookout && !stuck && a32_load(&m->brisk) && mni_queued(w);
            away = stuck && away < AWAY_MOST_NS ? away * 2 : away;
            continue;
        }
        take_out(m, w);
        flags = a32_load(&m->flags);
        if (lookout)
            w = call_another(m);
        else
            w = NULL, set_flags(m, flags & (CALLED | URGENT));
        mni_lock_drop(lock);
        if (w)
            mni_wake(w->parker);
        return r;
    }
}

int mni_mutex_take_back(struct mn_mutex *m, const struct mni_parker *self, bool adopted) {
    uint32_t base = base_of(m);
    if (!(adopted ? (mni_waiter_self()->tag & GOT) != 0 : mni_mutex_try(m, base, self))) {
        bool was = mni_shield_self(true);
        (void)lock_slow(m, self, MN_FOREVER, adopted); /* cannot fail without deadline and cancellation */
        if (!was)
            mni_shield_self(false);
    }
    return __builtin_expect(base != 0, 0) ? got_robust(m) : 0;
}

static inline bool cancelled(const struct mni_parker *self) {
    /* Relaxed: a request that comes now could as well come later. */
    return (a32_load(&self->claim) & (MNI_CANCEL | MNI_SHIELD)) == MNI_CANCEL;
}

int mni_mutex_lock_until(struct mn_mutex *m, const struct mni_parker *self, int64_t deadline) {
    uint32_t base = base_of(m);
    if (cancelled(self) && mni_cancelled_self())
        return -ECANCELED;
    if (!mni_mutex_try(m, base, self)) {
        if (mni_mutex_mine(m, self))
            return -EDEADLK;
        int r = lock_slow(m, self, deadline, false);
        if (r < 0)
            return r;
    }
    return __builtin_expect(base != 0, 0) ? got_robust(m) : 0;
}

int mni_mutex_trylock(struct mn_mutex *m, const struct mni_parker *self) {
    if (__builtin_expect(mni_mutex_try(m, 0, self), 1))
        return 0;
    uint32_t base = base_of(m);
    return base && mni_mutex_try(m, base, self) ? got_robust(m) : -EBUSY;
}

int mni_mutex_unlock(struct mn_mutex *m, const struct mni_parker *self) {
    uint32_t owner = a32_load(&m->owner); /* relaxed: see mni_mutex_mine */
    struct mni_parker *wake;
    if (__builtin_expect(owner == self->owner, 1))
        wake = release(m, 0);
    else if (owner == (MNI_ROBUST | self->owner))
        wake = release_robust(m);
    else
        return -EPERM;
    if (__builtin_expect(wake != NULL, 0))
        mni_wake(wake);
    return 0;
}

static int destroy(struct mn_mutex *m) {
    mni_lock_take(mni_lock_in(m));
    int r = a32_load(&m->owner) != base_of(m) || a32_load(&m->flags) ? -EBUSY : 0;
    mni_lock_drop(mni_lock_in(m));
    return r;
}

MN_EXPORT void mn_mutex_init(struct mn_mutex *m) {
    *m = (struct mn_mutex)MN_MUTEX_INIT;
}

MN_EXPORT void mn_mutex_init_robust(struct mn_mutex *m) {
    *m = (struct mn_mutex)MN_MUTEX_ROBUST_INIT;
}

MN_EXPORT int mn_mutex_destroy(struct mn_mutex *m) {
    struct mni_cpu *cpu = mni_call_begin();
    int r = destroy(m);
    mni_call_end_here(cpu);
    return r;
}

static __attribute__((noinline)) int lock_rare(struct mn_mutex *m, struct mni_cpu *cpu) {
    if (!cpu)
        mni_foreign_enter();
    else if (cpu->budget <= 0)
        mni_resched(); /* before the mutex is held, see waiters.h */
    int r = mni_mutex_lock_until(m, mni_parker_self(), MN_FOREVER);
    mni_end_blocking(cpu);
    return r;
}

MN_EXPORT int mn_mutex_lock(struct mn_mutex *m) {
    struct mni_cpu *cpu = mni_enter();
    if (__builtin_expect(cpu && cpu->budget > 0, 1)) {
        const struct mni_parker *self = &cpu->current->park;
        if (__builtin_expect(!cancelled(self) && mni_mutex_try(m, 0, self), 1)) {
            mni_leave(cpu);
            return 0;
        }
    }
    return lock_rare(m, cpu);
}

MN_EXPORT int mn_mutex_lock_until(struct mn_mutex *m, int64_t deadline) {
    struct mni_cpu *cpu = mni_begin_blocking();
    int r = mni_mutex_lock_until(m, mni_parker_self(), deadline);
    mni_end_blocking(cpu);
    return r;
}

MN_EXPORT int mn_mutex_trylock(struct mn_mutex *m) {
    struct mni_cpu *cpu = mni_call_begin();
    int r = mni_mutex_trylock(m, mni_parker_self());
    mni_call_end_here(cpu);
    return r;
}

MN_EXPORT int mn_mutex_unlock(struct mn_mutex *m) {
    struct mni_cpu *cpu = mni_call_begin();
    int r = mni_mutex_unlock(m, __builtin_expect(cpu != NULL, 1) ? &cpu->current->park : mni_parker_self());
    mni_call_end_here(cpu);
    return r;
}

MN_EXPORT int mn_mutex_consistent(struct mn_mutex *m) {
    struct mni_cpu *cpu = mni_call_begin();
    int r = mni_robust_consistent(&m->state, mni_mutex_mine(m, mni_parker_self()));
    mni_call_end_here(cpu);
    return r;
}
