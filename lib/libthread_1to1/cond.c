/*
 * pthread_cond_*: the POSIX functions; what they have in common.
 *
 * There are two protocols.  A private condition variable keeps an exact queue of its waiters, which lie on
 * their own stacks (cond_queue.c).  A process-shared one cannot point into another process's stack and counts
 * signals instead (cond_shared.c).  doc/design/cond.md compares them.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "cond.h"

#include "clock.h"
#include "cpu.h"
#include "umtx.h"

static struct cond *inside(pthread_cond_t *cond) {
    return (struct cond *)(void *)cond;
}

static bool is_shared(const struct cond *c) {
    return c->flags & COND_SHARED;
}

/* ---- the lock */

enum { SPINS = 40 }; /* times cpu_relax(); what the lock guards takes a few memory accesses */

/* As lib/base/lock.c, which serves one process only and wants a rank. */
void cond_lock(struct cond *c, int umtx_flags) {
    if (likely(a32_cas_acquire(&c->lock, 0, 1))) /* acquire: pairs with cond_unlock */
        return;
    for (int i = 0; i < SPINS; i++) {
        uint32_t seen = a32_load(&c->lock);
        if (seen == 0 && a32_cas_acquire(&c->lock, 0, 1)) /* acquire: as above */
            return;
        if (seen == 2)
            break;
        cpu_relax();
    }
    while (a32_swap_full(&c->lock, 2) != 0) /* full, of which acquire: as above */
        umtx_wait(&c->lock, 2, NULL, CLOCK_MONOTONIC, umtx_flags);
}

void cond_unlock(struct cond *c, int umtx_flags) {
    if (unlikely(a32_swap_full(&c->lock, 0) == 2)) /* full, of which release: pairs with cond_lock */
        umtx_wake(&c->lock, 1, umtx_flags);
}

/* ---- wait */

static int wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct cond_until *until) {
    struct cond *c = inside(cond);
    struct mutex *m = (struct mutex *)(void *)mutex;
    if (until->deadline && !clock_valid(until->deadline))
        return EINVAL;
    int r = mutex_may_unlock(m);
    if (r == 0)
        r = is_shared(c) ? cond_shared_wait(c, m, until) : cond_queue_wait(c, m, until);
    if (unlikely(r == -ECANCELED))
        thr_cancel_act(); /* the mutex is held: cleanup handlers rely on it */
    return -r;
}

THR_EXPORT int pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex) {
    return wait_until(cond, mutex, &(struct cond_until){.deadline = NULL, .clock = CLOCK_MONOTONIC});
}

THR_EXPORT int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex,
                                      const struct timespec *deadline) {
    clockid_t clock = inside(cond)->flags & COND_MONOTONIC ? CLOCK_MONOTONIC : CLOCK_REALTIME;
    return wait_until(cond, mutex, &(struct cond_until){.deadline = deadline, .clock = clock});
}

THR_EXPORT int pthread_cond_clockwait(pthread_cond_t *cond, pthread_mutex_t *mutex, clockid_t clock,
                                      const struct timespec *deadline) {
    if (!clock_supported(clock))
        return EINVAL;
    return wait_until(cond, mutex, &(struct cond_until){.deadline = deadline, .clock = clock});
}

/* ---- signal, broadcast */

THR_EXPORT int pthread_cond_signal(pthread_cond_t *cond) {
    struct cond *c = inside(cond);
    if (is_shared(c))
        cond_shared_signal(c, 1);
    else if (cond_anybody(c))
        cond_queue_signal(c);
    return 0;
}

THR_EXPORT int pthread_cond_broadcast(pthread_cond_t *cond) {
    struct cond *c = inside(cond);
    if (is_shared(c))
        cond_shared_signal(c, UMTX_WAKE_ALL);
    else if (cond_anybody(c))
        cond_queue_broadcast(c);
    return 0;
}

/* ---- init, destroy */

THR_EXPORT int pthread_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attr) {
    uint32_t bits = attr ? *(const uint32_t *)(const void *)attr : 0;
    *inside(cond) = (struct cond){.flags = bits & (COND_SHARED | COND_MONOTONIC), .epoch = cond_queue_epoch()};
    return 0;
}

THR_EXPORT int pthread_cond_destroy(pthread_cond_t *cond) {
    struct cond *c = inside(cond);
    return -(is_shared(c) ? cond_shared_destroy(c) : cond_queue_destroy(c));
}
