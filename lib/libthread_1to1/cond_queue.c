/*
 * Private condition variables: a queue of waiters.
 *
 * Guarantee: signal ends the wait of the thread that has waited longest, broadcast of all; no later waiter can
 * take a wake-up that was meant for an earlier one; a signal that finds nobody makes no system call, and none
 * is made twice for one waiter.  A wait that times out or is cancelled has taken no signal.  After a broadcast,
 * at most CHAINS of the woken compete for the mutex at a time.
 *
 * Each waiter is a record on its own stack, linked into the queue under the object's lock, with a state word
 * that it sleeps on.  The state decides every race between a waiter that gives up and a signal that wants it:
 *
 *   state     set by                               meaning; who may touch the record, and the object
 *   WAITING   the waiter, before it is linked      linked.  Its neighbours' links change under the lock
 *   LEAVING   the waiter (WAITING ->)              gave up: deadline or cancellation.  Still linked; the waiter
 *                                                  takes the lock and unlinks itself.  Signal and broadcast
 *                                                  pass it over
 *   CHAINED   broadcast (WAITING ->)               unlinked; belongs to its predecessor in its chain, the first
 *                                                  one to the broadcaster
 *   GO        signal (WAITING ->), broadcast and   unlinked; the record is its owner's alone and may be gone:
 *             predecessor (CHAINED ->)             nobody else touches it, nor does its owner touch the object
 *
 * So a waiter that was woken never looks at the object again, and one may be destroyed as soon as all were
 * woken.  One that is LEAVING does: destroy waits for those.
 *
 * Broadcast: if all waiters woke at once they would all run into the mutex.  If only one did, and each woke the
 * next, each would run as long after the one before as a wake-up takes (10 to 20 us where its CPU has gone
 * idle), and the CPUs would idle.  So broadcast deals the queue out into a few chains and lets the first of
 * each go; each, when it has the mutex, moves its successor from the state word to the mutex's sleepers
 * (umtx_requeue), so that unlock wakes it, and marks it GO.  The order matters:
 *
 *   1. tell the mutex to expect a sleeper (it is held by us: its unlock will wake)
 *   2. mark it GO: if it is awake, or on its way to sleep, it will not sleep any more
 *   3. requeue: if it sleeps, it sleeps on the mutex now.  Its record is still there, GO or not: to leave the
 *      wait it needs the mutex, which is ours.  (Requeue before GO, and one on its way to sleep is missed.)
 *
 * A wake of an address on a stack whose frame is gone is harmless, since every sleeper on a umtx word looks
 * again.
 *
 * Threads that come out of a chain take the mutex as one that others may sleep on: the chain's sleepers have
 * not said so in the mutex's word themselves.
 *
 * fork: the child has none of the threads that wait, and their stacks are not what they were.  `epoch` counts
 * the forks between this process and its first ancestor; an object whose epoch is another's is emptied before
 * use.
 *
 * Limits: first come first served, also among real-time priorities.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "cond.h"

#include "lock.h"
#include "spinwait.h"
#include "umtx.h"

enum { WAITING, LEAVING, CHAINED, GO };
/* Wake-ups of one broadcast that are under way at a time; doc/design/cond.md has 1 to 64. */
enum { CHAINS = 8 };

struct cond_waiter {
    uint32_t state; /* umtx word */
    struct mutex *mutex;
    struct cond_waiter *next, *prev; /* the queue; guarded by the object's lock */
    struct cond_waiter *chain;       /* successor; written by broadcast before this one's GO */
    bool chained;                    /* it may come from among the mutex's sleepers; set by the predecessor */
};

/* ---- fork */

static uint32_t epoch; /* written in a fork's child, while it has one thread */
static struct lock epoch_lock = LOCK_INIT(RANK_OBJECT);

void cond_reset_in_child(void) {
    epoch++;
    lock_reset(&epoch_lock);
}

uint32_t cond_queue_epoch(void) {
    return epoch;
}

static __attribute__((noinline, cold)) void empty(struct cond *c) {
    lock_take(&epoch_lock);
    if (a32_load(&c->epoch) != epoch) {
        c->head = c->tail = NULL;
        a32_store(&c->lock, 0);
        a32_store_release(&c->epoch, epoch); /* release: pairs with the acquire in check_epoch */
    }
    lock_drop(&epoch_lock);
}

static void check_epoch(struct cond *c) {
    if (unlikely(a32_load_acquire(&c->epoch) != epoch)) /* acquire: pairs with the release in empty() */
        empty(c);
}

/* ---- the queue, under the lock */

static void push(struct cond *c, struct cond_waiter *w) {
    w->prev = c->tail;
    if (c->tail)
        c->tail->next = w;
    else
        aptr_store(&c->head, w); /* relaxed: signal reads it without the lock; see cond_anybody() */
    c->tail = w;
}

/* Takes out what lay between the two, which itself may be gone already. */
static void close_gap(struct cond *c, struct cond_waiter *prev, struct cond_waiter *next) {
    if (prev)
        prev->next = next;
    else
        aptr_store(&c->head, next); /* relaxed: as push */
    if (next)
        next->prev = prev;
    else
        c->tail = prev;
}

/* ---- wait */

