/* pthread_condattr_*: one word, with glibc's bits (cond.h). */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "cond.h"

#include "clock.h"

static uint32_t *bits(pthread_condattr_t *attr) {
    return (uint32_t *)(void *)attr;
}

static uint32_t get(const pthread_condattr_t *attr) {
    return *(const uint32_t *)(const void *)attr;
}

THR_EXPORT int pthread_condattr_init(pthread_condattr_t *attr) {
    *bits(attr) = 0;
    return 0;
}

THR_EXPORT int pthread_condattr_destroy(pthread_condattr_t *attr) {
    (void)attr;
    return 0;
}

THR_EXPORT int pthread_condattr_setpshared(pthread_condattr_t *attr, int pshared) {
    if (pshared != PTHREAD_PROCESS_PRIVATE && pshared != PTHREAD_PROCESS_SHARED)
        return EINVAL;
    *bits(attr) = (get(attr) & ~(uint32_t)COND_SHARED) | (pshared == PTHREAD_PROCESS_SHARED ? COND_SHARED : 0);
    return 0;
}

THR_EXPORT int pthread_condattr_getpshared(const pthread_condattr_t *attr, int *pshared) {
    *pshared = get(attr) & COND_SHARED ? PTHREAD_PROCESS_SHARED : PTHREAD_PROCESS_PRIVATE;
    return 0;
}

THR_EXPORT int pthread_condattr_setclock(pthread_condattr_t *attr, clockid_t clock) {
    if (!clock_supported(clock))
        return EINVAL;
    *bits(attr) = (get(attr) & ~(uint32_t)COND_MONOTONIC) | (clock == CLOCK_MONOTONIC ? COND_MONOTONIC : 0);
    return 0;
}

THR_EXPORT int pthread_condattr_getclock(const pthread_condattr_t *attr, clockid_t *clock) {
    *clock = get(attr) & COND_MONOTONIC ? CLOCK_MONOTONIC : CLOCK_REALTIME;
    return 0;
}
