/* wait: blocking and waking (wait.h). */
#include "wait.h"

#include "clock.h"
#include "export.h"
#include "foreign.h"
#include "progress/lwps.h"
#include "sched/sched.h"
#include "thread/bound.h"
#include "umtx.h"

void mni_after_block(struct mni_cpu *c, struct mni_thread *t) {
    struct mni_olock *lock = c->after_lock;
    mni_begin_wait_untimed(c, t);
    mni_lock_drop(lock);
}

static void after_wait(struct mni_cpu *c, struct mni_thread *t) {
    struct mni_olock *lock = c->after_lock;
    mni_begin_wait(c, t);
    if (lock)
        mni_lock_drop(lock);
}

int mni_wait_after(struct mni_cpu *c, const char *what, const void *on, int64_t deadline,
                   void (*after)(struct mni_cpu *, struct mni_thread *)) {
    return mni_block(c, c->current, what, on, deadline, after);
}

/* A bound thread says what it waits for, and that its LWP does nothing meanwhile. */
int mni_wait_foreign(const char *what, const void *on, struct mni_olock *lock, const uint32_t *permit,
                     int64_t deadline) {
    struct mni_thread *t = mni_bound_self();
    if (t) {
        aptr_store(&t->wait_what, what); /* relaxed: read in passing (dump.c, proc/info.c) */
        t->wait_on = on;
        t->since = (int64_t)clock_now_ns();
        t->timer.deadline = deadline; /* for deadlock.c: it is not set, the kernel watches the time */
        mni_lwp_rests();
        a8_store(&t->state, MNI_WAITING);
    }
    int r = mni_foreign_wait(lock, permit, deadline);
    if (t) {
        a8_store(&t->state, MNI_RUNNING);
        mni_lwp_works();
    }
    return r;
}

int mni_wait(const char *what, const void *on, struct mni_olock *lock, int64_t deadline) {
    struct mni_worker *w = mni_worker_self();
    if (__builtin_expect(!w, 0))
        return mni_wait_foreign(what, on, lock, NULL, deadline);
    struct mni_cpu *c = w->cpu;
    if (mni_passed(deadline)) {
        if (lock)
            mni_lock_drop(lock);
        return mni_cancelled_self() ? -ECANCELED : -ETIMEDOUT;
    }
    c->after_lock = lock;
    return mni_block(c, c->current, what, on, deadline, after_wait);
}

void mni_wake(struct mni_parker *p) {
    if (__builtin_expect(p->foreign != MNI_GREEN, 0)) {
        mni_foreign_wake(p);
        return;
    }
    struct mni_thread *t = (struct mni_thread *)(void *)p;
    struct mni_worker *w = mni_worker_self();
    if (__builtin_expect(!w, 0)) {
        mni_ready_remote(t);
        return;
    }
    mni_ready(w->cpu, t);
}

struct mni_parker *mni_parker_self(void) {
    struct mni_worker *w = mni_worker_self();
    return __builtin_expect(w != NULL, 1) ? &w->cpu->current->park : mni_foreign_parker();
}

struct mni_waiter *mni_waiter_self(void) {
    struct mni_worker *w = mni_worker_self();
    return __builtin_expect(w != NULL, 1) ? &w->cpu->current->waiter : mni_foreign_waiter();
}

bool mni_cancelled_self(void) {
    if (__builtin_expect((a32_load(&mni_parker_self()->claim) & (MNI_CANCEL | MNI_SHIELD)) != MNI_CANCEL, 1))
        return false;
    struct mni_worker *w = mni_worker_self();
    if (w)
        w->cpu->budget = 0; /* as mni_block does it */
    return true;
}

bool mni_shield_self(bool shielded) {
    struct mni_parker *p = mni_parker_self();
    uint32_t claim;
    do
        claim = a32_load(&p->claim);
    while (!mni_cas32(&p->claim, claim,
                      shielded ? claim | MNI_SHIELD : claim & ~(uint32_t)MNI_SHIELD));
    return claim & MNI_SHIELD;
}