static void leave(struct cond *c, struct cond_waiter *w) {
    cond_lock(c, UMTX_PRIVATE);
    close_gap(c, w->prev, w->next);
    a32_store(&c->seq, a32_load(&c->seq) + 1); /* relaxed: under the lock */
    bool destroyed = a32_load(&c->waiters) & COND_DESTROYED;
    cond_unlock(c, UMTX_PRIVATE); /* the last access to the object */
    if (destroyed)
        umtx_wake(&c->seq, UMTX_WAKE_ALL, UMTX_PRIVATE);
}

static __thread struct spinwait history __attribute__((tls_model("initial-exec")));

/* Sleeps until GO (0) or until it has left (-ETIMEDOUT, -ECANCELED). */
static int sleep_until(struct cond *c, struct cond_waiter *w, const struct cond_until *until) {
    spinwait_event(&history, &w->state, WAITING);
    for (;;) {
        uint32_t state = a32_load_acquire(&w->state); /* acquire: pairs with the release of GO */
        int r;
        switch (state) {
        case GO:
            return 0;
        case WAITING:
            r = umtx_wait(&w->state, WAITING, until->deadline, until->clock, UMTX_PRIVATE | UMTX_CANCELPOINT);
            if (r != -ETIMEDOUT && r != -ECANCELED)
                break;
            /* Relaxed: the lock in leave() orders.  If it fails, a signal came first: the wait ends by that,
             * and a cancellation stays pending for the next cancellation point. */
            if (a32_cas(&w->state, WAITING, LEAVING)) {
                leave(c, w);
                return r;
            }
            break;
        default:
            umtx_wait(&w->state, CHAINED, NULL, CLOCK_MONOTONIC, UMTX_PRIVATE);
            break;
        }
    }
}

/* The mutex is held: lets the successor in the chain wait for it. */
static void pass_on(struct mutex *m, struct cond_waiter *next) {
    bool move = next->mutex == m && mutex_takes_sleepers(m);
    if (move)
        mutex_word_expect(m);
    next->chained = true;
    a32_store_release(&next->state, GO); /* release: pairs with sleep_until's acquire */
    /* Unless it is to be moved, only its address is left. */
    if (!move || umtx_requeue(&next->state, GO, 0, &m->wakes, 1, UMTX_PRIVATE) < 0)
        umtx_wake(&next->state, 1, UMTX_PRIVATE);
}

int cond_queue_wait(struct cond *c, struct mutex *m, const struct cond_until *until) {
    struct cond_waiter w = {.state = WAITING, .mutex = m};
    check_epoch(c);
    cond_lock(c, UMTX_PRIVATE);
    push(c, &w);
    cond_unlock(c, UMTX_PRIVATE);
    mutex_unlock_waiting(m);
    int r = sleep_until(c, &w, until);
    int err = mutex_lock_waited(m, w.chained);
    if (w.chain)
        pass_on(m, w.chain);
    return cond_result(r, err);
}

/* ---- signal, broadcast */

void cond_queue_signal(struct cond *c) {
    check_epoch(c);
    cond_lock(c, UMTX_PRIVATE);
    struct cond_waiter *w = c->head;
    while (w) {
        struct cond_waiter *next = w->next, *prev = w->prev; /* read now: GO lets the record vanish */
        if (a32_cas_release(&w->state, WAITING, GO)) { /* release: pairs with sleep_until's acquire */
            close_gap(c, prev, next);
            break;
        }
        w = next; /* LEAVING */
    }
    cond_unlock(c, UMTX_PRIVATE);
    if (w)
        umtx_wake(&w->state, 1, UMTX_PRIVATE);
}

void cond_queue_broadcast(struct cond *c) {
    check_epoch(c);
    struct cond_waiter *first[CHAINS] = {NULL}, **end[CHAINS];
    for (int i = 0; i < CHAINS; i++)
        end[i] = &first[i];
    unsigned n = 0;
    cond_lock(c, UMTX_PRIVATE);
    for (struct cond_waiter *w = c->head, *next; w; w = next) {
        next = w->next;
        if (!a32_cas(&w->state, WAITING, CHAINED)) /* relaxed: GO publishes */
            continue; /* LEAVING */
        close_gap(c, w->prev, next);
        *end[n % CHAINS] = w;
        end[n++ % CHAINS] = &w->chain;
    }
    cond_unlock(c, UMTX_PRIVATE);
    for (int i = 0; i < CHAINS && first[i]; i++) {
        /* Release: pairs with sleep_until's acquire; publishes the chain. */
        a32_store_release(&first[i]->state, GO);
        umtx_wake(&first[i]->state, 1, UMTX_PRIVATE);
    }
}

/* ---- destroy */

int cond_queue_destroy(struct cond *c) {
    check_epoch(c);
    for (;;) {
        cond_lock(c, UMTX_PRIVATE);
        struct cond_waiter *w = c->head;
        while (w && a32_load(&w->state) == LEAVING) /* relaxed: LEAVING is final */
            w = w->next;
        if (w || !c->head) {
            cond_unlock(c, UMTX_PRIVATE);
            return w ? -EBUSY : 0; /* somebody waits whom nothing has woken */
        }
        uint32_t seq = a32_load(&c->seq); /* relaxed: under the lock */
        a32_store(&c->waiters, COND_DESTROYED); /* relaxed: as above */
        cond_unlock(c, UMTX_PRIVATE);
        umtx_wait(&c->seq, seq, NULL, CLOCK_MONOTONIC, UMTX_PRIVATE);
    }
}
