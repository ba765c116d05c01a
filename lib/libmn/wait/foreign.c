/*
 * foreign: how an LWP that is no worker uses the runtime's objects: it blocks for real.
 *
 * It has a parker of its own, whose claim is moved as a green thread's is; who claimed it then sets `foreign`
 * from ASLEEP to AWAKE and wakes that word's sleepers in the kernel.  The parker lies in the LWP's __thread
 * memory; the wake-up may come after the LWP has seen AWAKE and has gone, which the kernel ignores.
 *
 * Solo mode (sched/solo_mode.c) is over while any such LWP may touch what the runtime's workers do.  A call
 * says so as it begins.  That it has ended, nobody says, which would cost two locked operations of one word in
 * every call; an LWP stays present from its first call on, until it sleeps in one, or is seen to have nothing
 * to do (mni_foreign_rests), or ends.  Then it is absent until its next call, or until it wakes.
 *
 * A signal handler may call, too, anywhere in between.  So an LWP is counted before it is marked as counted,
 * and who finds the mark set already takes one count back; unmarked first, and taken from the count then.  One
 * that interrupts a sleep makes the LWP present, and would leave it so for the rest of the sleep, which the
 * kernel may take up again by itself: so it changes the word that is slept on, and the sleeper comes round and
 * rests again.
 */
#include "foreign.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "clock.h"
#include "sched/solo_mode.h"
#include "solo.h"
#include "thread/bound.h"
#include "thread/local.h"
#include "umtx.h"

struct foreign {
    struct mni_parker parker;
    struct mni_waiter waiter;
    uint32_t present;  /* it is counted; atomic for signal handlers' sake */
    uint32_t *sleeps;  /* on that word, or is about to; NULL: it does not.  Atomic, likewise */
    uint32_t expected; /* to be there */
    bool ready, hooked;
};

static __thread struct foreign self __attribute__((tls_model("initial-exec")));

/* Numbers of foreign LWPs, from the top, as those of threads grow from the bottom; bit 30 is not theirs
 * (robust.h). */
static uint32_t next_owner = 0xbfffffff;

/* How many are present, and above COMING how often one has become so.  Atomic. */
static uint64_t lwps;
static const uint64_t COMING = (uint64_t)1 << 32, PRESENT = COMING - 1;

bool mni_foreign_present(void) {
    return a64_load_acquire(&lwps) & PRESENT; /* pairs with the release of who goes */
}

uint32_t mni_foreign_comings(void) {
    return (uint32_t)(a64_load(&lwps) >> 32); /* relaxed: a hint */
}

/* ---- presence */

static pthread_key_t end_key;
static bool end_key_made;

static void lwp_ends(void *arg) {
    struct foreign *f = arg;
    f->hooked = false; /* a destructor that comes later may call */
    mni_locals_end_foreign();
    mni_foreign_rests();
}

/* Not at the first call: that may be a signal handler's. */
__attribute__((constructor)) static void load(void) {
    end_key_made = pthread_key_create(&end_key, lwp_ends) == 0;
}

__attribute__((destructor)) static void unload(void) {
    if (end_key_made)
        pthread_key_delete(end_key);
}

bool mni_foreign_hook(void) {
    struct foreign *f = &self;
    if (!f->hooked)
        f->hooked = end_key_made && pthread_setspecific(end_key, f) == 0;
    return f->hooked;
}

void mni_foreign_hold(void) {
    /* Full: pairs with the load of who begins solo mode, which comes after a change of the solo word. */
    a64_add_full(&lwps, COMING + 1);
    mni_solo_end();
}

void mni_foreign_let(void) {
    a64_add_release(&lwps, (uint64_t)-1); /* release: pairs with who begins solo mode */
}

static __attribute__((noinline)) void come(struct foreign *f) {
    if (!f->ready) {
        f->parker.foreign = MNI_AWAKE;
        f->parker.owner = a32_add(&next_owner, (uint32_t)-1);
        f->waiter.parker = &f->parker;
        f->ready = true;
    }
    mni_foreign_hold();
    if (a32_swap_full(&f->present, 1))
        mni_foreign_let(); /* a signal handler's, just now */
    uint32_t *word = aptr_load(&f->sleeps);
    if (word) /* a handler's call.  Full: it competes with who wakes the LWP */
        a32_cas_full(word, f->expected, f->expected + 1);
    mni_foreign_hook();
}

void mni_foreign_rests(void) {
    if (a32_load(&self.present) && a32_swap_full(&self.present, 0))
        mni_foreign_let();
}

bool mni_foreign_here(void) {
    return a32_load(&self.present);
}

bool mni_foreign_away(void) {
    bool here = mni_foreign_here();
    mni_foreign_rests();
    return here;
}

void mni_foreign_back(bool here) {
    if (here)
        mni_foreign_enter();
}

void mni_foreign_forked(void) {
    a64_store(&lwps, COMING + self.present);
}

struct mni_parker *mni_foreign_enter(void) {
    struct foreign *f = &self;
    if (__builtin_expect(!a32_load(&f->present), 0))
        come(f);
    else if (__builtin_expect(!mni_solo_over(), 0))
        mni_solo_end(); /* a runtime has started */
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

int mni_foreign_sleep(uint32_t *word, uint32_t expected, const struct timespec *until) {
    struct foreign *f = &self;
    f->expected = expected;
    fence_signal();
    aptr_store(&f->sleeps, word);
    fence_signal();
    mni_foreign_rests();
    int r = umtx_wait(word, expected, until, CLOCK_MONOTONIC, UMTX_PRIVATE);
    aptr_store(&f->sleeps, NULL);
    fence_signal();
    return r;
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
    struct timespec until = clock_timespec(deadline);
    /* Acquire: pairs with the release of mni_foreign_wake. */
    for (uint32_t how; (how = a32_load_acquire(&p->foreign)) != MNI_AWAKE;) {
        if (how == MNI_STIRRED)
            a32_cas_full(&p->foreign, MNI_STIRRED, MNI_ASLEEP); /* full: as the change to it */
        int r = mni_foreign_sleep(&p->foreign, MNI_ASLEEP, deadline == MN_FOREVER ? NULL : &until);
        if (r == -ETIMEDOUT) {
            mni_foreign_enter();
            if (mni_claim(p, -ETIMEDOUT))
                break;
            deadline = MN_FOREVER; /* it was claimed before, and the wake-up may take its time */
        }
    }
    mni_foreign_enter();
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
