/* poller: the runtime's set of descriptors, and who looks at it; see poller.c. */
#ifndef MNI_IO_POLLER_H
#define MNI_IO_POLLER_H

#include <stdbool.h>

#include "io/poll.h"
#include "io/pollset.h"
#include "sched/enter.h"

extern struct mni_pollset mni_poller_set __attribute__((visibility("hidden")));
extern uint32_t mni_poller_epoch __attribute__((visibility("hidden"))); /* of the open set; 0: none is open */
extern uint32_t mni_poller_role __attribute__((visibility("hidden")));
extern uint64_t mni_poller_last __attribute__((visibility("hidden")));
extern uint32_t mni_poller_foreign __attribute__((visibility("hidden"))); /* foreign LWPs that wait */

/* Makes the set if there is none.  1: there is no runtime; -EMFILE, -ENFILE, -ENOMEM. */
int mni_poller_open(void);
/* The runtime has ended; before and after a fork. */
void mni_poller_end(void);
void mni_poller_forked(void);

/* The caller begins and ends to wait for a descriptor; cpu NULL: it is no green thread. */
void mni_poller_waits(struct mni_cpu *c);
void mni_poller_waited(struct mni_cpu *c);

/* Somebody waits for a descriptor; exact for the last worker that goes to sleep. */
static inline bool mni_poller_wanted(void) {
    /* Acquire; pairs with mni_poller_open. */
    return a32_load_acquire(&mni_poller_epoch) != 0 && mni_poll_waiters() != 0;
}

/* The role: true: it is the caller's now. */
static inline bool mni_poller_take(void) {
    /* Acquire: pairs with the release; the events' buffer is the role's. */
    return a32_load(&mni_poller_role) == 0 && a32_cas_acquire(&mni_poller_role, 0, 1);
}
void mni_poller_release(void);

/* With the role, outside the runtime: waits until the deadline; true: something happened. */
bool mni_poller_sleep(int64_t deadline);
/* With the role, inside: hands out what came, and gives the role back.  c NULL: the cpu was lost meanwhile. */
void mni_poller_finish(struct mni_cpu *c);
/* Inside: looks once, if nobody else does.  True: threads were made ready. */
bool mni_poller_look(struct mni_cpu *c);

/* Somebody waits, and nobody looks. */
static inline bool mni_poller_missing(void) {
    return mni_poller_wanted() && a32_load(&mni_poller_role) == 0;
}

/* The worker that has the role comes back. */
static inline void mni_poller_ring(void) {
    if (a32_load_acquire(&mni_poller_epoch) != 0)
        mni_pollset_ring(&mni_poller_set);
}

/* From housekeeping: looks, when it is long enough ago. */
enum { MNI_POLL_NS = 100000 };
static inline void mni_poller_tick(struct mni_cpu *c, int64_t now) {
    /* Acquire: pairs with mni_poller_open. */
    if (__builtin_expect(a32_load_acquire(&mni_poller_epoch) != 0, 0) &&
        now - (int64_t)a64_load(&mni_poller_last) > MNI_POLL_NS && a32_load(&mni_poller_role) == 0 &&
        mni_poll_waiters() != 0)
        mni_poller_look(c);
}

#endif
