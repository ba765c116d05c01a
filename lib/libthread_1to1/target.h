/*
 * The thread that a function like pthread_setname_np is about: held while the function works on it.
 *
 *     struct target target;
 *     int err = target_take(t, &target);      -ESRCH: there is no such thread, or it has ended
 *     ... target.tid, target.thr ...
 *     target_drop(&target);
 */
#ifndef THR_TARGET_H
#define THR_TARGET_H

#include <errno.h>

#include "thr.h"

struct target {
    struct thr *thr;
    uint32_t tid;
    bool self; /* the caller itself: it needs no hold, and a foreign thread is in no registry */
};

static inline int target_take(pthread_t t, struct target *target) {
    target->self = t == (pthread_t)tcb_self();
    if (target->self) {
        target->thr = thr_self();
        target->tid = thr_tid();
        return 0;
    }
    target->thr = registry_get(t);
    if (target->thr == NULL)
        return -ESRCH;
    /* acquire: who sees a thread as ended must not use its kernel id, which may be another's by now */
    uint32_t life = a32_load_acquire(&target->thr->life);
    target->tid = a32_load(&target->thr->tid); /* relaxed: written before the thread had a handle */
    if (target->tid == 0 || life == THR_EXITED || life == THR_REAPED) {
        registry_put(target->thr);
        return -ESRCH;
    }
    return 0;
}

static inline void target_drop(struct target *target) {
    if (!target->self)
        registry_put(target->thr);
}

#endif
