/*
 * mutex: mutexes, plain and recursive.
 *
 * Guarantee.  Mutual exclusion; nobody waits for ever; while threads wait, each gets its share; a mutex that many fight
 * for costs little more than one that one thread has for itself.
 *
 * The naive designs.  "First come, first served": every section waits for a switch, or for a sleeping CPU, while the
 * mutex is owned by a thread that does not run.  "Whoever comes": a thread that runs takes the mutex again and again
 * before the one that was woken can look (barging): fast, and the others starve.  And each woken thread that looks, fails
 * and sleeps again makes the owner's CPU wait for the cache line (55 to 215 ns) several times, where a section takes 13:
 * the line has to stay with one CPU for thousands of sections.
 *
 * The design is turns.  Threads that run may barge, and the ones that wait are left in peace, for TURN_NS in all; then
 * the thread that has waited longest gets the mutex by hand-over, and another turn begins.
 *
 *   - Owners count sections.  Unlock looks at the clock when the count is used up, and sets it to what will use up the
 *     rest of the turn.  So a turn of short sections is thousands of them at two atomic operations each.
 *   - The previous owner usually asks for the mutex again, parks, and its CPU switches to the heir, whom the hand-over put
 *     into the run queue of that CPU: turns go round among many threads while the cache line stays where it is.
 *   - Many waiters make turns shorter, so that a round stays near ROUND_NS.
 *
 * The owner may not come back, so somebody has to see to it that a free mutex with a queue is taken.  CALLED says that one
 * waiter does, the lookout:
 *
 *   - The unlock that finds a queue without lookout calls the first waiter: wakes it to try its luck.  If it finds the
 *     mutex held, it goes back to the head of the queue and remains the lookout: it sleeps for AWAY_NS, looks again, and so
 *     on, while unlock calls nobody.  Usually a hand-over comes first.
 *   - Where sections follow each other quickly (brisk: less than BRISK_NS each), calling is of no use: the called thread
 *     would fail.  Then a thread that comes makes itself the lookout, if there is none, or if it is the first in the
 *     queue and about to have its turn.  After a turn the previous owner comes; so in the steady state nobody is called.
 *   - A lookout that finds the mutex held, and not handed over since its last look (long sections, or nobody counts), marks it
 *     URGENT: the next unlock hands it over.  One that finds it free takes it; it is not brisk, then.
 *
 * A thread that comes when the mutex is held, nobody waits and it is not brisk, looks at it a few times (SPIN_*) before it
 * queues.
 *
 * word      meaning                               set by                           cleared by
 * owner     its number (the upper 32 bits);       lock; hand-over replaces it      unlock
 *           0: the mutex is free
 * QUEUE     the queue may hold somebody           who queues                       who finds the queue empty
 * CALLED    there is a lookout                    unlock, when it calls; adopt;    the lookout, as it takes the mutex or
 *                                                 who makes itself the lookout     leaves; a hand-over to it
 * HANDED    the owner got it by hand-over and     hand-over                        its unlock
 *           may not run yet: no use spinning
 * URGENT    hand over at the next unlock          the lookout                      as CALLED; every hand-over
 *
 * QUEUE, CALLED and URGENT change under the mutex's lock only; owner and HANDED by compare-and-swap of anyone.  So for
 * the owner, when it also has the lock, the word stands still.  Legal to miss: a barger takes the mutex from a called
 * thread.  Illegal: QUEUE in a free mutex without CALLED when nobody holds the lock: a waiter would be forgotten.
 *
 *     tag of a waiter: LOOKOUT    MOVED: claimed already (by a condition variable)
 *             written by who wakes it: GOT: it owns the mutex now    CALL: it was called, and is the lookout
 *
 * turn, step, began, looked are the owner's; queue, waiting, handed and tags the lock's; brisk is a hint.
 *
 * Unlock obeys the rule of the last touch (waiters.h).  Limits: the mutex does not know whether its owner runs; a thread
 * that is handed the mutex while all CPUs are busy with others keeps it until it gets to run.
 */
#include "mutex.h"

#include <errno.h>
#include <unistd.h>

#include "clock.h"
#include "cpu.h"
#include "export.h"

