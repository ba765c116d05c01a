/*
 * pthread_mutexattr_*: the word that pthread_mutex_init reads.
 *
 * Every value that POSIX defines can be set and read back, whether or not a mutex can be made with it: it is
 * pthread_mutex_init that says ENOTSUP (to a robust one with a priority ceiling).  The bits are glibc's, since
 * a program may hold an attribute that its libc initialised.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "mutex.h"

#include <sched.h>

static uint32_t *bits(pthread_mutexattr_t *attr) {
    return (uint32_t *)(void *)attr;
}

static uint32_t get(const pthread_mutexattr_t *attr) {
    return *(const uint32_t *)(const void *)attr;
}

THR_EXPORT int pthread_mutexattr_init(pthread_mutexattr_t *attr) {
    *bits(attr) = 0;
    return 0;
}
THR_ALIAS(__pthread_mutexattr_init, pthread_mutexattr_init);

THR_EXPORT int pthread_mutexattr_destroy(pthread_mutexattr_t *attr) {
    (void)attr;
    return 0;
}
THR_ALIAS(__pthread_mutexattr_destroy, pthread_mutexattr_destroy);

THR_EXPORT int pthread_mutexattr_settype(pthread_mutexattr_t *attr, int type) {
    if (type < PTHREAD_MUTEX_NORMAL || type > PTHREAD_MUTEX_ADAPTIVE_NP)
        return EINVAL;
    /* glibc marks a type that was asked for as normal: not for lock elision. */
    uint32_t kind = type == PTHREAD_MUTEX_NORMAL ? 0x200 : (uint32_t)type;
    *bits(attr) = (get(attr) & ~(uint32_t)MUTEXATTR_KIND) | kind;
    return 0;
}
THR_ALIAS(__pthread_mutexattr_settype, pthread_mutexattr_settype);
THR_ALIAS(pthread_mutexattr_setkind_np, pthread_mutexattr_settype);

THR_EXPORT int pthread_mutexattr_gettype(const pthread_mutexattr_t *attr, int *type) {
    *type = (int)(get(attr) & MUTEX_TYPE);
    return 0;
}
THR_ALIAS(pthread_mutexattr_getkind_np, pthread_mutexattr_gettype);

THR_EXPORT int pthread_mutexattr_setpshared(pthread_mutexattr_t *attr, int pshared) {
    if (pshared != PTHREAD_PROCESS_PRIVATE && pshared != PTHREAD_PROCESS_SHARED)
        return EINVAL;
    *bits(attr) = (get(attr) & ~MUTEXATTR_SHARED) | (pshared == PTHREAD_PROCESS_SHARED ? MUTEXATTR_SHARED : 0);
    return 0;
}

THR_EXPORT int pthread_mutexattr_getpshared(const pthread_mutexattr_t *attr, int *pshared) {
    *pshared = get(attr) & MUTEXATTR_SHARED ? PTHREAD_PROCESS_SHARED : PTHREAD_PROCESS_PRIVATE;
    return 0;
}

THR_EXPORT int pthread_mutexattr_setrobust(pthread_mutexattr_t *attr, int robust) {
    if (robust != PTHREAD_MUTEX_STALLED && robust != PTHREAD_MUTEX_ROBUST)
        return EINVAL;
    uint32_t others = get(attr) & ~(uint32_t)MUTEXATTR_ROBUST;
    *bits(attr) = others | (robust == PTHREAD_MUTEX_ROBUST ? MUTEXATTR_ROBUST : 0);
    return 0;
}
MUTEX_OLD_NAME(pthread_mutexattr_setrobust_np, pthread_mutexattr_setrobust);

THR_EXPORT int pthread_mutexattr_getrobust(const pthread_mutexattr_t *attr, int *robust) {
    *robust = get(attr) & MUTEXATTR_ROBUST ? PTHREAD_MUTEX_ROBUST : PTHREAD_MUTEX_STALLED;
    return 0;
}
MUTEX_OLD_NAME(pthread_mutexattr_getrobust_np, pthread_mutexattr_getrobust);

THR_EXPORT int pthread_mutexattr_setprotocol(pthread_mutexattr_t *attr, int protocol) {
    if (protocol != PTHREAD_PRIO_NONE && protocol != PTHREAD_PRIO_INHERIT && protocol != PTHREAD_PRIO_PROTECT)
        return EINVAL;
    *bits(attr) = (get(attr) & ~(uint32_t)MUTEXATTR_PROTOCOL) | (uint32_t)protocol << MUTEXATTR_PROTOCOL_SHIFT;
    return 0;
}

THR_EXPORT int pthread_mutexattr_getprotocol(const pthread_mutexattr_t *attr, int *protocol) {
    *protocol = (int)((get(attr) & MUTEXATTR_PROTOCOL) >> MUTEXATTR_PROTOCOL_SHIFT);
    return 0;
}

bool mutex_ceiling_valid(int ceiling) {
    return ceiling >= sched_get_priority_min(SCHED_FIFO) && ceiling <= sched_get_priority_max(SCHED_FIFO);
}

THR_EXPORT int pthread_mutexattr_setprioceiling(pthread_mutexattr_t *attr, int ceiling) {
    if (!mutex_ceiling_valid(ceiling))
        return EINVAL;
    *bits(attr) = (get(attr) & ~(uint32_t)MUTEXATTR_CEILING) | (uint32_t)ceiling << MUTEXATTR_CEILING_SHIFT;
    return 0;
}

/* The ceiling of an attribute for which none was set is SCHED_FIFO's lowest priority. */
THR_EXPORT int pthread_mutexattr_getprioceiling(const pthread_mutexattr_t *attr, int *ceiling) {
    int set = (int)((get(attr) & MUTEXATTR_CEILING) >> MUTEXATTR_CEILING_SHIFT);
    *ceiling = set ? set : sched_get_priority_min(SCHED_FIFO);
    return 0;
}
