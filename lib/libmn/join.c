/*
 * join: waiting for a thread's end.  The thread is an object like any other: its lock guards joiner, ended and the detached
 * flag.
 *
 *     ended     joiner   who owns the descriptor
 *     LIVES     NULL     the thread
 *     LIVES     set      the thread; when it ends it claims the joiner
 *     JOINED    -        the joiner that was claimed, once it runs (the thread is off its stack by then: exit.c)
 *     ENDED     NULL     nobody: the first to join makes it JOINED
 */
#include "join.h"

#include "export.h"
#include "foreign.h"
#include "sched.h"
#include "table.h"

static void release(struct mni_cpu *c, struct mni_thread *t) {
    if (c)
        mni_thread_give(c, t);
    else
        mni_thread_give_shared(t);
}

struct mni_parker *mni_join_claim(struct mni_thread *t) {
    mni_lock_take(&t->lock);
    struct mni_parker *joiner = t->joiner;
    aptr_store(&t->joiner, NULL);
    if (joiner && mni_claim(joiner, 0))
        t->ended = MNI_JOINED;
    else
        joiner = NULL;
    mni_lock_drop(&t->lock);
    return joiner;
}

void mni_join_ended(struct mni_cpu *c, struct mni_thread *t) {
    mni_lock_take(&t->lock);
    struct mni_parker *joiner = t->joiner;
    bool detached = t->detached;
    if (joiner && mni_claim(joiner, 0)) {
        t->ended = MNI_JOINED;
    } else {
        t->ended = MNI_ENDED;
        joiner = NULL;
    }
    mni_lock_drop(&t->lock);
    if (joiner)
        mni_wake(joiner);
    else if (detached)
        release(c, t);
}

MN_EXPORT int mn_join_until(mn_thread thread, void **result, int64_t deadline) {
    struct mni_cpu *c = mni_enter();
    if (!c)
        mni_foreign_enter();
    struct mni_parker *self = mni_parker_self();
    struct mni_thread *t = mni_thread_find(thread);
    int r = 0;
    if (!t) {
        r = -ESRCH;
    } else if (&t->park == self) {
        r = -EDEADLK;
    } else {
        mni_lock_take(&t->lock);
        if (mni_thread_find(thread) != t || t->ended == MNI_JOINED) {
            r = -ESRCH;
        } else if (t->detached || t->joiner) {
            r = -EINVAL;
        } else if (t->ended == MNI_ENDED) {
            t->ended = MNI_JOINED;
        } else {
            aptr_store(&t->joiner, self);
            r = mni_wait("join", t, &t->lock, deadline);
            if (r < 0) {
                /* Nobody claimed us: the thread may have ended meanwhile, and then it is ours after all. */
                mni_lock_take(&t->lock);
                if (t->joiner == self)
                    aptr_store(&t->joiner, NULL);
                if (t->ended == MNI_ENDED) {
                    t->ended = MNI_JOINED;
                    r = 0;
                }
                mni_lock_drop(&t->lock);
            }
            goto locked_no_more;
        }
        mni_lock_drop(&t->lock);
    }
locked_no_more:
    if (c)
        c = mni_cpu_self();
    if (r == 0) {
        if (result)
            *result = t->arg;
        release(c, t);
    }
    if (c)
        mni_leave_slice(c);
    return r;
}

MN_EXPORT int mn_join(mn_thread thread, void **result) {
    return mn_join_until(thread, result, MN_FOREVER);
}

MN_EXPORT int mn_detach(mn_thread thread) {
    struct mni_cpu *c = mni_enter();
    if (!c)
        mni_foreign_enter();
    struct mni_thread *t = mni_thread_find(thread);
    int r = -ESRCH;
    bool free = false;
    if (t) {
        mni_lock_take(&t->lock);
        if (mni_thread_find(thread) != t || t->ended == MNI_JOINED)
            r = -ESRCH;
        else if (t->detached || t->joiner)
            r = -EINVAL;
        else if (t->ended == MNI_ENDED) {
            t->ended = MNI_JOINED;
            free = true;
            r = 0;
        } else {
            t->detached = true;
            r = 0;
        }
        mni_lock_drop(&t->lock);
    }
    if (free)
        release(c, t);
    if (c)
        mni_leave(c);
    return r;
}
