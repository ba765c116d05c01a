/* future: a future from inside, for future.c and select.c.  All but state and holds is guarded by the lock. */
#ifndef MNI_FUTURE_H
#define MNI_FUTURE_H

#include <mn/future.h>
#include <stdbool.h>
#include <stdint.h>

#include "atomic.h"
#include "olock.h"
#include "wait/wait.h"

struct mn_future {
    struct mni_olock lock;
    uint32_t settled; /* 0, then 1: value and error stay as they are */
    uint32_t holds;
    int32_t error; /* 0: there is a value */
    void *value;
    struct mni_queue waiters;
};

static inline bool mni_future_settled(const struct mn_future *f) {
    /* Acquire: pairs with the release in settle() (future.c), so that value and error are seen. */
    return a32_load_acquire(&f->settled) != 0;
}

#endif
