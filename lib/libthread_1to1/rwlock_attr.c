/* pthread_rwlockattr_*. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "thr.h"

#include <errno.h>

#include "rwlock.h"

static struct rwlock_attr *attr_of(const pthread_rwlockattr_t *attr) {
    return (struct rwlock_attr *)(uintptr_t)attr;
}

THR_EXPORT int pthread_rwlockattr_init(pthread_rwlockattr_t *attr) {
    *attr_of(attr) = (struct rwlock_attr){PTHREAD_RWLOCK_DEFAULT_NP, PTHREAD_PROCESS_PRIVATE};
    return 0;
}

THR_EXPORT int pthread_rwlockattr_destroy(pthread_rwlockattr_t *attr) {
    (void)attr;
    return 0;
}

THR_EXPORT int pthread_rwlockattr_getkind_np(const pthread_rwlockattr_t *attr, int *kind) {
    *kind = attr_of(attr)->kind;
    return 0;
}

THR_EXPORT int pthread_rwlockattr_setkind_np(pthread_rwlockattr_t *attr, int kind) {
    if (kind != PTHREAD_RWLOCK_PREFER_READER_NP && kind != PTHREAD_RWLOCK_PREFER_WRITER_NP &&
        kind != PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP)
        return EINVAL;
    attr_of(attr)->kind = kind;
    return 0;
}

THR_EXPORT int pthread_rwlockattr_getpshared(const pthread_rwlockattr_t *attr, int *pshared) {
    *pshared = attr_of(attr)->pshared;
    return 0;
}

THR_EXPORT int pthread_rwlockattr_setpshared(pthread_rwlockattr_t *attr, int pshared) {
    if (pshared != PTHREAD_PROCESS_PRIVATE && pshared != PTHREAD_PROCESS_SHARED)
        return EINVAL;
    attr_of(attr)->pshared = pshared;
    return 0;
}
