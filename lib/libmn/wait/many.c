/*
 * many: one wait for several things at once.
 *
 * The waiter stands in several queues, under as many locks.  mni_wait drops one lock when the waiter is off its
 * stack, so that nobody claims it before; here no single lock keeps wakers away between the first queue and
 * then, and holding all of them would not do: a thread that blocks looks for the next one to run, and hands out
 * events of descriptors in that.
 *
 * So a waker may come too early.  It finds, under the lock of the many, that the waiter cannot be claimed yet,
 * and leaves a note, `fired`.  The waiter looks there under the same lock when it has stored that it waits, on
 * the next stack: what has fired by then it has missed.  It claims itself, leaves all queues, and looks again
 * at everything.
 *
 *     waker:   takes a waiter out of its queue; lock; claim: success, or fired = true; unlock
 *     waiter:  queues; blocks; next stack: lock; WAITING; fired: claims itself; unlock
 *
 * Either the claim comes after WAITING and succeeds, or fired is seen.  A waker that was early has taken
 * nobody's place: to it the waiter was not there yet.
 */
#include "many.h"

#include "sched/sched.h"

static void after_many(struct mni_cpu *c, struct mni_thread *t) {
    struct mni_many *m = t->waiter.data;
    mni_lock_take(&m->lock);
    bool on = mni_begin_wait(c, t) && m->fired && mni_claim(&t->park, MNI_WOKEN_AGAIN);
    mni_lock_drop(&m->lock);
    if (on)
        mni_ready(c, t);
}

int mni_many_wait(struct mni_many *m, const char *what, const void *on, int64_t deadline) {
    struct mni_worker *w = mni_worker_self();
    int r;
    if (w) {
        w->cpu->current->waiter.data = m; /* its own record is in no queue */
        r = mni_wait_after(w->cpu, what, on, deadline, after_many);
    } else {
        mni_lock_take(&m->lock);
        if (m->fired) {
            mni_lock_drop(&m->lock);
            return MNI_WOKEN_AGAIN;
        }
        r = mni_wait(what, on, &m->lock, deadline);
    }
    /* The lock may be dropped late, by the stack that we left. */
    mni_lock_take(&m->lock);
    mni_lock_drop(&m->lock);
    return r;
}
