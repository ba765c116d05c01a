/*
 * rwlock: read-write locks.
 *
 * Guarantee.  One writer or any number of readers; neither kind keeps the other out for ever.
 *
 * Problem.  A lock that is handed to a thread that waits is held by one that does not run.  Whoever comes meanwhile
 * has to wait as well, and so it goes on (a convoy): a switch of threads with each lock, all on one CPU.
 *
 * Calling.  So a writer, or the last reader, that finds others waiting calls the first of them: wakes it, and leaves
 * the lock free.  Those that run may take it until then.  Who was called and finds the lock held has come in vain, once:
 * it goes on waiting, first in its queue, and the next time it is let in, which means that it holds the lock
 * before it runs.
 *
 * Phases.  While writers wait, and nobody is called, new readers queue.  After a writer it is the readers' turn: one is
 * called, and each that has come calls the next, up to the one that was LAST when that began; those who have come in
 * vain are let in with all the others.  After the last reader it is the first writer's turn.  So a reader waits for one
 * call and some writers, a writer for one call and one crowd of readers.
 *
 * Wanting.  A writer that runs and finds readers sets WANTED, which keeps new ones out, and looks for about a microsecond
 * whether they have left; a reader that finds the lock shut looks for as long before it queues.  Then sections of less
 * cost no switch of threads.  Nobody looks where a single thread runs at a time, or at an owner that does not run.
 *
 * word          meaning                                       who changes it
 * WRITER        a writer holds it; owner says who             the writer; who lets it in
 * QUEUE         threads wait, and nobody was called who has   under the lock only
 *               yet to come; implies that it is held, or WANTED
 * BIAS          readers may be counted elsewhere, too         a reader; who ends it, under the lock
 * REVOKING      that is about to end                          who does it, under the lock
 * WANTED        a writer that runs gets it from the readers   that writer, by compare-and-swap; set without WRITER and
 *                                                             QUEUE only
 * n * READER    so many readers hold it                       readers, by compare-and-swap; who lets them in
 *
 * Where several CPUs read at the same time the lock is biased: rwlock_bias.c.
 *
 * With QUEUE set, a reader that is not the last one leaves by the fast path, and nobody comes in by it; the
 * last reader, and the writer, leave under the lock: for them the word then stands still.  With WANTED set all
 * readers leave by the fast path: its writer takes the lock then, or, under the lock, gives WANTED up and queues.
 *
 * tag of a waiter, under the lock:
 * WRITES        it waits in the writers' queue
 * CALLED        it was woken, and is still in its queue, the first; at most one of the lock's
 * VAIN          it has come, and the lock was held
 * LAST          the readers that are called in turn end with it
 * Its data is written by who wakes it, if not NULL: it was let in.
 *
 * Nothing is lost: with threads in a queue either somebody is called, and will set QUEUE or leave empty queues as it
 * comes (come, try_last), or QUEUE is set, and then the lock is held, or about to be, by one whose unlock sees that.
 *
 * A robust lock (robust.h) has MNI_ROBUST in `state`, and notes its writer only.  Readers come after a writer's end, and
 * are told.
 *
 * Limits.  Who reads is not known: a reader that locks again while a writer waits is a deadlock.
 *
 * tests/model/mn_rwlock.c walks through all orders.
 */
#include <errno.h>
#include <mn/rwlock.h>

#include "away.h"
#include "export.h"
#include "robust.h"
#include "rwlock.h"
#include "spin.h"
#include "waiters.h"

enum {
    WRITER = MNI_RW_WRITER,
    QUEUE = MNI_RW_QUEUE,
    BIASED = MNI_RW_BIASED,
    WANTED = MNI_RW_WANTED,
    SHUT = MNI_RW_SHUT
};
enum { WRITES = 1, CALLED = 2, VAIN = 4, LAST = 8 };
#define READER MNI_RW_READER

