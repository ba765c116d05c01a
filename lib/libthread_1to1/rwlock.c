/*
 * pthread_rwlock_*.
 *
 * Guarantees.  Many readers or one writer.  No wake-up is lost.  An unlock touches nothing after the
 * operation that lets the next owner in (but for a wake-up by address), so the next owner may destroy the
 * lock.  Kinds:
 *
 *   PREFER_READER (default)       readers get in whenever no writer is inside; a writer may starve
 *   PREFER_WRITER_NP              the same: what the name promises would deadlock recursive readers, which
 *                                 POSIX allows; so the libc documents it
 *   PREFER_WRITER_NONRECURSIVE_NP new readers wait while a writer waits for others: writers do not starve
 *
 * The naive design keeps a state word to sleep on and wakes when it changes.  Readers come and go all the
 * time, so a sleeping writer would wake up for each; with words of their own for sleepers, changed after the
 * state, an unlock would touch the lock when it may be gone; changed before, the sleeper could look in
 * between and sleep for ever.  A flag 'some reader sleeps' is stale as soon as that reader has timed out,
 * and a stale flag that stands for a waiting writer locks readers out for ever.
 *
 * Design.  One 64-bit word holds all: each transition is one atomic step, and both its halves are words to
 * sleep on.
 *
 *   bits   field     meaning                                             who changes it
 *   0-20   READERS   holds for reading (and tries, see below)            readers +-1; who grants: + SLEEPERS
 *   21     WRITER    held for writing                                    the owner, taking and dropping
 *   22     BIAS      holds may be counted elsewhere: rwlock_bias.c       set by a reader inside; cleared by a
 *                                                                        writer
 *   23     PENDING   one writer waits, the holder of `queue`             that writer alone: exact, never stale
 *   24     ASLEEP    it sleeps, or is about to: it is to be woken        that writer; who wakes it: to 0
 *   25     TURN      where writers are preferred, no reader is to get in that writer alone
 *                    any more, even if the lock is free
 *   26-43  SLEEPERS  readers that wait                                   a reader, as it begins to wait or
 *                                                                        gives up; who grants: to 0
 *   44-63  GRANTS    how often waiting readers were let in               who grants: + 1
 *
 *   combination                         may it be?
 *   WRITER and READERS                  only tries: a reader adds itself first and looks at what was there;
 *                                       found unwelcome, it turns its count into a sleeper's, or takes it back
 *   BIAS and (WRITER or PENDING)        never: BIAS is set in a step that excludes both, and a writer clears it
 *                                       first
 *   SLEEPERS without WRITER or PENDING  never: who ends the one state that keeps readers out, grants
 *   ASLEEP or TURN without PENDING      never
 *   PENDING, neither WRITER nor READERS the pending writer is awake, or has been woken
 *
 * Granting.  The unlocking writer (or a pending one that gives up) makes all sleepers readers, in one step:
 * their count moves from SLEEPERS to READERS and GRANTS advances.  A sleeper keeps GRANTS as of when it
 * enrolled: changed means it holds the lock already, also if its time is up in the same moment.  They sleep
 * on the high half, which changes with every grant.  With PENDING, writers preferred, nothing is granted:
 * the turn is the pending writer's.
 *
 * Writers that have to wait queue up on `queue`, a small mutex; its holder is the pending one.  It sleeps on
 * the low half, compared while it contains READERS or WRITER, and ASLEEP: so whoever brings those to zero
 * sees ASLEEP in the same step, clears it, and wakes the writer.  Without that bit each reader that was the
 * last one made a system call, a million in half a second, until the writer ran.  (A reader that did not see
 * PENDING when it looked subtracts itself without a comparison: then ASLEEP may stay, and the next one wakes
 * in vain.)  `queue` is given up after the lock has been taken, by its owner.  A writer that finds the lock
 * free takes it though others wait: a turn that must be slept for costs all of them.
 *
 * That holds for readers, too, where writers are preferred: a writer that was woken runs 20 us later.  If the
 * lock were kept for it meanwhile, others would come to sleep on it, and soon all would, each turn after a
 * wake-up (17 to 70 times slower than now, with four threads on two CPUs).  So PENDING keeps new readers out
 * only while others hold the lock for reading.  TURN keeps them out altogether: while the writer is awake and
 * tries, and from its second sleep on.  It waits for one wake-up that was in vain at the most.
 *
 * Who finds the lock taken keeps away from its line for AWAY_NS, a few times, before it sleeps, if that has
 * paid of late: those who are in it go on in their own cache, undisturbed, and are out again soon.  Looking
 * all the time made two writers slower than the libc's, keeping away makes them four times faster
 * (doc/design/rwlock.md).
 *
 * Memory order.  Taking acquires, dropping releases, on the word.  All changes are read-modify-write, so
 * every taker synchronises with all earlier droppers.  A granted sleeper acquires the granting step.
 *
 * Limits.  2^20 readers, 2^18 sleeping readers, then EAGAIN.  A sleeper that misses exactly 2^20 grants
 * between two looks would sleep on; each of them takes a system call.  Between processes the lock works only
 * on this library.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "rwlock.h"

#include <errno.h>

#include "clock.h"
#include "pause.h"
#include "spinwait.h"

#define READERS_MAX ((uint64_t)1 << 20)

enum { NOW_OR_NEVER = -1 }; /* for `clock`: a try */
enum { AWAY_NS = 300, AWAY_TIMES = 3 }; /* between two looks at a lock that is taken, and how many */

