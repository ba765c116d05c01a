/*
 * rwlock: read-write locks.
 *
 * Guarantee.  One writer or any number of readers; neither kind keeps the other out for ever.
 *
 * Phases.  While a writer waits, new readers queue.  A writer that leaves lets in all readers that wait, at
 * once; if there are none, the next writer.  The last reader that leaves lets in the first writer.  So a reader
 * waits for one writer at most besides those that hold the lock when it comes, and a writer for one crowd of
 * readers per writer before it.
 *
 * The lock goes from hand to hand: who is let in holds it before it runs.  A lock that is free has empty
 * queues, so nobody barges past a waiter, and the fast paths have to look at one word only.
 *
 * word          meaning                                     who changes it
 * WRITER        a writer holds it; owner says who           the writer; who hands over
 * QUEUE         threads wait; implies that it is held       under the lock only
 * BIAS          readers may be counted elsewhere, too       a reader; who ends it, under the lock
 * REVOKING      that is about to end                        who does it, under the lock
 * n * READER    so many readers hold it                     readers, by compare-and-swap; who hands over
 *
 * Where several CPUs read at the same time the lock is biased: rwlock_bias.c.
 *
 * With QUEUE set, a reader that is not the last one leaves by the fast path, and nobody comes in by it; the
 * last reader, and the writer, leave under the lock: for them the word then stands still.
 *
 * A robust lock (robust.h) has MNI_ROBUST in `state`, and notes its writer only.  Readers are let in after a
 * writer's end, and told.
 *
 * Limits.  All readers are let in by one thread, under the lock (some 20 ns each).  Who reads is not known: a
 * reader that locks again while a writer waits is a deadlock.  Nobody spins.
 */
#include <errno.h>
#include <mn/rwlock.h>

#include "away.h"
#include "export.h"
#include "robust.h"
#include "rwlock.h"
#include "waiters.h"

enum { WRITER = MNI_RW_WRITER, QUEUE = MNI_RW_QUEUE, BIASED = MNI_RW_BIASED };
enum { AWAY = 7 }; /* pauses, some 200 ns, after another CPU has changed the word: it may go on in its cache */
#define READER MNI_RW_READER

static struct mni_queue *readers(struct mn_rwlock *l) {
    return mni_queue_in(&l->readers);
}

static struct mni_queue *writers(struct mn_rwlock *l) {
    return mni_queue_in(&l->writers);
}

static uint32_t queue_bit(const struct mn_rwlock *l) {
    return l->readers.head || l->writers.head ? QUEUE : 0;
}

MN_EXPORT void mn_rwlock_init(struct mn_rwlock *l) {
    *l = (struct mn_rwlock)MN_RWLOCK_INIT;
    l->bias = mni_bias_new();
}

MN_EXPORT void mn_rwlock_init_robust(struct mn_rwlock *l) {
    *l = (struct mn_rwlock)MN_RWLOCK_ROBUST_INIT;
}

MN_EXPORT int mn_rwlock_destroy(struct mn_rwlock *l) {
    struct mni_cpu *cpu = mni_call_begin();
    mni_lock_take(mni_lock_in(l));
    mni_bias_end(l);
    int r = a32_load(&l->word) ? -EBUSY : 0;
    mni_lock_drop(mni_lock_in(l));
    mni_call_end_here(cpu);
    return r;
}

/* 0, -EBUSY or -EAGAIN.  cpu: the caller's, or NULL. */
static int try_read(struct mn_rwlock *l, const struct mni_cpu *cpu) {
    for (bool disturbed = false;; disturbed = true) {
        uint32_t word = a32_load(&l->word); /* relaxed: the compare-and-swap checks it */
        if (__builtin_expect((word & (WRITER | QUEUE | MNI_RW_BIAS)) != 0, 0)) {
            if (word & (WRITER | QUEUE))
                return -EBUSY;
            if (cpu && mni_bias_hold(l, cpu))
                return 0;
        }
        if (word / READER >= MNI_RW_READERS_MOST)
            return -EAGAIN;
        if (mni_cas32(&l->word, word, word + READER)) { /* full; pairs with a writer's release */
            if (disturbed && cpu)
                mni_bias_consider(l);
            return 0;
        }
        stay_away(AWAY);
    }
}

static int try_write(struct mn_rwlock *l, const struct mni_parker *self) {
    if (!mni_cas32(&l->word, 0, WRITER)) /* full; pairs with everybody's release */
        return -EBUSY;
    a32_store(&l->owner, self->owner); /* relaxed: others only ask whether it holds their own number */
    return 0;
}

/* All who read are in the word, or on their way. */
static void count_all(struct mn_rwlock *l) {
    mni_lock_take(mni_lock_in(l));
    mni_bias_end(l);
    mni_lock_drop(mni_lock_in(l));
}

/*
 * A waiter has left the queues by itself.  Readers that waited only because a writer did may go in: they go to
 * out.  The lock is held.
 */