static struct mni_queue *readers(struct mn_rwlock *l) {
    return mni_queue_in(&l->readers);
}

static struct mni_queue *writers(struct mn_rwlock *l) {
    return mni_queue_in(&l->writers);
}

static struct mni_queue *queue_of(struct mn_rwlock *l, const struct mni_waiter *w) {
    return w->tag & WRITES ? writers(l) : readers(l);
}

static uint32_t queue_bit(const struct mn_rwlock *l) {
    return l->readers.head || l->writers.head ? QUEUE : 0;
}

static bool is_called(const struct mni_queue *q) {
    return q->head && q->head->tag & CALLED;
}

/* Somebody was called, and has not come.  The lock is held. */
static bool called(struct mn_rwlock *l) {
    return is_called(readers(l)) || is_called(writers(l));
}

/* Calls the first in a queue.  Its parker, to be woken, or NULL.  The lock is held. */
static struct mni_parker *call(struct mni_queue *q) {
    uint64_t tag = CALLED;
    for (struct mni_waiter *w; (w = mni_queue_take(q)); tag |= w->tag & LAST)
        if (mni_claim(w->parker, 0)) {
            w->tag |= tag;
            mni_queue_prepend(q, w);
            return w->parker;
        }
    return NULL;
}

/* The readers that wait hold the lock, once they are counted: they go to out.  Returns how many.  The lock is
 * held. */
static uint32_t let_in(struct mn_rwlock *l, struct mni_queue *out) {
    uint32_t n = 0;
    for (struct mni_waiter *w; (w = mni_claim_first(readers(l))); n++) {
        w->data = l;
        mni_queue_append(out, w);
    }
    return n;
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
    int r = a32_load(&l->word) || l->readers.head || l->writers.head ? -EBUSY : 0;
    mni_lock_drop(mni_lock_in(l));
    mni_call_end_here(cpu);
    return r;
}