static __thread struct spinwait reader_history __attribute__((tls_model("initial-exec")));
static __thread struct spinwait writer_history __attribute__((tls_model("initial-exec")));

static struct rwlock *rwlock_of(pthread_rwlock_t *l) {
    return (struct rwlock *)l;
}

/* The halves of the word; both supported architectures are little-endian. */
static uint32_t *low(struct rwlock *l) {
    return (uint32_t *)&l->word;
}
static uint32_t *high(struct rwlock *l) {
    return (uint32_t *)&l->word + 1;
}

static bool prefers_writers(const struct rwlock *l) {
    return l->kind == PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP;
}

static bool keeps_readers_out(const struct rwlock *l, uint64_t w) {
    return w & RW_WRITER || (w & RW_PENDING && w & (RW_READERS | RW_TURN) && prefers_writers(l));
}

static bool is_full(uint64_t w) {
    return (w & RW_READERS) >= READERS_MAX || (w & RW_SLEEPERS) == RW_SLEEPERS;
}

/* All who sleep hold the lock for reading now. */
static uint64_t with_grant(uint64_t w) {
    return (w & ~RW_SLEEPERS) + (w & RW_SLEEPERS) / RW_SLEEPER * RW_READER + RW_GRANT;
}

/* Of a step to *next: whether it ends what a pending writer sleeps for; then it is woken, once. */
static bool ends_sleep(uint64_t *next) {
    if (likely(!(*next & RW_ASLEEP)) || *next & (RW_READERS | RW_WRITER))
        return false;
    *next &= ~RW_ASLEEP;
    return true;
}

/* After that step: by address only. */
static void wake_pending(struct rwlock *l, int flags) {
    umtx_wake(low(l), 1, flags);
}

/* ---- reading */

static void drop_reader(struct rwlock *l) {
    int flags = rwlock_umtx_flags(l);      /* before the step after which the lock may be gone */
    uint64_t w = a64_load(&l->word), next; /* relaxed: a guess for the exchange */
    bool wake;
    if (likely(!(w & RW_PENDING))) {
        /* release: pairs with the acquire of the writer that comes next */
        next = a64_add_release(&l->word, -RW_READER) - RW_READER;
        wake = ends_sleep(&next);
    } else {
        for (;;) {
            next = w - RW_READER;
            wake = ends_sleep(&next);
            uint64_t seen = a64_fetch_cas_full(&l->word, w, next); /* full, of which release: as above */
            if (seen == w)
                break;
            w = seen;
        }
    }
    if (unlikely(wake))
        wake_pending(l, flags);
}

/* Enrolled when GRANTS were as in w. */
static int sleep_for_grant(struct rwlock *l, uint64_t w, clockid_t clock, const struct timespec *deadline) {
    uint64_t grants = w & RW_GRANTS;
    for (;;) {
        w = a64_load_acquire(&l->word); /* acquire: pairs with the step that grants */
        if ((w & RW_GRANTS) != grants)
            return 0;
        int r = umtx_wait(high(l), (uint32_t)(w >> 32), deadline, clock, rwlock_umtx_flags(l));
        if (r != -ETIMEDOUT)
            continue;
        do {
            w = a64_load_acquire(&l->word); /* acquire: as above */
            if ((w & RW_GRANTS) != grants)
                return 0;
        } while (!a64_cas(&l->word, w, w - RW_SLEEPER)); /* relaxed: nothing was protected */
        return -ETIMEDOUT;
    }
}

