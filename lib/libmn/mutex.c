/*
 * mutex: mutexes, plain and recursive.
 *
 * Guarantee.  Mutual exclusion; nobody waits for ever; while threads wait, each gets its share; a mutex that many fight
 * for costs little more than one that one thread has for itself.
 *
 * The naive designs.  "First come, first served": every section waits for a switch, or for a sleeping CPU, while the
 * mutex is owned by a thread that does not run.  "Whoever comes": a thread that runs takes the mutex again and again
 * before the one that was woken can look (barging): fast, and the others starve.  And a woken thread that looks, fails
 * and sleeps again, for each unlock, makes the owner's CPU wait for the cache line (55 to 215 ns) every time: the line
 * should stay with one CPU for many sections.
 *
 * The design is turns.  Threads that run may barge, and the ones that wait are left in peace, for TURN_NS in all; then
 * the thread that has waited longest gets the mutex by hand-over, and another turn begins.
 *   - The unlock that finds the queue filled calls the first waiter, one and only one (CALLED): if the owner does not
 *     come back, the mutex is not left idle.
 *   - A called thread that finds the mutex held goes back to the head of the queue and keeps CALLED: for AWAY_NS nobody
 *     needs to call anyone.  Usually the hand-over ends its wait.  If not (the sections are long, or the owner's CPU
 *     went off to other things), its deadline does; a mutex that is held even then is marked URGENT, and the unlock hands
 *     it over.
 *   - Owners count sections: unlock looks at the clock when the count is used up, and sets it to what will use up the
 *     rest of the turn.  So with short sections a turn is thousands of them, at two atomic operations each.
 *   - The previous owner usually asks for the mutex again, parks, and its CPU switches to the heir, whom the hand-over put
 *     into the queue of that CPU: the turns go round among many threads while the cache line stays where it is.
 *   - Many waiters make turns shorter, so that a round stays near ROUND_NS.
 * A thread that comes when the mutex is held and nobody waits looks at it a few times (SPIN_*) before it queues.
 *
 * word      meaning                               set by                           cleared by
 * LOCKED    somebody owns it                      lock; hand-over keeps it         unlock
 * QUEUE     the queue may hold somebody           who queues                       who finds the queue empty
 * CALLED    one waiter was called and has not     unlock, when it calls; adopt     the called thread, as it takes the
 *           got the mutex or left yet                                              mutex or leaves; a hand-over to it
 * HANDED    the owner got it by hand-over and     hand-over                        its unlock
 *           may not run yet: no use spinning
 * URGENT    hand over at the next unlock          a called thread, the second      as CALLED; hand-over
 *                                                 time that it finds it LOCKED
 *
 * QUEUE, CALLED and URGENT change under the mutex's lock only; LOCKED and HANDED by compare-and-swap of anyone.  So for
 * the owner, when it also has the lock, the word stands still.  Legal to miss: a barger takes the mutex from a called
 * thread.  Illegal: QUEUE with neither LOCKED nor CALLED when nobody holds the lock: a waiter would be forgotten.
 *
 *     tag of a waiter: AGAIN  it is the called one    MOVED  claimed already (from a condition variable)
 *             written by who wakes it: GOT  it owns the mutex now    CALL  it was called
 *
 * turn, step, began, looked belong to the owner; waiting and the queue to the lock.  owner is written by the owner, or
 * for the heir by hand-over, and is relaxed: others ask only whether it holds their own number.
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

enum { LOCKED = 1, QUEUE = 2, CALLED = 4, HANDED = 8, URGENT = 16 };
enum { AGAIN = 1, MOVED = 2, GOT = 4, CALL = 8 };

enum {
    TURN_NS = 100000,
    ROUND_NS = 6400000,
    TURN_LEAST_NS = 10000,
    AWAY_NS = 200000,
    STEP_MOST = 1 << 16,
    SPIN_LOOKS = 5,
    SPIN_PAUSES = 7, /* between two looks: about 200 ns */
};

