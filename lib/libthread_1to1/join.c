/*
 * pthread_join and its timed and try forms; pthread_detach; release of what a thread had.
 *
 * A joiner claims the thread (joiner, one at a time), waits for EXITED, takes the result, and reaps.  A wait
 * that ends otherwise (time-out, cancellation) gives the claim back: the thread stays joinable.
 *
 * Where the thread's LWP ends with it, its reaper has to wait for that as well, which takes the kernel longer
 * than looking is worth.  So the joiner sleeps at once; and so that it is woken once and not twice, the thread
 * does not wake it but moves it (start.c) to the word by which the kernel says that the LWP is gone.  The
 * kernel wakes that word as a shared one, hence all waits here are such.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <errno.h>

#include "clock.h"
#include "libc.h"
#include "lwp.h"
#include "umtx.h"

enum { TRY = -1 }; /* in place of a clock: do not wait */

static __thread struct spinwait spin __attribute__((tls_model("initial-exec")));

/* Whether the LWP is likely to be parked, by what is known of it now. */
static bool may_park(const struct thr *thr) {
    return lwp_source == LWP_REUSE && thr->lwp && thr->lwp->map &&
           a32_load(&thr->taint) == 0; /* relaxed: a hint */
}

/* Waits for EXITED; 0, or why the wait ended otherwise. */
static int wait_exited(struct thr *thr, const struct timespec *deadline, clockid_t clock, int cancelpoint) {
    uint32_t life;
    int err = 0;
    if (may_park(thr))
        spinwait_event(&spin, &thr->life, THR_JOINABLE);
    /* acquire: pairs with the cas in announce(); all that the thread did is before. */
    while ((life = a32_load_acquire(&thr->life)) != THR_EXITED) {
        if (err == -ETIMEDOUT || err == -EINVAL || err == -ECANCELED)
            return err;
        a32_store(&thr->join_sleeps, 1); /* relaxed, with the fence: announce()'s cas is the other half */
        fence_full();
        err = umtx_wait(&thr->life, life, deadline, clock, UMTX_SHARED | cancelpoint);
    }
    return 0;
}

void thr_reap(struct thr *thr) {
    wait_exited(thr, NULL, CLOCK_MONOTONIC, 0);
    registry_remove(thr);
    /* Whoever holds it (pthread_kill, say) has found it before it was removed; wait for that. */
    lock_take(&thr->hold);
    lock_drop(&thr->hold);
    thr->life = THR_REAPED;
    if (!thr->lwp)
        lwp_libc_reap(thr);
    else
        lwp_reap(thr);
}

static int join_foreign(pthread_t t, void **result, const struct timespec *deadline, clockid_t clock) {
    if (clock == TRY)
        return -libc_real(pthread_tryjoin_np)(t, result);
    if (deadline)
        return -libc_real(pthread_clockjoin_np)(t, result, clock, deadline);
    return -libc_real(pthread_join)(t, result);
}

static int join(pthread_t t, void **result, const struct timespec *deadline, clockid_t clock) {
    struct thr *self = thr_self(), *thr = thr_of(t);
    if (thr == self)
        return -EDEADLK;
    if (!registry_has(t))
        return -ESRCH;
    uint32_t life = a32_load_acquire(&thr->life); /* pairs with the release in announce() */
    if (life == THR_FOREIGN)
        return join_foreign(t, result, deadline, clock);
    if (life == THR_DETACHED)
        return -EINVAL;
    if (clock == TRY && life != THR_EXITED)
        return -EBUSY;
    if (clock != TRY)
        pthread_testcancel(); /* POSIX: a point even when there is nothing to wait for */
    /* Full: pairs with the load of joiner below, in the other thread. */
    if (!aptr_cas_full(&thr->joiner, NULL, self))
        return -EINVAL;
    /* A ring of two; the cas there is full. */
    if (aptr_load_acquire(&self->joiner) == thr && life != THR_EXITED) {
        aptr_store_release(&thr->joiner, NULL);
        return -EDEADLK;
    }
    int err = wait_exited(thr, deadline, clock, UMTX_CANCELPOINT);
    if (err) {
        aptr_store_release(&thr->joiner, NULL); /* pairs with the next joiner's cas */
        if (err == -ECANCELED)
            thr_cancel_act();
        return err;
    }
    void *value = thr->result;
    thr_reap(thr);
    if (result)
        *result = value;
    return 0;
}

THR_EXPORT int pthread_join(pthread_t t, void **result) {
    return -join(t, result, NULL, CLOCK_REALTIME);
}

THR_EXPORT int pthread_tryjoin_np(pthread_t t, void **result) {
    return -join(t, result, NULL, TRY);
}

THR_EXPORT int pthread_clockjoin_np(pthread_t t, void **result, clockid_t clock,
                                    const struct timespec *deadline) {
    if (!clock_supported(clock))
        return EINVAL;
    return -join(t, result, deadline, clock);
}

THR_EXPORT int pthread_timedjoin_np(pthread_t t, void **result, const struct timespec *deadline) {
    return -join(t, result, deadline, CLOCK_REALTIME);
}

THR_EXPORT int pthread_detach(pthread_t t) {
    struct thr *thr = thr_of(t);
    if (thr != thr_self() && !registry_has(t))
        return ESRCH;
    uint32_t life = THR_JOINABLE;
    if (a32_load(&thr->life) == THR_FOREIGN) /* relaxed: it never changes from or to FOREIGN */
        return libc_real(pthread_detach)(t);
    /* acq_rel in effect: the thread's own transition to EXITED is the other party. */
    if (a32_cas_full(&thr->life, life, THR_DETACHED))
        return 0;
    if (a32_load_acquire(&thr->life) != THR_EXITED) /* pairs with the release in announce() */
        return EINVAL;
    if (!aptr_cas_full(&thr->joiner, NULL, thr_self())) /* a joiner is about to reap it */
        return EINVAL;
    thr_reap(thr);
    return 0;
}
