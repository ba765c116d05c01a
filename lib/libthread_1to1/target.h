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

#include "lwp.h"
#include "thr.h"
#include "umtx.h"

struct target {
    struct thr *thr;
    uint32_t tid;
    bool self; /* the caller itself: it needs no hold, and a foreign thread is in no registry */
};

/*
 * The kernel's id of a thread that is held and alive.  The kernel has stored it in the libc's word before
 * pthread_create returned.  Where that word is not known, the thread itself writes it into its descriptor as it
 * starts, and is waited for: its creator may be here before that.
 */
static inline uint32_t target_tid(struct thr *thr) {
    uint32_t *word = thr_tid_word(thr);
    uint32_t tid = a32_load_acquire(word); /* acquire: pairs with the release in thr_main */
    if (tid == 0 && thr->lwp != NULL)
        return a32_load(lwp_tid_word(thr->lwp)); /* relaxed: stored before the handle was given out */
    while (tid == 0) {
        umtx_wait(word, 0, NULL, CLOCK_MONOTONIC, UMTX_PRIVATE);
        tid = a32_load_acquire(word); /* acquire: as above */
    }
    return tid;
}

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
    if (!target->thr->alive) { /* guarded by the hold; its kernel id may be another's by now */
        registry_put(target->thr);
        return -ESRCH;
    }
    target->tid = target_tid(target->thr);
    return 0;
}

static inline void target_drop(struct target *target) {
    if (!target->self)
        registry_put(target->thr);
}

#endif