/* The first waiter that can be woken, claimed; NULL: none.  The lock is held. */
static struct mni_waiter *take_first(struct mn_mutex *m) {
    struct mni_waiter *w;
    while ((w = mni_queue_take(mni_queue_in(&m->queue)))) {
        a32_store(&m->waiting, m->waiting - 1);
        /* One that is AGAIN and ends its wait by itself keeps CALLED, and looks after it. */
        if (w->tag & MOVED || mni_claim(w->parker, 0))
            return w;
    }
    return NULL;
}

static void put(struct mn_mutex *m, struct mni_waiter *w, uint64_t tag) {
    struct mni_queue *q = mni_queue_in(&m->queue);
    w->tag = tag;
    if (tag & AGAIN)
        mni_queue_prepend(q, w);
    else
        mni_queue_append(q, w);
    a32_store(&m->waiting, m->waiting + 1); /* relaxed: turn_ns asks without the lock how many there are */
}

static uint32_t queue_bit(const struct mn_mutex *m) {
    return m->queue.head ? QUEUE : 0;
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
static bool pass_on(struct mn_mutex *m, uint32_t word, struct mni_parker **wake) {
    struct mni_olock *lock = mni_lock_in(m);
    int64_t now = (int64_t)clock_now_ns();
    bool call = !(word & CALLED);
    bool hand = word & URGENT || (!call && now - m->began >= turn_ns(m));
    if (!call && !hand) {
        count_on(m, now);
        return false;
    }
    mni_lock_take(lock);
    word = a32_load(&m->word); /* it stands still now */
    if (!hand && word & CALLED) {
        mni_lock_drop(lock);
        return false;
    }
    struct mni_waiter *w = take_first(m);
    word = (word & ~(uint32_t)(QUEUE | URGENT)) | queue_bit(m) | (word & URGENT && !w ? URGENT : 0);
    if (w && hand) {
        if (w->tag & AGAIN)
            word &= ~(uint32_t)CALLED;
        w->tag = GOT;
        word |= HANDED;
        /* Relaxed: w reads it after mni_wake, others compare it with their own numbers. */
        a32_store(&m->owner, w->parker->owner);
    } else if (w) {
        w->tag = CALL;
        word |= CALLED;
    }
    begin_turn(m, now);
    a32_store_release(&m->word, word); /* release; pairs with the compare-and-swap of lockers and unlockers */
    mni_lock_drop(lock);
    *wake = w ? w->parker : NULL;
    return w && hand;
}

struct mni_parker *mni_mutex_release(struct mn_mutex *m) {
    struct mni_parker *wake = NULL;
    bool counted = false;
    for (;;) {
        uint32_t word = a32_load(&m->word); /* relaxed: the compare-and-swap checks it */
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
        a32_store(&m->owner, 0); /* relaxed, as above */
        /* Full; pairs with the compare-and-swap of the next owner.  Nothing of the mutex is touched after it. */
        if (__builtin_expect(mni_cas32(&m->word, word, word & ~(uint32_t)(LOCKED | HANDED)), 1))
            return wake;
    }
}

/* The called thread leaves without the mutex: another is called if nobody's unlock would do that.  The lock is held. */
static struct mni_waiter *call_another(struct mn_mutex *m) {
    for (;;) {
        uint32_t word = a32_load(&m->word);
        if (word & LOCKED || !(word & QUEUE)) {
            /* Full; pairs with the owner's release: it sees that nobody is CALLED, or we that it is free. */
            if (mni_cas32(&m->word, word, word & ~(uint32_t)(CALLED | URGENT)))
                return NULL;
            continue;
        }
        struct mni_waiter *w = take_first(m);
        mni_bits(&m->word, QUEUE | URGENT, queue_bit(m));
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
        uint32_t word = a32_load(&m->word);
        bool come = word & (LOCKED | CALLED); /* somebody will look after the queue */
        /* Full; pairs with the owner's release: it sees QUEUE, or we that it is free. */
        if (!mni_cas32(&m->word, word, come ? word | QUEUE : word | CALLED))
            continue;
        if (come) {
            put(m, w, MOVED);
            w = NULL;
        } else {
            w->tag = CALL; /* nobody queues: QUEUE goes with one of the other two */
        }
        mni_lock_drop(lock);
        return w;
    }
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
    if (!may_spin())
        return false;
    for (int i = 0; i < SPIN_LOOKS; i++) {
        uint32_t word = a32_load(&m->word);
        if (word & (QUEUE | CALLED | HANDED))
            return false;
        if (!(word & LOCKED) && mni_cas32(&m->word, word, word | LOCKED)) { /* full; pairs with release */
            a32_store(&m->owner, self->owner);
            return true;
        }
        for (int j = 0; j < SPIN_PAUSES; j++)
            cpu_relax();
    }
    return false;
}

/* Waits for the mutex.  called: the caller has been called, CALLED is its own. */
static int lock_slow(struct mn_mutex *m, const struct mni_parker *self, int64_t deadline, bool called) {
    struct mni_olock *lock = mni_lock_in(m);
    struct mni_waiter *w = mni_waiter_self();
    bool looked = false; /* it has been here before since it was called */
    if (!called && spin(m, self))
        return 0;
    mni_lock_take(lock);
    for (;;) {
        uint32_t word = a32_load(&m->word);
        uint32_t mine = called ? CALLED | URGENT : 0;
        if (!(word & LOCKED)) {
            /* Full; pairs with release. */
            if (!mni_cas32(&m->word, word, (word & ~mine) | LOCKED))
                continue;
            a32_store(&m->owner, self->owner);
            mni_lock_drop(lock);
            return 0;
        }
        /* Full; pairs with release: the owner sees QUEUE, or we that it is free. */
        if (!mni_cas32(&m->word, word, word | QUEUE | (looked ? URGENT : 0)))
            continue;
        put(m, w, called ? AGAIN : 0);
        int64_t until = deadline;
        if (called && !looked) {
            int64_t again = (int64_t)clock_now_ns() + AWAY_NS;
            until = again < deadline ? again : deadline;
        }
        int r = mni_wait("mutex", m, lock, until);
        if (r >= 0 && w->tag & GOT)
            return 0;
        mni_lock_take(lock);
        if (r >= 0) { /* called */
            called = true;
            looked = false;
            continue;
        }
        if (mni_queued(w)) {
            mni_queue_remove(mni_queue_in(&m->queue), w);
            a32_store(&m->waiting, m->waiting - 1);
            if (!queue_bit(m))
                mni_bits(&m->word, QUEUE, 0);
        }
        if (called && r == -ETIMEDOUT && until != deadline) {
            looked = true;
            continue;
        }
        w = called ? call_another(m) : NULL;
        mni_lock_drop(lock);
        if (w)
            mni_wake(w->parker);
        return r;
    }
}

void mni_mutex_take_back(struct mn_mutex *m, const struct mni_parker *self, bool adopted) {
    if (adopted && mni_waiter_self()->tag & GOT)
        return;
    uint32_t word = a32_load(&m->word);
    if (!adopted && !(word & LOCKED) && mni_cas32(&m->word, word, word | LOCKED)) { /* full; pairs with release */
        a32_store(&m->owner, self->owner);
        return;
    }
    bool was = mni_shield_self(true);
    (void)lock_slow(m, self, MN_FOREVER, adopted); /* cannot fail without deadline and cancellation */
    if (!was)
        mni_shield_self(false);
}

static inline bool try_lock(struct mn_mutex *m, const struct mni_parker *self) {
    uint32_t word = a32_load(&m->word); /* relaxed: the compare-and-swap checks it */
    /* Full; pairs with the compare-and-swap of release. */
    if (__builtin_expect(word & LOCKED || !mni_cas32(&m->word, word, word | LOCKED), 0))
        return false;
    a32_store(&m->owner, self->owner);
    return true;
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
    int r = a32_load(&m->word) || m->queue.head ? -EBUSY : 0;
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
