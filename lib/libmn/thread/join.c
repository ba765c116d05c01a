/*
 * join: waiting for a thread's end.  The thread is an object like any other: its lock guards joiner and
 * ended.
 *
 *     ended     joiner   who owns the descriptor
 *     LIVES     NULL     the thread
 *     LIVES     set      the thread; when it ends it claims the joiner
 *     DETACHED  NULL     the thread; its end makes it JOINED and frees it
 *     JOINED    -        the joiner that was claimed, once it runs (the thread is off its stack by then: exit.c)
 *     ENDED     NULL     nobody: the first to join makes it JOINED
 */
#include "join.h"

#include "export.h"
#include "runtime/keep.h"
#include "sched/sched.h"
#include "table.h"
#include "wait/call.h"

static void release(struct mni_cpu *c, struct mni_thread *t) {
    if (c)
        mni_thread_give(c, t);
    else
        mni_thread_give_shared(t);
}

void mni_join_ended(struct mni_cpu *c, struct mni_thread *t) {
    mni_lock_take(&t->lock);
    struct mni_parker *joiner = t->joiner;
    bool detached = t->ended == MNI_DETACHED;
    if (joiner && mni_claim(joiner, 0)) {
        a8_store(&t->ended, MNI_JOINED);
    } else {
        a8_store(&t->ended, detached ? MNI_JOINED : MNI_ENDED); /* detached: released below */
        joiner = NULL;
    }
    mni_lock_drop(&t->lock);
    if (joiner)
        mni_wake(joiner);
    else if (detached)
        release(c, t);
}

/*
 * Whether the handle still names the thread, its lock held.  What has an owner who is about to release it is
 * JOINED, and becomes so under the lock; after that the descriptor may be another thread's at any time, without
 * the lock.  So `ended` is read first: a handle that is good after it was not JOINED stays good while the lock
 * is held.  -ESRCH, or how far it has come.
 */
static inline int named(const struct mni_thread *t, mn_thread handle) {
    int ended = a8_load(&t->ended);
    fence_acquire();
    return ended != MNI_JOINED && a32_load(&t->generation) == (uint32_t)(handle >> 32) ? ended : -ESRCH;
}

bool mni_thread_lives(const struct mni_thread *t, mn_thread handle) {
    int ended = named(t, handle);
    return ended >= 0 && ended < MNI_ENDED;
}

/* Whether the caller may join it, its lock held: 1 it has ended and is the caller's now; 0 the caller is to
 * wait. */
static inline int begin(struct mni_thread *t, mn_thread handle, struct mni_parker *self) {
    int ended = named(t, handle);
    if (__builtin_expect(ended < 0, 0))
        return ended;
    if (__builtin_expect(ended == MNI_DETACHED || t->joiner, 0))
        return -EINVAL;
    if (ended == MNI_ENDED) {
        a8_store(&t->ended, MNI_JOINED);
        return 1;
    }
    aptr_store(&t->joiner, self);
    return 0;
}

/* The wait was given up, nobody claimed the caller: the thread may have ended meanwhile, and then it is ours
 * after all. */
static int withdraw(struct mni_thread *t, const struct mni_parker *self, int r) {
    mni_lock_take(&t->lock);
    if (t->joiner == self)
        aptr_store(&t->joiner, NULL);
    if (t->ended == MNI_ENDED) {
        a8_store(&t->ended, MNI_JOINED);
        r = 1;
    }
    mni_lock_drop(&t->lock);
    return r;
}

static int join_foreign(mn_thread handle, void **result, int64_t deadline) {
    mni_foreign_enter();
    MNI_KEEP_OR(-ESRCH);
    struct mni_parker *self = mni_foreign_parker();
    struct mni_thread *t = mni_thread_find(handle);
    if (!t)
        return -ESRCH;
    if (&t->park == self)
        return -EDEADLK;
    mni_lock_take(&t->lock);
    int r = begin(t, handle, self);
    if (r != 0) {
        mni_lock_drop(&t->lock);
    } else if ((r = mni_wait("join", t, &t->lock, deadline)) < 0) {
        r = withdraw(t, self, r);
    }
    if (r < 0)
        return r;
    if (result)
        *result = t->arg;
    mni_thread_give_shared(t);
    return 0;
}

static inline __attribute__((always_inline)) int join(mn_thread handle, void **result, int64_t deadline) {
    struct mni_cpu *c = mni_enter();
    if (__builtin_expect(!c, 0))
        return join_foreign(handle, result, deadline);
    struct mni_thread *self = c->current, *t = mni_thread_find(handle);
    int r;
    if (__builtin_expect(!t || t == self, 0)) {
        r = t ? -EDEADLK : -ESRCH;
    } else {
        mni_lock_take(&t->lock);
        r = begin(t, handle, &self->park);
        if (r != 0) {
            mni_lock_drop(&t->lock);
        } else {
            r = deadline == MN_FOREVER ? mni_block_on(c, self, "join", t, &t->lock)
                                       : mni_wait("join", t, &t->lock, deadline);
            c = mni_cpu_self();
            if (__builtin_expect(r < 0, 0))
                r = withdraw(t, &self->park, r);
        }
        if (r >= 0) {
            if (result)
                *result = t->arg;
            mni_thread_give(c, t);
            r = 0;
        }
    }
    mni_leave_slice(c);
    return r;
}

MN_EXPORT int mn_join_until(mn_thread thread, void **result, int64_t deadline) {
    return join(thread, result, deadline);
}

MN_EXPORT int mn_join(mn_thread thread, void **result) {
    return join(thread, result, MN_FOREVER);
}

MN_EXPORT int mn_detach(mn_thread thread) {
    MNI_KEEP_OR(-ESRCH);
    struct mni_cpu *c = mni_call_begin();
    struct mni_thread *t = mni_thread_find(thread);
    int r = -ESRCH;
    bool free = false;
    if (t) {
        mni_lock_take(&t->lock);
        r = named(t, thread);
        if (r >= 0) {
            if (r == MNI_DETACHED || t->joiner) {
                r = -EINVAL;
            } else {
                free = r == MNI_ENDED;
                a8_store(&t->ended, free ? MNI_JOINED : MNI_DETACHED);
                r = 0;
            }
        }
        mni_lock_drop(&t->lock);
    }
    if (free)
        release(c, t);
    mni_call_end_here(c);
    return r;
}