/* 0, -EBUSY or -EAGAIN.  cpu: the caller's, or NULL. */
static int try_read(struct mn_rwlock *l, const struct mni_cpu *cpu) {
    for (bool disturbed = false;; disturbed = true) {
        uint32_t word = a32_load(&l->word); /* relaxed: the compare-and-swap checks it */
        if (__builtin_expect((word & (SHUT | MNI_RW_BIAS)) != 0, 0)) {
            if (word & SHUT)
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
        stay_away(MNI_SPIN_PAUSES);
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

/* The queues have changed, and the lock is held, or wanted; so many readers come in.  The lock is held. */
static void settle(struct mn_rwlock *l, uint32_t in) {
    for (;;) {
        uint32_t word = a32_load(&l->word); /* relaxed: the compare-and-swap checks it */
        uint32_t queue = called(l) ? 0 : queue_bit(l);
        if (!in && (word & QUEUE) == queue)
            return;
        if (queue && word & BIASED)
            mni_bias_end(l);
        /* Full; pairs with the readers that leave by the fast path. */
        else if (mni_cas32(&l->word, word, ((word & ~(uint32_t)QUEUE) + in * READER) | queue))
            return;
    }
}

/* A waiter leaves the queues by itself.  Readers that waited only because a writer did may go in: they go to
 * out.  The lock is held. */
static void give_up(struct mn_rwlock *l, struct mni_waiter *w, struct mni_queue *out) {
    struct mni_queue *q = queue_of(l, w);
    if (w->tag & LAST && w != q->head)
        list_entry(w->link.prev, struct mni_waiter, link)->tag |= LAST;
    mni_queue_remove(q, w);
    /* With QUEUE alone readers hold it, and it is not free before the caller has dropped the lock. */
    bool readers_only = (a32_load(&l->word) & SHUT) == QUEUE && !l->writers.head;
    settle(l, readers_only ? let_in(l, out) : 0);
}

/* A thread that was called has got the lock.  A reader calls the next one: its parker, to be woken, or NULL.
 * The lock is held. */
static struct mni_parker *come(struct mn_rwlock *l, struct mni_waiter *w) {
    struct mni_queue *q = queue_of(l, w);
    struct mni_parker *next = NULL;
    mni_queue_remove(q, w);
    if (!(w->tag & WRITES) && (!(w->tag & LAST) || !l->writers.head) && (next = call(q)))
        q->tail->tag |= w->tag & LAST;
    settle(l, 0);
    return next;
}

/* Looks at a lock that is shut for about a microsecond. */
static void await_writer(const struct mn_rwlock *l) {
    for (int i = 0; i < MNI_SPIN_LOOKS; i++) {
        uint32_t word = a32_load(&l->word); /* relaxed: a hint, as is the owner */
        if (!(word & SHUT) || (word & WRITER && mni_owner_rests(a32_load(&l->owner))))
            return;
        stay_away(MNI_SPIN_PAUSES);
    }
}

/* The caller has set WANTED: takes the lock if nobody holds it. */
static bool take_wanted(struct mn_rwlock *l, const struct mni_parker *self) {
    uint32_t word = a32_load(&l->word); /* relaxed: the compare-and-swap checks it */
    /* Full; pairs with the release of the readers. */
    if (word & ~(uint32_t)(WANTED | QUEUE) || !mni_cas32(&l->word, word, (word & QUEUE) | WRITER))
        return false;
    a32_store(&l->owner, self->owner); /* relaxed: as in try_write */
    return true;
}

/* Readers hold it: keeps others out, and waits for about a microsecond until they have left.  True: the caller
 * has got the lock.  *wanted: WANTED is set by the caller. */
static bool await_readers(struct mn_rwlock *l, const struct mni_parker *self, bool *wanted) {
    for (;;) {
        uint32_t word = a32_load(&l->word); /* relaxed: the compare-and-swap checks it */
        if (word & BIASED)
            count_all(l);
        else if (word & SHUT)
            return false;
        else if (!word)
            return try_write(l, self) == 0;
        /* Full; pairs with the compare-and-swap of the readers. */
        else if (mni_cas32(&l->word, word, word | WANTED))
            break;
    }
    for (int i = 0; i < MNI_SPIN_LOOKS; i++) {
        stay_away(MNI_SPIN_PAUSES);
        if (take_wanted(l, self))
            return true;
    }
    *wanted = true;
    return false;
}

/* 0, -EAGAIN; or -EBUSY: whoever leaves the lock sees to those who wait.  The lock is held. */
static int try_last(struct mn_rwlock *l, const struct mni_cpu *cpu, const struct mni_parker *self, bool write,
                    bool wanted) {
    for (;;) {
        if (write)
            mni_bias_end(l);
        int r = wanted ? (take_wanted(l, self) ? 0 : -EBUSY) : write ? try_write(l, self) : try_read(l, cpu);
        if (r != -EBUSY)
            return r;
        uint32_t word = a32_load(&l->word); /* relaxed: the compare-and-swap checks it */
        bool held = wanted ? word / READER : write ? word && !(word & BIASED) : word & SHUT;
        uint32_t next = (wanted ? word & ~(uint32_t)WANTED : word) | (called(l) ? 0 : QUEUE);
        /* Full; pairs with the release of the holders: they see QUEUE, or we that it is free. */
        if (held && (next == word || mni_cas32(&l->word, word, next)))
            return r;
    }
}

/* Waits; write: for writing; cpu: the caller's, or NULL.  0: the caller holds the lock. */
static int lock_slow(struct mn_rwlock *l, const struct mni_cpu *cpu, const struct mni_parker *self, bool write,
                     int64_t deadline) {
    struct mni_olock *lock = mni_lock_in(l);
    struct mni_waiter *w = mni_waiter_self();
    bool spins = !mni_solo() && mni_may_spin(), queued = false;
    w->tag = write ? WRITES : 0;
    w->data = NULL;
    for (;;) {
        bool wanted = false, got = false;
        if (spins && write)
            got = await_readers(l, self, &wanted);
        else if (spins)
            await_writer(l);
        if (got && !queued)
            return 0;
        mni_lock_take(lock);
        w->tag &= ~(uint64_t)CALLED;
        int r = got ? 0 : try_last(l, cpu, self, write, wanted);
        if (r != -EBUSY) {
            struct mni_parker *wake = queued ? come(l, w) : NULL;
            mni_lock_drop(lock);
            if (wake)
                mni_wake(wake);
            return r;
        }
        if (queued)
            w->tag |= VAIN;
        else
            mni_queue_append(queue_of(l, w), w);
        queued = true;
        r = mni_wait(write ? "write lock" : "read lock", l, lock, deadline);
        if (r >= 0 && w->data) /* written before it was woken; its tag others may change until it has the lock */
            return 0;
        if (r >= 0) {
            if (cpu)
                cpu = mni_cpu_self(); /* it may go on elsewhere: a slot is for who runs on its cpu */
            continue;
        }
        struct mni_queue out = {0};
        mni_lock_take(lock);
        if (mni_queued(w))
            give_up(l, w, &out);
        mni_lock_drop(lock);
        mni_wake_all(&out);
        return r;
    }
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
 * The caller, its writer or its last reader, leaves the lock to those in the queues: readers first after a
 * writer.  Nobody else can change the word.  One is called, who is to be woken, or who was called in vain is let
 * in, readers with all others: to out.  False: nobody could be claimed, and the caller holds it still.  The lock
 * is held.
 */
static bool pass_on(struct mn_rwlock *l, bool from_writer, struct mni_queue *out, struct mni_parker **wake) {
    struct mni_waiter *w = mni_claim_first(from_writer ? readers(l) : writers(l));
    if (!w)
        w = mni_claim_first(from_writer ? writers(l) : readers(l));
    uint32_t owner = 0, word = 0;
    if (!w) {
        /* Release, as below, though the caller holds it still. */
        a32_store_release(&l->word, a32_load(&l->word) & ~(uint32_t)QUEUE);
        return false;
    }
    if (!(w->tag & VAIN)) {
        struct mni_queue *q = queue_of(l, w);
        w->tag |= CALLED;
        mni_queue_prepend(q, w);
        q->tail->tag |= LAST;
        *wake = w->parker;
    } else {
        w->data = l;
        mni_queue_append(out, w);
        if (w->tag & WRITES) {
            owner = w->parker->owner;
            word = WRITER;
        } else {
            word = (1 + let_in(l, out)) * READER;
        }
        word |= queue_bit(l);
    }
    /* Relaxed: who is woken sees it by mni_wake, others compare it with their own number. */
    a32_store(&l->owner, owner);
    /* Release; pairs with the compare-and-swap of whoever looks at the word next. */
    a32_store_release(&l->word, word);
    return true;
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
        if (!(word & QUEUE) || word / READER > 1 || word & WANTED) {
            if (writer)
                a32_store(&l->owner, 0);
            /* Full; pairs with the compare-and-swap of the next one.  The lock is not touched after it. */
            if (mni_cas32(&l->word, word, writer ? word & ~(uint32_t)WRITER : word - READER))
                return 0;
            stay_away(MNI_SPIN_PAUSES);
            continue;
        }
        struct mni_queue out = {0};
        mni_lock_take(mni_lock_in(l));
        /* Acquire; pairs with the compare-and-swap by which other readers left: who gets the lock comes
         * after them, too. */
        word = a32_load_acquire(&l->word);
        struct mni_parker *wake = NULL;
        bool passed =
            (word & (QUEUE | WANTED)) == QUEUE && word / READER <= 1 && pass_on(l, writer, &out, &wake);
        mni_lock_drop(mni_lock_in(l));
        if (wake)
            mni_wake(wake);
        mni_wake_all(&out);
        if (passed)
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
