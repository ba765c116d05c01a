/* many: one wait for several things at once; see many.c. */
#ifndef MNI_MANY_H
#define MNI_MANY_H

#include <stdbool.h>
#include <stdint.h>

#include "sync/olock.h"
#include "wait.h"

/* Of one who has a waiter in each of several queues. */
struct mni_many {
    struct mni_olock lock; /* taken under an object's */
    bool fired;            /* one of them came for it while it did not wait yet: guarded by the lock */
};

/* mni_wait's result: it was called before it waited, or only to look; it is to leave all queues and to look
 * again. */
enum { MNI_WOKEN_AGAIN = 3 };

/*
 * Who has taken one of its waiters out of a queue claims it, with that queue's lock held.  False: somebody else
 * was faster, or it does not wait yet: then it will look again.
 */
static inline bool mni_many_claim(struct mni_many *m, struct mni_parker *parker, int result) {
    mni_lock_take(&m->lock);
    bool claimed = mni_claim(parker, result);
    if (!claimed)
        m->fired = true;
    mni_lock_drop(&m->lock);
    return claimed;
}

/*
 * Blocks the caller, whose waiters are queued, until one is claimed, and returns its result; MNI_WOKEN_AGAIN;
 * -ETIMEDOUT, -ECANCELED.  Inside the runtime.  what and on are for dumps.
 */
int mni_many_wait(struct mni_many *m, const char *what, const void *on, int64_t deadline);

#endif