enum { QUEUE = 1, CALLED = 2, HANDED = 4, URGENT = 8 };
enum { LOOKOUT = 1, MOVED = 2, GOT = 4, CALL = 8 };
#define FLAGS ((uint64_t)UINT32_MAX)

enum {
    TURN_NS = 100000,
    ROUND_NS = 6400000,
    TURN_LEAST_NS = 10000,
    AWAY_NS = 200000,
    AWAY_MOST_NS = 3200000,
    BRISK_NS = 400,
    STEP_MOST = 1 << 16,
    SPIN_LOOKS = 5,
    SPIN_PAUSES = 7, /* between two looks: about 200 ns */
};

static uint64_t owned_by(const struct mni_parker *p) {
    return (uint64_t)p->owner << 32;
}

static bool is_free(uint64_t word) {
    return !(word & ~FLAGS);
}

/* Changes flags.  The lock is held. */
static void flags(struct mn_mutex *m, uint64_t clear, uint64_t set) {
    for (;;) {
        uint64_t word = a64_load(&m->word);
        /* Full; pairs with the compare-and-swap of the fast paths: they see the flags, or we who owns it. */
        if (mni_cas64(&m->word, word, (word & ~clear) | set))
            return;
    }
}

static struct mni_queue *queue(struct mn_mutex *m) {
    return mni_queue_in(&m->queue);
}