static void keep_away_to_read(const struct rwlock *l) {
    if (!spinwait_worth(&reader_history))
        return;
    bool out = true;
    for (int i = 0; i < AWAY_TIMES && out; i++) {
        pause_ns(AWAY_NS);
        out = keeps_readers_out(l, a64_load(&l->word)); /* relaxed: what matters is looked at again */
    }
    spinwait_record(&reader_history, !out, SPINWAIT_SHORT);
}

/* `tried`: we are in READERS already, with what was there unwelcome.  Otherwise we are nowhere yet. */
__attribute__((noinline)) static int rdlock_slow(struct rwlock *l, bool tried, clockid_t clock,
                                                 const struct timespec *deadline) {
    const uint64_t mine = tried ? RW_READER : 0;
    int flags = rwlock_umtx_flags(l);
    if (!tried && clock != NOW_OR_NEVER && a32_load(&l->writer) != thr_tid())
        keep_away_to_read(l);
    for (;;) {
        uint64_t w = a64_load_acquire(&l->word), next; /* acquire: our try may have become a hold */
        int r = 0;
        if (is_full(w - mine)) {
            r = -EAGAIN;
        } else if (!keeps_readers_out(l, w - mine)) {
            /* acquire: pairs with the writer's release */
            if (tried || a64_cas_acquire(&l->word, w, w + RW_READER))
                return 0;
            continue;
        } else if (clock == NOW_OR_NEVER) {
            r = -EBUSY;
        } else if (w & RW_WRITER && a32_load(&l->writer) == thr_tid()) { /* relaxed: ours only if we wrote it */
            r = -EDEADLK;
        }
        next = w - mine + (r == 0 ? RW_SLEEPER : 0);
        bool wake = tried && ends_sleep(&next);
        /* release: a try that is taken back orders nothing itself, but the next writer's acquire of this step
         * must also cover the readers before it */
        if (next != w && !a64_cas_release(&l->word, w, next))
            continue;
        if (wake)
            wake_pending(l, flags);
        return r ? r : sleep_for_grant(l, next, clock, deadline);
    }
}

static inline int rdlock(struct rwlock *l, clockid_t clock, const struct timespec *deadline) {
    uint64_t w = a64_load(&l->word); /* relaxed: what matters is looked at again */
    if (w & RW_BIAS && bias_rdlock(l) == BIAS_HELD)
        return 0;
    if (unlikely(keeps_readers_out(l, w)))
        return rdlock_slow(l, false, clock, deadline);
    w = a64_add_acquire(&l->word, RW_READER); /* acquire: pairs with the release of the last writer */
    if (unlikely(keeps_readers_out(l, w) || is_full(w)))
        return rdlock_slow(l, true, clock, deadline);
    if (w & RW_READERS && !(w & RW_BIAS))
        bias_consider(l);
    return 0;
}

THR_EXPORT int pthread_rwlock_rdlock(pthread_rwlock_t *lock) {
    return -rdlock(rwlock_of(lock), CLOCK_REALTIME, NULL);
}
THR_ALIAS(__pthread_rwlock_rdlock, pthread_rwlock_rdlock);

THR_EXPORT int pthread_rwlock_tryrdlock(pthread_rwlock_t *lock) {
    return -rdlock(rwlock_of(lock), NOW_OR_NEVER, NULL);
}
THR_ALIAS(__pthread_rwlock_tryrdlock, pthread_rwlock_tryrdlock);

THR_EXPORT int pthread_rwlock_clockrdlock(pthread_rwlock_t *restrict lock, clockid_t clock,
                                          const struct timespec *restrict deadline) {
    if (!clock_supported(clock) || !clock_valid(deadline))
        return EINVAL;
    return -rdlock(rwlock_of(lock), clock, deadline);
}

THR_EXPORT int pthread_rwlock_timedrdlock(pthread_rwlock_t *restrict lock,
                                          const struct timespec *restrict deadline) {
    return pthread_rwlock_clockrdlock(lock, CLOCK_REALTIME, deadline);
}

