/* mutex: what condition variables and recursive mutexes need of a mutex.  Called between mni_enter and
 * mni_leave. */
#ifndef MNI_MUTEX_H
#define MNI_MUTEX_H

#include <mn/mutex.h>

#include "robust.h"
#include "waiters.h"

static inline bool mni_mutex_mine(const struct mn_mutex *m, const struct mni_parker *self) {
    /* Relaxed: only the caller itself writes its own number there, or a hand-over that it has seen. */
    return (a32_load(&m->owner) & ~MNI_ROBUST) == self->owner;
}

/* Takes it if it is free; base: MNI_ROBUST, if it is robust. */
static inline bool mni_mutex_try(struct mn_mutex *m, uint32_t base, const struct mni_parker *self) {
    /* Full; pairs with the release of the last owner, and comes after the flags that others set before it. */
    return mni_cas32(&m->owner, base, base | self->owner);
}

/* As the public functions. */
int mni_mutex_lock_until(struct mn_mutex *m, const struct mni_parker *self, int64_t deadline);
int mni_mutex_trylock(struct mn_mutex *m, const struct mni_parker *self);
int mni_mutex_unlock(struct mn_mutex *m, const struct mni_parker *self);

/* Releases a mutex that the caller holds.  Returns whom the caller has to wake, or NULL.  The mutex is not
 * touched then. */
struct mni_parker *mni_mutex_release(struct mn_mutex *m);

/*
 * Queues a waiter that was claimed for the caller's own purpose, to get the mutex next.  Returns one to wake,
 * or NULL.  The waiter wakes with a tag that mni_mutex_take_back understands.
 */
struct mni_waiter *mni_mutex_adopt(struct mn_mutex *m, struct mni_waiter *w, const struct mni_parker *self);

/*
 * Takes the mutex for a caller that nothing can stop, neither deadline nor cancellation.  adopted: the caller
 * was woken after mni_mutex_adopt; perhaps it holds the mutex already.  0, or what is to be said of a robust
 * one.
 */
int mni_mutex_take_back(struct mn_mutex *m, const struct mni_parker *self, bool adopted);

#endif