static uint64_t queue_flag(struct mn_mutex *m) {
    return mni_queue_empty(queue(m)) ? 0 : QUEUE;
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

static void put(struct mn_mutex *m, struct mni_waiter *w, bool first, uint64_t tag) {
    w->tag = tag;
    if (first)
        mni_queue_prepend(queue(m), w);
    else
        mni_queue_append(queue(m), w);
    a32_store(&m->waiting, m->waiting + 1); /* relaxed: turn_ns asks without the lock how many there are */
}

static void take_out(struct mn_mutex *m, struct mni_waiter *w) {
    if (!mni_queued(w))
        return;
    mni_queue_remove(queue(m), w);
    a32_store(&m->waiting, m->waiting - 1);
    if (!queue_flag(m))
        flags(m, QUEUE, 0);
}

static void begin_turn(struct mn_mutex *m, int64_t now) {
    m->began = m->looked = now;
    m->turn = m->step = 1;
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
    uint64_t step = (uint64_t)m->step * 8; /* not more: the sections so far may have been shorter than the next ones */
    if (took > 0 && (uint64_t)rest * m->step / (uint64_t)took < step)
        step = (uint64_t)rest * m->step / (uint64_t)took;
    m->step = m->turn = step < 1 ? 1 : step > STEP_MOST ? STEP_MOST : (uint32_t)step;
    m->looked = now;
}

/*
 * The owner's unlock when somebody may have to be woken.  Returns true when the mutex went to another; otherwise it is
 * still the caller's, to be released.  *wake: to be woken after that, or NULL.
 */
static bool pass_on(struct mn_mutex *m, uint64_t word, struct mni_parker **wake) {
    struct mni_olock *lock = mni_lock_in(m);
    int64_t now = (int64_t)clock_now_ns();
    bool call = !(word & CALLED);
    if (!call && m->step >= 8)
        a32_store(&m->brisk, now - m->looked < (int64_t)m->step * BRISK_NS); /* relaxed: a hint */
    bool hand = word & URGENT || (!call && now - m->began >= turn_ns(m));
    if (!call && !hand) {
        count_on(m, now);
        return false;
    }
    mni_lock_take(lock);
    word = a64_load(&m->word); /* it stands still now */
    if (!hand && word & CALLED) {
        mni_lock_drop(lock);
        return false;
    }
    struct mni_waiter *w = take_first(m);
    word = (word & ~(uint64_t)QUEUE) | queue_flag(m);
    if (w && hand) {
        word &= w->tag & LOOKOUT ? ~(uint64_t)(URGENT | CALLED) : ~(uint64_t)URGENT;
        word = (word & FLAGS) | HANDED | owned_by(w->parker);
        w->tag = GOT;
        m->handed++;
    } else if (w) {
        w->tag = CALL;
        word |= CALLED;
    }
    begin_turn(m, now);
    a64_store_release(&m->word, word); /* release; pairs with the compare-and-swap of lockers and unlockers */
    mni_lock_drop(lock);
    *wake = w ? w->parker : NULL;
    return w && hand;
}

struct mni_parker *mni_mutex_release(struct mn_mutex *m) {
    struct mni_parker *wake = NULL;
    bool counted = false;
    for (;;) {
        uint64_t word = a64_load(&m->word); /* relaxed: the compare-and-swap checks it */
        if (__builtin_expect(word & QUEUE, 0) && !wake) {
            bool due = !(word & CALLED) || word & URGENT;
            if (!due && !counted) {
                counted = true;
                due = m->turn-- <= 1;
            }
            if (due) {
                if (pass_on(m, word, &wake))
                    return wake;
                continue;
            }
        }
        /* Full; pairs with the compare-and-swap of the next owner.  Nothing of the mutex is touched after it. */
        if (__builtin_expect(mni_cas64(&m->word, word, word & FLAGS & ~(uint64_t)HANDED), 1))
            return wake;
    }
}

/* The lookout leaves without the mutex: another is called if nobody's unlock would do that.  The lock is held. */
static struct mni_waiter *call_another(struct mn_mutex *m) {
    for (;;) {
        uint64_t word = a64_load(&m->word);
        if (!is_free(word) || !(word & QUEUE)) {
            /* Full; pairs with the owner's release: it sees that there is no lookout, or we that it is free. */
            if (mni_cas64(&m->word, word, word & ~(uint64_t)(CALLED | URGENT)))
                return NULL;
            continue;
        }
        struct mni_waiter *w = take_first(m);
        flags(m, QUEUE | URGENT, queue_flag(m));
        if (w) {
            w->tag = CALL;
            return w;
        }
    }
}

struct mni_waiter *mni_mutex_adopt(struct mn_mutex *m, struct mni_waiter *w) {
    struct mni_olock *lock = mni_lock_in(m);
    mni_lock_take(lock);
    for (;;) {
        uint64_t word = a64_load(&m->word);
        bool come = !is_free(word) || word & CALLED; /* somebody will look after the queue */
        /* Full; pairs with the owner's release: it sees QUEUE, or we that it is free. */
        if (!mni_cas64(&m->word, word, word | (come ? QUEUE : CALLED)))
            continue;
        if (come) {
            put(m, w, false, MOVED);
            w = NULL;
        } else {
            w->tag = CALL; /* nobody queues in a free mutex without lookout */
        }
        mni_lock_drop(lock);
        return w;
    }
}

static inline bool try_lock(struct mn_mutex *m, const struct mni_parker *self) {
    uint64_t word = a64_load(&m->word); /* relaxed: the compare-and-swap checks it */
    /* Full; pairs with the compare-and-swap of release. */
    return is_free(word) && mni_cas64(&m->word, word, word | owned_by(self));
}

/* Whether the owner may be running while the caller is. */
static bool may_spin(void) {
    static uint32_t cpus; /* of the machine; 0: not asked yet.  Relaxed: every caller would find the same */
    if (mni_worker_self())
        return mni_rt->ncpus > 1;
    if (!a32_load(&cpus)) {
        long n = sysconf(_SC_NPROCESSORS_ONLN);
        a32_store(&cpus, n > 1 ? (uint32_t)n : 1);
    }
    return a32_load(&cpus) > 1;
}

/* Looks at a held mutex for about a microsecond: true when the caller has got it. */
static bool spin(struct mn_mutex *m, const struct mni_parker *self) {
    if (a32_load(&m->brisk) || !may_spin())
        return false;
    for (int i = 0; i < SPIN_LOOKS; i++) {
        if (a64_load(&m->word) & (QUEUE | CALLED | HANDED))
            return false;
        if (try_lock(m, self))
            return true;
        for (int j = 0; j < SPIN_PAUSES; j++)
            cpu_relax();
    }
    return false;
}

/* Waits for the mutex.  called: the caller is the lookout. */
static int lock_slow(struct mn_mutex *m, const struct mni_parker *self, int64_t deadline, bool called) {
    struct mni_olock *lock = mni_lock_in(m);
    struct mni_waiter *w = mni_waiter_self();
    int64_t away = AWAY_NS;
    bool stuck = false; /* the lookout has looked, and the mutex was not handed over since */
    if (!called && spin(m, self))
        return 0;
    mni_lock_take(lock);
    for (;;) { /* the lock is held; w is in the queue after a look that did not end the wait */
        uint64_t word = a64_load(&m->word);
        if (is_free(word)) {
            uint64_t flag = called ? CALLED | URGENT : 0;
            if (!mni_cas64(&m->word, word, (word & ~flag) | owned_by(self))) /* full; pairs with release */
                continue;
            if (mni_queued(w))
                a32_store(&m->brisk, 0); /* relaxed: a hint */
            take_out(m, w);
            mni_lock_drop(lock);
            return 0;
        }
        struct mni_waiter *first = queue(m)->head;
        bool follows = !called && !mni_queued(w) && a32_load(&m->brisk) &&
                       (!(word & CALLED) || (first && first->tag & LOOKOUT));
        uint64_t flag = QUEUE | (follows ? CALLED : 0) | (stuck ? URGENT : 0);
        /* Full; pairs with release: the owner sees QUEUE, or we that it is free. */
        if ((word & flag) != flag && !mni_cas64(&m->word, word, word | flag))
            continue;
        if (follows && first)
            first->tag &= ~(uint64_t)LOOKOUT;
        if (!mni_queued(w))
            put(m, w, called, called || follows ? LOOKOUT : 0);
        called = called || follows;
        int64_t until = deadline, again;
        if (called && (again = (int64_t)clock_now_ns() + away) < deadline)
            until = again;
        uint32_t handed = m->handed;
        int r = mni_wait("mutex", m, lock, until);
        if (r >= 0 && w->tag & GOT)
            return 0;
        mni_lock_take(lock);
        if (r >= 0) {
            called = true;
            stuck = false;
            away = AWAY_NS;
            continue;
        }
        called = called && w->tag & LOOKOUT; /* somebody may have followed it */
        if (r == -ETIMEDOUT && until != deadline) {
            stuck = called && handed == m->handed;
            away = stuck && away < AWAY_MOST_NS ? away * 2 : away;
            continue;
        }
        take_out(m, w);
        w = called ? call_another(m) : NULL;
        mni_lock_drop(lock);
        if (w)
            mni_wake(w->parker);
        return r;
    }
}

void mni_mutex_take_back(struct mn_mutex *m, const struct mni_parker *self, bool adopted) {
    if (adopted ? (mni_waiter_self()->tag & GOT) != 0 : try_lock(m, self))
        return;
    bool was = mni_shield_self(true);
    (void)lock_slow(m, self, MN_FOREVER, adopted); /* cannot fail without deadline and cancellation */
    if (!was)
        mni_shield_self(false);
}

static inline bool cancelled(const struct mni_parker *self) {
    /* Relaxed: a request that comes now could as well come later. */
    return (a32_load(&self->claim) & (MNI_CANCEL | MNI_SHIELD)) == MNI_CANCEL;
}

static int lock_until(struct mn_mutex *m, const struct mni_parker *self, int64_t deadline) {
    if (cancelled(self))
        return -ECANCELED;
    if (try_lock(m, self))
        return 0;
    if (mni_mutex_mine(m, self))
        return -EDEADLK;
    return lock_slow(m, self, deadline, false);
}

static inline int unlock(struct mn_mutex *m, const struct mni_parker *self) {
    if (__builtin_expect(!mni_mutex_mine(m, self), 0))
        return -EPERM;
    struct mni_parker *wake = mni_mutex_release(m);
    if (__builtin_expect(wake != NULL, 0))
        mni_wake(wake);
    return 0;
}

static int destroy(struct mn_mutex *m) {
    mni_lock_take(mni_lock_in(m));
    int r = a64_load(&m->word) || !mni_queue_empty(queue(m)) ? -EBUSY : 0;
    mni_lock_drop(mni_lock_in(m));
    return r;
}

MN_EXPORT void mn_mutex_init(struct mn_mutex *m) {
    *m = (struct mn_mutex)MN_MUTEX_INIT;
}

MN_EXPORT int mn_mutex_destroy(struct mn_mutex *m) {
    struct mni_cpu *cpu = mni_begin();
    int r = destroy(m);
    mni_end(cpu);
    return r;
}

static __attribute__((noinline)) int lock_rare(struct mn_mutex *m, struct mni_cpu *cpu) {
    if (!cpu)
        mni_foreign_enter();
    else if (cpu->budget <= 0)
        mni_resched(); /* before the mutex is held, see waiters.h */
    int r = lock_until(m, mni_parker_self(), MN_FOREVER);
    mni_end_blocking(cpu);
    return r;
}

MN_EXPORT int mn_mutex_lock(struct mn_mutex *m) {
    struct mni_cpu *cpu = mni_enter();
    if (__builtin_expect(cpu && cpu->budget > 0, 1)) {
        const struct mni_parker *self = &cpu->current->park;
        if (__builtin_expect(!cancelled(self) && try_lock(m, self), 1)) {
            mni_leave(cpu);
            return 0;
        }
    }
    return lock_rare(m, cpu);
}

MN_EXPORT int mn_mutex_lock_until(struct mn_mutex *m, int64_t deadline) {
    struct mni_cpu *cpu = mni_begin_blocking();
    int r = lock_until(m, mni_parker_self(), deadline);
    mni_end_blocking(cpu);
    return r;
}

MN_EXPORT int mn_mutex_trylock(struct mn_mutex *m) {
    struct mni_cpu *cpu = mni_begin();
    int r = try_lock(m, mni_parker_self()) ? 0 : -EBUSY;
    mni_end(cpu);
    return r;
}

MN_EXPORT int mn_mutex_unlock(struct mn_mutex *m) {
    struct mni_cpu *cpu = mni_begin();
    int r = unlock(m, __builtin_expect(cpu != NULL, 1) ? &cpu->current->park : mni_parker_self());
    mni_end(cpu);
    return r;
}

/* again: how often the owner locked it beyond the first time; the owner's. */

MN_EXPORT void mn_rmutex_init(struct mn_rmutex *m) {
    *m = (struct mn_rmutex)MN_RMUTEX_INIT;
}

MN_EXPORT int mn_rmutex_destroy(struct mn_rmutex *m) {
    return mn_mutex_destroy(&m->mutex);
}

static int lock_again(struct mn_rmutex *m) {
    if (m->again == UINT32_MAX - 1)
        return -EAGAIN;
    m->again++;
    return 0;
}

static int rlock_until(struct mn_rmutex *m, int64_t deadline) {
    struct mni_cpu *cpu = mni_begin_blocking();
    const struct mni_parker *self = mni_parker_self();
    int r;
    if (!mni_mutex_mine(&m->mutex, self))
        r = lock_until(&m->mutex, self, deadline);
    else
        r = mni_cancelled_self() ? -ECANCELED : lock_again(m);
    mni_end_blocking(cpu);
    return r;
}

MN_EXPORT int mn_rmutex_lock(struct mn_rmutex *m) {
    return rlock_until(m, MN_FOREVER);
}

MN_EXPORT int mn_rmutex_lock_until(struct mn_rmutex *m, int64_t deadline) {
    return rlock_until(m, deadline);
}

MN_EXPORT int mn_rmutex_trylock(struct mn_rmutex *m) {
    struct mni_cpu *cpu = mni_begin();
    const struct mni_parker *self = mni_parker_self();
    int r;
    if (mni_mutex_mine(&m->mutex, self))
        r = lock_again(m);
    else
        r = try_lock(&m->mutex, self) ? 0 : -EBUSY;
    mni_end(cpu);
    return r;
}

MN_EXPORT int mn_rmutex_unlock(struct mn_rmutex *m) {
    struct mni_cpu *cpu = mni_begin();
    const struct mni_parker *self = mni_parker_self();
    int r = 0;
    if (m->again > 0 && mni_mutex_mine(&m->mutex, self))
        m->again--;
    else
        r = unlock(&m->mutex, self);
    mni_end(cpu);
    return r;
}