static void look_again(struct mn_rwlock *l, struct mni_queue *out) {
    uint32_t n = 0;
    /* Readers hold it: it is not free while QUEUE is set. */
    if (!l->writers.head && !(a32_load(&l->word) & WRITER))
        n = mni_claim_all(readers(l), out);
    for (;;) {
        uint32_t word = a32_load(&l->word);
        /* Full; pairs with the readers that leave by the fast path. */
        if (mni_cas32(&l->word, word, ((word & ~(uint32_t)QUEUE) + n * READER) | queue_bit(l)))
            return;
    }
}

/* Waits; write: for writing; cpu: the caller's, or NULL.  0: the caller holds the lock. */
static int lock_slow(struct mn_rwlock *l, const struct mni_cpu *cpu, const struct mni_parker *self, bool write,
                     int64_t deadline) {
    struct mni_olock *lock = mni_lock_in(l);
    struct mni_queue *q = write ? writers(l) : readers(l);
    struct mni_waiter *w = mni_waiter_self();
    mni_lock_take(lock);
    for (;;) {
        if (write)
            mni_bias_end(l);
        int r = write ? try_write(l, self) : try_read(l, cpu);
        if (r != -EBUSY) {
            mni_lock_drop(lock);
            return r;
        }
        uint32_t word = a32_load(&l->word);
        if (write ? !word || word & BIASED : !(word & (WRITER | QUEUE)))
            continue;
        /* Full; pairs with the release of the holders: they see QUEUE, or we that it is free. */
        if (mni_cas32(&l->word, word, word | QUEUE))
            break;
    }
    mni_queue_append(q, w);
    int r = mni_wait(write ? "write lock" : "read lock", l, lock, deadline);
    if (r >= 0)
        return 0;
    struct mni_queue out = {0};
    mni_lock_take(lock);
    if (mni_queued(w)) {
        mni_queue_remove(q, w);
        look_again(l, &out);
    }
    mni_lock_drop(lock);
    mni_wake_all(&out);
    return r;
}

static int unlock_robust(struct mn_rwlock *l, const struct mni_parker *self);

/* The caller has got a robust lock: what it is told. */
static __attribute__((noinline)) int got_robust(struct mn_rwlock *l, const struct mni_parker *self,
                                                bool write) {
    if (l->state & MNI_LOST) {
        unlock_robust(l, self);
        return -ENOTRECOVERABLE;
    }
    struct mni_thread *t = write ? mni_thread_here() : NULL;
    if (t) {
        l->next = t->own->rwlocks;
        t->own->rwlocks = l;
    }
    return mni_robust_got(t, l->state);
}

static inline int got(struct mn_rwlock *l, const struct mni_parker *self, bool write, int r) {
    return __builtin_expect(r == 0 && l->state, 0) ? got_robust(l, self, write) : r;
}

static int read_until(struct mn_rwlock *l, int64_t deadline) {
    struct mni_cpu *cpu = mni_begin_blocking();
    const struct mni_parker *self = mni_parker_self();
    int r = -ECANCELED;
    if (!mni_cancelled_self() && (r = try_read(l, cpu)) == -EBUSY)
        r = a32_load(&l->owner) == self->owner ? -EDEADLK : lock_slow(l, cpu, self, false, deadline);
    r = got(l, self, false, r);
    mni_end_blocking(cpu);
    return r;
}

static int write_until(struct mn_rwlock *l, int64_t deadline) {
    struct mni_cpu *cpu = mni_begin_blocking();
    const struct mni_parker *self = mni_parker_self();
    int r = -ECANCELED;
    if (!mni_cancelled_self() && (r = try_write(l, self)) == -EBUSY)
        r = a32_load(&l->owner) == self->owner ? -EDEADLK : lock_slow(l, cpu, self, true, deadline);
    r = got(l, self, true, r);
    mni_end_blocking(cpu);
    return r;
}

MN_EXPORT int mn_rwlock_rdlock(struct mn_rwlock *l) {
    return read_until(l, MN_FOREVER);
}

MN_EXPORT int mn_rwlock_rdlock_until(struct mn_rwlock *l, int64_t deadline) {
    return read_until(l, deadline);
}

MN_EXPORT int mn_rwlock_wrlock(struct mn_rwlock *l) {
    return write_until(l, MN_FOREVER);
}

MN_EXPORT int mn_rwlock_wrlock_until(struct mn_rwlock *l, int64_t deadline) {
    return write_until(l, deadline);
}

MN_EXPORT int mn_rwlock_tryrdlock(struct mn_rwlock *l) {
    struct mni_cpu *cpu = mni_call_begin();
    int r = got(l, mni_parker_self(), false, try_read(l, cpu));
    mni_call_end_here(cpu);
    return r;
}

