/*
 * C11 <threads.h>: thrd_, mtx_, cnd_, tss_ (call_once: once.c).
 *
 * Thin: each is the POSIX object of the same size under another name.  What differs is how failure is told.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "thr.h"

#include <errno.h>
/* Declared first: <threads.h> may define it inline. */
THR_EXPORT int thrd_equal(pthread_t a, pthread_t b);

#include <threads.h>
#include <time.h>

#include "sys.h"

_Static_assert(sizeof(mtx_t) == sizeof(pthread_mutex_t) && sizeof(cnd_t) == sizeof(pthread_cond_t) &&
                   sizeof(tss_t) == sizeof(pthread_key_t) && sizeof(thrd_t) == sizeof(pthread_t),
               "the C11 types are the POSIX types");

static int thrd_of(int error) {
    switch (error) {
    case 0:
        return thrd_success;
    case ENOMEM:
        return thrd_nomem;
    case ETIMEDOUT:
        return thrd_timedout;
    case EBUSY:
        return thrd_busy;
    default:
        return thrd_error;
    }
}

static pthread_mutex_t *mutex_of(mtx_t *m) {
    return (pthread_mutex_t *)m;
}

static pthread_cond_t *cond_of(cnd_t *c) {
    return (pthread_cond_t *)c;
}

/* ---- threads */

THR_EXPORT int thrd_create(thrd_t *out, thrd_start_t start, void *arg) {
    return thrd_of(-thr_create(out, NULL, NULL, start, arg));
}

THR_EXPORT thrd_t thrd_current(void) {
    return pthread_self();
}

THR_EXPORT int thrd_equal(thrd_t a, thrd_t b) {
    return a == b;
}

THR_EXPORT int thrd_sleep(const struct timespec *span, struct timespec *rest) {
    int r = clock_nanosleep(CLOCK_REALTIME, 0, span, rest); /* a cancellation point, as in the libc */
    return r == 0 ? 0 : r == EINTR ? -1 : -2;
}

THR_EXPORT void thrd_yield(void) {
    sys(SYS_sched_yield);
}

THR_EXPORT _Noreturn void thrd_exit(int result) {
    pthread_exit((void *)(uintptr_t)(unsigned)result);
}

THR_EXPORT int thrd_detach(thrd_t thread) {
    return thrd_of(pthread_detach(thread));
}

THR_EXPORT int thrd_join(thrd_t thread, int *result) {
    void *value;
    int r = pthread_join(thread, &value);
    if (r == 0 && result)
        *result = (int)(uintptr_t)value;
    return thrd_of(r);
}

/* ---- mutexes */

THR_EXPORT int mtx_init(mtx_t *m, int type) {
    if (type & ~(mtx_plain | mtx_timed | mtx_recursive))
        return thrd_error;
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, type & mtx_recursive ? PTHREAD_MUTEX_RECURSIVE : PTHREAD_MUTEX_NORMAL);
    int r = pthread_mutex_init(mutex_of(m), &attr);
    pthread_mutexattr_destroy(&attr);
    return thrd_of(r);
}

THR_EXPORT void mtx_destroy(mtx_t *m) {
    pthread_mutex_destroy(mutex_of(m));
}

THR_EXPORT int mtx_lock(mtx_t *m) {
    return thrd_of(pthread_mutex_lock(mutex_of(m)));
}

THR_EXPORT int mtx_timedlock(mtx_t *restrict m, const struct timespec *restrict deadline) {
    return thrd_of(pthread_mutex_timedlock(mutex_of(m), deadline));
}

THR_EXPORT int mtx_trylock(mtx_t *m) {
    return thrd_of(pthread_mutex_trylock(mutex_of(m)));
}

THR_EXPORT int mtx_unlock(mtx_t *m) {
    return thrd_of(pthread_mutex_unlock(mutex_of(m)));
}

/* ---- condition variables */

THR_EXPORT int cnd_init(cnd_t *c) {
    return thrd_of(pthread_cond_init(cond_of(c), NULL));
}

THR_EXPORT void cnd_destroy(cnd_t *c) {
    pthread_cond_destroy(cond_of(c));
}

THR_EXPORT int cnd_signal(cnd_t *c) {
    return thrd_of(pthread_cond_signal(cond_of(c)));
}

THR_EXPORT int cnd_broadcast(cnd_t *c) {
    return thrd_of(pthread_cond_broadcast(cond_of(c)));
}

THR_EXPORT int cnd_wait(cnd_t *c, mtx_t *m) {
    return thrd_of(pthread_cond_wait(cond_of(c), mutex_of(m)));
}

THR_EXPORT int cnd_timedwait(cnd_t *restrict c, mtx_t *restrict m, const struct timespec *restrict deadline) {
    return thrd_of(pthread_cond_timedwait(cond_of(c), mutex_of(m), deadline));
}

/* ---- thread-specific storage */

THR_EXPORT int tss_create(tss_t *key, tss_dtor_t destructor) {
    return thrd_of(pthread_key_create(key, destructor));
}

THR_EXPORT void tss_delete(tss_t key) {
    pthread_key_delete(key);
}

THR_EXPORT void *tss_get(tss_t key) {
    return pthread_getspecific(key);
}

THR_EXPORT int tss_set(tss_t key, void *value) {
    return thrd_of(pthread_setspecific(key, value));
}
