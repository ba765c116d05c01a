/*
 * Process-shared condition variables: a counter of signals.
 *
 * Guarantee: a signal wakes at least one thread that began to wait before it (and that nothing else has ended
 * the wait of), a broadcast all of them, in whatever process and in whatever order the kernel keeps sleepers.
 *
 * The naive design: `seq` is a umtx word.  A waiter reads it while it holds the mutex, unlocks, and sleeps
 * while seq has that value; signal adds one and wakes one sleeper.  No wake-up is lost between the two: a
 * waiter that has read seq and does not sleep yet will not fall asleep.  But between signal's addition and its
 * wake-up another thread may begin to wait, with the new value, and be the one that the kernel wakes: it waits
 * for the next signal, and the first waiter for ever.  The kernel wakes first come first served, but not across
 * real-time priorities.
 *
 * The design: a lock is held while seq is read by a waiter, and by signal from the addition until after the
 * wake-up.  So whoever sleeps when signal wakes has an older value: it returns.
 *
 *   seq == own value   not signalled: sleep (again)
 *   seq != own value   woken, or spurious: a signal that went to another came while this one was not asleep
 *
 * `waiters` counts those inside wait.  signal does nothing when it is 0; destroy waits for 0, since a woken
 * waiter still reads seq.
 *
 * Limits: a process that is killed inside wait or signal leaves the count, or the lock, as it was, and destroy,
 * or everything, hangs; glibc's has the same weakness.  A signal between two others' wake-ups makes a system
 * call although the woken have not run yet: there is no telling which are still asleep.  2^32 signals while one
 * thread is between reading seq and sleeping go unnoticed.  broadcast cannot move waiters to the mutex, whose
 * address in the signaller's process is unknown: they all wake.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "cond.h"

#include "umtx.h"

/* One waiter less.  If it returns with a wake-up, the object may be gone once destroy sees 0. */
static void leave(struct cond *c) {
    /* full, of which release: pairs with the acquire in cond_shared_destroy */
    if (a32_add_full(&c->waiters, (uint32_t)-1) == (COND_DESTROYED | 1))
        umtx_wake(&c->waiters, UMTX_WAKE_ALL, UMTX_SHARED);
}

int cond_shared_wait(struct cond *c, struct mutex *m, const struct cond_until *until) {
    cond_lock(c, UMTX_SHARED);
    a32_add(&c->waiters, 1); /* relaxed: a signal that must see it is ordered after it by the mutex */
    uint32_t seq = a32_load(&c->seq); /* relaxed: under the lock */
    cond_unlock(c, UMTX_SHARED);
    mutex_unlock_waiting(m);

    int r;
    do {
        r = umtx_wait(&c->seq, seq, until->deadline, until->clock, UMTX_SHARED | UMTX_CANCELPOINT);
        /* -ETIMEDOUT, -ECANCELED: the kernel gave this thread no wake-up, so none is lost when it leaves. */
    } while (r != -ETIMEDOUT && r != -ECANCELED && a32_load(&c->seq) == seq); /* relaxed: the mutex orders */
    leave(c);

    int err = mutex_lock_waited(m, false);
    return cond_result(r == -ETIMEDOUT || r == -ECANCELED ? r : 0, err);
}

void cond_shared_signal(struct cond *c, int n) {
    if ((a32_load(&c->waiters) & ~COND_DESTROYED) == 0) /* relaxed: as in cond_shared_wait */
        return;
    cond_lock(c, UMTX_SHARED);
    a32_add(&c->seq, 1); /* relaxed: under the lock; the kernel orders it with a sleeper's comparison */
    umtx_wake(&c->seq, n, UMTX_SHARED);
    cond_unlock(c, UMTX_SHARED);
}

int cond_shared_destroy(struct cond *c) {
    uint32_t w = a32_or_full(&c->waiters, COND_DESTROYED) | COND_DESTROYED;
    while (w != COND_DESTROYED) {
        umtx_wait(&c->waiters, w, NULL, CLOCK_MONOTONIC, UMTX_SHARED);
        w = a32_load_acquire(&c->waiters); /* acquire: pairs with leave() */
    }
    /* A signal that is just returning: wait for its unlock. */
    cond_lock(c, UMTX_SHARED);
    cond_unlock(c, UMTX_SHARED);
    return 0;
}