/* ---- writing */

/* Takes the lock if nobody is in it; gives up our place as the pending writer, if it is ours, in the same
 * step: `mine` are our bits. */
static bool try_write(struct rwlock *l, uint64_t mine) {
    uint64_t w = a64_load(&l->word); /* relaxed: a guess for the exchange */
    while (!(w & (RW_READERS | RW_WRITER | RW_BIAS))) {
        /* acquire: pairs with the release of whoever was in it */
        uint64_t seen = a64_fetch_cas_acquire(&l->word, w, (w & ~mine) | RW_WRITER);
        if (seen == w) {
            a32_store(&l->writer, thr_tid()); /* relaxed: compared by ourselves only */
            thr_self()->owned++;
            return true;
        }
        w = seen;
    }
    return false;
}

/*
 * `queue` is a mutex of three states, as lib/base/lock.c explains; here with a deadline, and shared if the
 * lock is.
 */
static int queue_lock(struct rwlock *l, clockid_t clock, const struct timespec *deadline) {
    if (a32_cas(&l->queue, 0, 1)) /* relaxed: only PENDING is guarded, and that lies in the word */
        return 0;
    while (a32_swap_full(&l->queue, 2) != 0) {
        if (umtx_wait(&l->queue, 2, deadline, clock, rwlock_umtx_flags(l)) == -ETIMEDOUT)
            return -ETIMEDOUT;
    }
    return 0;
}

static void queue_unlock(struct rwlock *l) {
    if (a32_swap_full(&l->queue, 0) == 2)
        umtx_wake(&l->queue, 1, rwlock_umtx_flags(l));
}

/* The pending writer's time is up: lets in the readers that waited because of it. */
static void stop_pending(struct rwlock *l) {
    uint64_t w, next;
    do {
        w = a64_load(&l->word); /* relaxed: a guess for the exchange */
        next = w & ~RW_MINE;
        if (!(w & RW_WRITER) && w & RW_SLEEPERS)
            next = with_grant(next);
    } while (!a64_cas_full(&l->word, w, next)); /* full: the granted acquire what was released before */
    if ((next ^ w) & RW_GRANTS)
        umtx_wake(high(l), UMTX_WAKE_ALL, rwlock_umtx_flags(l));
}

/* The same, biased or not, and keeps away for a while if it is not free, as that has paid of late. */
static bool try_write_awake(struct rwlock *l, uint64_t mine) {
    const int times = spinwait_worth(&writer_history) ? AWAY_TIMES : 0;
    bool got;
    for (int i = 0;; i++) {
        if (bias_revoke(l))
            drop_reader(l);
        got = try_write(l, mine);
        if (got || i == times)
            break;
        pause_ns(AWAY_NS);
    }
    if (times)
        spinwait_record(&writer_history, got, SPINWAIT_SHORT);
    return got;
}

__attribute__((noinline)) static int wrlock_slow(struct rwlock *l, clockid_t clock,
                                                 const struct timespec *deadline) {
    /* relaxed: ours only if we wrote it */
    if (a32_load(&l->writer) == thr_tid() && a64_load(&l->word) & RW_WRITER)
        return -EDEADLK;
    if (try_write_awake(l, 0))
        return 0;
    int r = queue_lock(l, clock, deadline);
    if (r < 0)
        return r;
    bool slept = false;
    while (!try_write_awake(l, RW_MINE)) {
        uint64_t w = a64_load(&l->word), next; /* relaxed: compared again by the exchange and the kernel */
        if (w & RW_BIAS || !(w & (RW_READERS | RW_WRITER)))
            continue;
        bool sleep = w & RW_TURN; /* that was not enough */
        next = sleep ? w | RW_ASLEEP : w | RW_PENDING | RW_TURN;
        if (sleep && !slept)
            next &= ~RW_TURN;
        if (next != w && !a64_cas(&l->word, w, next)) /* relaxed: orders nothing */
            continue;
        if (!sleep)
            continue;
        if (umtx_wait(low(l), (uint32_t)next, deadline, clock, rwlock_umtx_flags(l)) == -ETIMEDOUT) {
            stop_pending(l);
            r = -ETIMEDOUT;
            break;
        }
        slept = true;
    }
    queue_unlock(l);
    return r;
}

