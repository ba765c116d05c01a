/*
 * robust: locks that are released when their owner ends (mn/mutex.h, mn/rwlock.h).
 *
 * Guarantee.  A robust lock is free, or handed on, before anyone is told of the end of the thread that held it;
 * the next owner knows that what the lock guards may be halfway.
 *
 * The naive way, a look at every lock's owner when somebody waits for long, or a list that every lock is put
 * into, costs all locks what few need.  Here a lock is robust from its beginning, and only such a one is noted:
 * in a list of its owner's (struct mni_own), linked through the lock itself, so that noting cannot fail.  The
 * word by which a plain mutex is taken is 0 while it is free; a robust mutex has MNI_ROBUST in it at all times,
 * so that the fast paths, which compare with 0 and with a thread's number, miss it, and know nothing of it.
 *
 * Ends.  A thread ends on its own stack, at a place that it knows: after frames were unwound and what was
 * deferred has run (defer.c), and before those who are linked to its process are told.  A handler's locks are
 * those of the executor that runs its callback; whatever the callback leaves behind is released when it
 * returns, since the next callback may run on another executor, and that one runs other processes' callbacks.
 * So an owner never goes between getting a lock and noting it, and no word of a lock's owner needs to be looked
 * up by others.
 *
 * state        meaning                                    set by                          cleared by
 * DIED         the owner ended with it                    the end of its owner            mn_..._consistent
 * LOST         it was unlocked while DIED: all locks fail   unlock                        nobody
 *
 * State and link are its owner's (of a rwlock: the writer's; readers look at it), ordered by the lock itself.
 * Who gets a LOST lock unlocks it again, so that the next one in the queue learns of it, too.
 */
#ifndef MNI_ROBUST_H
#define MNI_ROBUST_H

#include <errno.h>

#include "thread/bound.h"

/* No thread's number has this bit (wait.h). */
#define MNI_ROBUST 0x40000000u
enum { MNI_DIED = 1, MNI_LOST = 2 };

/* The caller has got a lock that is not LOST, and has put it into a list: what the call returns. */
static inline int mni_robust_got(struct mni_thread *t, uint32_t state) {
    if (t)
        t->flags |= MNI_UNTIDY;
    return state & MNI_DIED ? -EOWNERDEAD : 0;
}

/* What the state becomes by an unlock. */
static inline uint32_t mni_robust_unlocked(uint32_t state) {
    return state & MNI_DIED ? (state & ~(uint32_t)MNI_DIED) | MNI_LOST : state;
}

/* The caller says that what the lock guards is in order; mine: it holds it. */
static inline int mni_robust_consistent(uint32_t *state, bool mine) {
    if (!mine)
        return -EPERM;
    int r = *state & MNI_DIED ? 0 : -EINVAL;
    *state &= ~(uint32_t)MNI_DIED;
    return r;
}

/* mutex.c, rwlock.c: releases what is in the thread's lists.  By the thread itself, inside the runtime. */
void mni_mutexes_end(struct mni_thread *t);
void mni_rwlocks_end(struct mni_thread *t);

static inline void mni_locks_end(struct mni_thread *t) {
    if (__builtin_expect(t->own->mutexes != NULL, 0))
        mni_mutexes_end(t);
    if (__builtin_expect(t->own->rwlocks != NULL, 0))
        mni_rwlocks_end(t);
}

#endif
