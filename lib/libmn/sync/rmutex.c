/*
 * rmutex: recursive mutexes: a mutex, and how often its owner has locked it again.
 *
 * again: beyond the first time; the owner's.  Whom the end of an owner leaves a robust one begins anew.
 */
#include <errno.h>

#include "export.h"
#include "mutex.h"

MN_EXPORT void mn_rmutex_init(struct mn_rmutex *m) {
    *m = (struct mn_rmutex)MN_RMUTEX_INIT;
}

MN_EXPORT void mn_rmutex_init_robust(struct mn_rmutex *m) {
    *m = (struct mn_rmutex)MN_RMUTEX_ROBUST_INIT;
}

MN_EXPORT int mn_rmutex_destroy(struct mn_rmutex *m) {
    return mn_mutex_destroy(&m->mutex);
}

MN_EXPORT int mn_rmutex_consistent(struct mn_rmutex *m) {
    return mn_mutex_consistent(&m->mutex);
}

static int lock_again(struct mn_rmutex *m) {
    if (m->again == UINT32_MAX - 1)
        return -EAGAIN;
    m->again++;
    return 0;
}

static int got(struct mn_rmutex *m, int r) {
    if (__builtin_expect(r == -EOWNERDEAD, 0))
        m->again = 0;
    return r;
}

static int lock_until(struct mn_rmutex *m, int64_t deadline) {
    struct mni_cpu *cpu = mni_begin_blocking();
    const struct mni_parker *self = mni_parker_self();
    int r;
    if (!mni_mutex_mine(&m->mutex, self))
        r = got(m, mni_mutex_lock_until(&m->mutex, self, deadline));
    else
        r = mni_cancelled_self() ? -ECANCELED : lock_again(m);
    mni_end_blocking(cpu);
    return r;
}

MN_EXPORT int mn_rmutex_lock(struct mn_rmutex *m) {
    return lock_until(m, MN_FOREVER);
}

MN_EXPORT int mn_rmutex_lock_until(struct mn_rmutex *m, int64_t deadline) {
    return lock_until(m, deadline);
}

MN_EXPORT int mn_rmutex_trylock(struct mn_rmutex *m) {
    struct mni_cpu *cpu = mni_call_begin();
    const struct mni_parker *self = mni_parker_self();
    int r = mni_mutex_mine(&m->mutex, self) ? lock_again(m) : got(m, mni_mutex_trylock(&m->mutex, self));
    mni_call_end_here(cpu);
    return r;
}

MN_EXPORT int mn_rmutex_unlock(struct mn_rmutex *m) {
    struct mni_cpu *cpu = mni_call_begin();
    const struct mni_parker *self = mni_parker_self();
    int r = 0;
    if (m->again > 0 && mni_mutex_mine(&m->mutex, self))
        m->again--;
    else
        r = mni_mutex_unlock(&m->mutex, self);
    mni_call_end_here(cpu);
    return r;
}