MN_EXPORT int mn_rwlock_trywrlock(struct mn_rwlock *l) {
    struct mni_cpu *cpu = mni_call_begin();
    const struct mni_parker *self = mni_parker_self();
    int r;
    while ((r = try_write(l, self)) == -EBUSY) {
        uint32_t word = a32_load(&l->word); /* relaxed: the compare-and-swap that follows checks it */
        if (word & BIASED)
            count_all(l);
        else if (word) /* if not, a bias has just ended */
            break;
    }
    r = got(l, self, true, r);
    mni_call_end_here(cpu);
    return r;
}

/*
 * The lock goes from the caller, its writer or its last reader, to those in the queues: readers first after a
 * writer.  Nobody else can change the word.  False: nobody could be claimed, and the caller holds it still.
 * The lock is held.
 */
static bool hand_over(struct mn_rwlock *l, bool from_writer, struct mni_queue *out) {
    uint32_t n = 0;
    struct mni_waiter *w = NULL;
    if (from_writer || !(w = mni_claim_first(writers(l))))
        n = mni_claim_all(readers(l), out);
    if (!n && !w)
        w = mni_claim_first(writers(l));
    if (w)
        mni_queue_append(out, w);
    if (w || n)
        /* Relaxed: who is woken sees it by mni_wake, others compare it with their own number. */
        a32_store(&l->owner, w ? w->parker->owner : 0);
    uint32_t word = w ? WRITER : n ? n * READER : a32_load(&l->word) & ~(uint32_t)QUEUE;
    /* Release; pairs with the compare-and-swap of whoever looks at the word next. */
    a32_store_release(&l->word, word | queue_bit(l));
    return w || n;
}

static inline __attribute__((always_inline)) int unlock(struct mn_rwlock *l, const struct mni_cpu *cpu,
                                                           const struct mni_parker *self) {
    uint32_t word = a32_load(&l->word);
    bool writer = word & WRITER;
    if (writer && a32_load(&l->owner) != self->owner)
        return -EPERM;
    for (;; word = a32_load(&l->word)) { /* relaxed: the compare-and-swap checks it */
        if (__builtin_expect((word & BIASED) != 0, 0)) {
            if ((cpu && mni_bias_drop(l, cpu)) || (word < READER && mni_bias_drop_any(l)))
                return 0;
            if (word < READER) {
                count_all(l);
                continue;
            }
        }
        if (writer ? !(word & WRITER) : word < READER || word & WRITER)
            return -EPERM;
        if (!(word & QUEUE) || word / READER > 1) {
            if (writer)
                a32_store(&l->owner, 0);
            /* Full; pairs with the compare-and-swap of the next one.  The lock is not touched after it. */
            if (mni_cas32(&l->word, word, writer ? word & ~(uint32_t)WRITER : word - READER))
                return 0;
            stay_away(AWAY);
            continue;
        }
        struct mni_queue out = {0};
        mni_lock_take(mni_lock_in(l));
        /* Acquire; pairs with the compare-and-swap by which other readers left: who gets the lock comes
         * after them, too. */
        word = a32_load_acquire(&l->word);
        bool handed = word & QUEUE && word / READER <= 1 && hand_over(l, writer, &out);
        mni_lock_drop(mni_lock_in(l));
        mni_wake_all(&out);
        if (handed)
            return 0;
    }
}

static bool writes(const struct mn_rwlock *l, const struct mni_parker *self) {
    /* Relaxed: only the caller itself writes its own number there, or a hand-over that it has seen. */
    return a32_load(&l->word) & WRITER && a32_load(&l->owner) == self->owner;
}

static __attribute__((noinline)) int unlock_robust(struct mn_rwlock *l, const struct mni_parker *self) {
    struct mni_thread *t = writes(l, self) ? mni_thread_here() : NULL;
    for (struct mn_rwlock **at = t ? &t->own->rwlocks : NULL; at && *at; at = &(*at)->next)
        if (*at == l) {
            *at = l->next;
            break;
        }
    return unlock(l, NULL, self); /* it is never biased: no slot of the cpu to look at */
}

void mni_rwlocks_end(struct mni_thread *t) {
    for (struct mn_rwlock *l; (l = t->own->rwlocks);) {
        l->state |= MNI_DIED;
        unlock_robust(l, &t->park);
    }
}

MN_EXPORT int mn_rwlock_unlock(struct mn_rwlock *l) {
    struct mni_cpu *cpu = mni_call_begin();
    const struct mni_parker *self = __builtin_expect(cpu != NULL, 1) ? &cpu->current->park : mni_parker_self();
    int r;
    if (__builtin_expect(l->state != 0, 0)) {
        if (writes(l, self))
            l->state = mni_robust_unlocked(l->state);
        r = unlock_robust(l, self);
    } else {
        r = unlock(l, cpu, self);
    }
    mni_call_end_here(cpu);
    return r;
}

MN_EXPORT int mn_rwlock_consistent(struct mn_rwlock *l) {
    struct mni_cpu *cpu = mni_call_begin();
    int r = mni_robust_consistent(&l->state, writes(l, mni_parker_self()));
    mni_call_end_here(cpu);
    return r;
}