static inline int wrlock(struct rwlock *l, clockid_t clock, const struct timespec *deadline) {
    return likely(try_write(l, 0)) ? 0 : wrlock_slow(l, clock, deadline);
}

THR_EXPORT int pthread_rwlock_wrlock(pthread_rwlock_t *lock) {
    return -wrlock(rwlock_of(lock), CLOCK_REALTIME, NULL);
}
THR_ALIAS(__pthread_rwlock_wrlock, pthread_rwlock_wrlock);

THR_EXPORT int pthread_rwlock_clockwrlock(pthread_rwlock_t *restrict lock, clockid_t clock,
                                          const struct timespec *restrict deadline) {
    if (!clock_supported(clock) || !clock_valid(deadline))
        return EINVAL;
    return -wrlock(rwlock_of(lock), clock, deadline);
}

THR_EXPORT int pthread_rwlock_timedwrlock(pthread_rwlock_t *restrict lock,
                                          const struct timespec *restrict deadline) {
    return pthread_rwlock_clockwrlock(lock, CLOCK_REALTIME, deadline);
}

THR_EXPORT int pthread_rwlock_trywrlock(pthread_rwlock_t *lock) {
    struct rwlock *l = rwlock_of(lock);
    for (;;) {
        if (try_write(l, 0))
            return 0;
        if (!bias_revoke(l))
            return EBUSY;
        drop_reader(l);
    }
}
THR_ALIAS(__pthread_rwlock_trywrlock, pthread_rwlock_trywrlock);

/* ---- both */

static void wrunlock(struct rwlock *l) {
    int flags = rwlock_umtx_flags(l); /* before the step after which the lock may be gone */
    bool prefer_writer = prefers_writers(l);
    if (a32_load(&l->writer) == thr_tid()) /* relaxed: compared by ourselves only */
        thr_self()->owned--;
    a32_store(&l->writer, 0);              /* relaxed: as above */
    uint64_t w = a64_load(&l->word), next; /* relaxed: a guess for the exchange */
    bool wake;
    for (;;) {
        next = w & ~RW_WRITER;
        if (w & RW_SLEEPERS && !(prefer_writer && w & RW_PENDING))
            next = with_grant(next);
        wake = ends_sleep(&next);
        /* full, of which release: pairs with the acquire of the next writer, readers, and those granted */
        uint64_t seen = a64_fetch_cas_full(&l->word, w, next);
        if (seen == w)
            break;
        w = seen;
    }
    if ((next ^ w) & RW_GRANTS)
        umtx_wake(high(l), UMTX_WAKE_ALL, flags);
    if (wake)
        wake_pending(l, flags);
}

THR_EXPORT int pthread_rwlock_unlock(pthread_rwlock_t *lock) {
    struct rwlock *l = rwlock_of(lock);
    for (;;) {
        uint64_t w = a64_load(&l->word); /* relaxed: the state that the caller's own hold keeps */
        /* First: a slot of our line may contain a try of another thread's, which is no hold of the writer's. */
        if (w & RW_WRITER) {
            wrunlock(l);
            return 0;
        }
        if (bias_unlock(l))
            return 0;
        if (likely(w & RW_READERS)) {
            drop_reader(l);
            return 0;
        }
        if (!(w & RW_BIAS))
            return EPERM; /* nobody holds it */
        if (bias_unlock_any(l))
            return 0;
    }
}
THR_ALIAS(__pthread_rwlock_unlock, pthread_rwlock_unlock);

THR_EXPORT int pthread_rwlock_init(pthread_rwlock_t *restrict lock, const pthread_rwlockattr_t *restrict attr) {
    const struct rwlock_attr *a = (const struct rwlock_attr *)attr;
    *rwlock_of(lock) = (struct rwlock){
        .epoch = bias_epoch(),
        .kind = a ? (uint32_t)a->kind : PTHREAD_RWLOCK_DEFAULT_NP,
        .shared = a && a->pshared == PTHREAD_PROCESS_SHARED,
    };
    return 0;
}
THR_ALIAS(__pthread_rwlock_init, pthread_rwlock_init);

THR_EXPORT int pthread_rwlock_destroy(pthread_rwlock_t *lock) {
    (void)lock;
    return 0;
}
THR_ALIAS(__pthread_rwlock_destroy, pthread_rwlock_destroy);
