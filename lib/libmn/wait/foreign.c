/*
 * foreign: how an LWP that is no worker uses the runtime's objects: it blocks for real.
 *
 * It has a parker of its own, whose claim is moved as a green thread's is; who claimed it then sets `foreign`
 * from ASLEEP to AWAKE and wakes that word's sleepers in the kernel.  The parker lies in the LWP's __thread
 * memory; the wake-up may come after the LWP has seen AWAKE and has gone, which the kernel ignores.
 *
 * Its first call in any runtime ends solo mode for good (sched/solo_mode.c).
 */
#include "foreign.h"

#include <errno.h>
#include <time.h>

#include "clock.h"
#include "cpu.h"
#include "runtime/run.h"
#include "runtime/runtime.h"
#include "sched/enter.h"
#include "sched/solo_mode.h"
#include "solo.h"
#include "thread/bound.h"
#include "umtx.h"

struct foreign {
    struct mni_parker parker;
    struct mni_waiter waiter;
    bool ready;
};

static __thread struct foreign self __attribute__((tls_model("initial-exec")));

/* Numbers of foreign LWPs, from the top, as those of threads grow from the bottom; bit 30 is not theirs
 * (robust.h). */
static uint32_t next_owner = 0xbfffffff;

/* Any foreign LWP has called: there is no solo mode any more, nor in a runtime that starts later.  Atomic. */
static uint32_t seen;

bool mni_foreign_seen(void) {
    return a32_load_acquire(&seen) != 0;
}

struct mni_parker *mni_foreign_enter(void) {
    struct foreign *f = &self;
    if (__builtin_expect(!f->ready, 0)) {
        f->parker.foreign = MNI_AWAKE;
        f->parker.owner = a32_add(&next_owner, (uint32_t)-1);
        f->waiter.parker = &f->parker;
        f->ready = true;
        /* Full: pairs with the load of who begins solo mode, which comes after a change of the solo word. */
        a32_swap_full(&seen, 1);
    }
    if (__builtin_expect(!mni_solo_over(), 0))
        mni_solo_end();
    return &f->parker;
}

/* A bound thread's are those of its descriptor. */
struct mni_parker *mni_foreign_parker(void) {
    struct mni_parker *p = mni_foreign_enter();
    struct mni_thread *t = mni_bound_self();
    return t ? &t->park : p;
}

struct mni_waiter *mni_foreign_waiter(void) {
    mni_foreign_enter();
    struct mni_thread *t = mni_bound_self();
    return t ? &t->waiter : &self.waiter;
}

int mni_foreign_wait(struct mni_olock *lock, const uint32_t *permit, int64_t deadline) {
    struct mni_parker *p = mni_foreign_parker();
    a32_store(&p->foreign, MNI_ASLEEP);
    uint32_t claim;
    do {
        claim = a32_load(&p->claim);
        if ((claim & (MNI_CANCEL | MNI_SHIELD)) == MNI_CANCEL) {
            a32_store(&p->foreign, MNI_AWAKE);
            if (lock)
                mni_lock_drop(lock);
            return -ECANCELED;
        }
        /* Full: pairs with mni_claim's, with the or of mn_cancel and that of mn_unpark. */
    } while (!a32_cas_full(&p->claim, claim, claim | MNI_WAITING_CLAIM));
    if (permit && mni_permitted(a32_load(permit)) && mni_claim(p, 0))
        a32_store(&p->foreign, MNI_AWAKE);
    if (lock)
        mni_lock_drop(lock);
    if (deadline < 0)
        deadline = 0; /* past, too; the kernel would call a negative one invalid */
    struct timespec until = {deadline / 1000000000, deadline % 1000000000};
    /* Acquire: pairs with the release of mni_foreign_wake. */
    while (a32_load_acquire(&p->foreign) == MNI_ASLEEP) {
        int r = umtx_wait(&p->foreign, MNI_ASLEEP, deadline == MN_FOREVER ? NULL : &until, CLOCK_MONOTONIC,
                          UMTX_PRIVATE);
        if (r == -ETIMEDOUT) {
            if (mni_claim(p, -ETIMEDOUT))
                break;
            deadline = MN_FOREVER; /* it was claimed before, and the wake-up may take its time */
        }
    }
    a32_store(&p->foreign, MNI_AWAKE);
    do
        claim = a32_load(&p->claim);
    while (!a32_cas_full(&p->claim, claim, (claim & ~(uint32_t)MNI_CLAIM_MASK) + MNI_CLAIM_SEQ));
    return p->result;
}

void mni_foreign_wake(struct mni_parker *p) {
    /* Release: pairs with the acquire of mni_foreign_wait. */
    a32_store_release(&p->foreign, MNI_AWAKE);
    umtx_wake(&p->foreign, 1, UMTX_PRIVATE);
}
