/* select_case: what the cases of a select do, by kind; see select.c. */
#ifndef MNI_SELECT_CASE_H
#define MNI_SELECT_CASE_H

#include <mn/chan.h>

#include "chan.h"

/* Of a descriptor: has no object, and no lock; select.c asks for all of them at once. */
static inline bool mni_case_is_fd(const struct mn_case *c) {
    return c->kind == MN_CASE_READABLE || c->kind == MN_CASE_WRITABLE;
}

bool mni_case_valid(const struct mn_case *c);

/* The lock of its object; NULL: it has none. */
struct mni_olock *mni_case_lock(const struct mn_case *c);

/* Without the lock, a hint. */
bool mni_case_ready(const struct mn_case *c);

/* Without the lock: makes it happen, and says whether it did. */
bool mni_case_try(struct mn_case *c);

/*
 * With the lock.  Between mark and unmark, or until the last waiter has left, nothing happens to the object
 * without its lock.  try: enum mni_chan_try; not NO_ROOM is an answer about this very moment.
 */
void mni_case_mark(struct mn_case *c);
void mni_case_unmark(struct mn_case *c);
int mni_case_try_locked(struct mn_case *c, struct mni_queue *woken);
void mni_case_queue(struct mn_case *c, struct mni_waiter *w);

/* Takes the lock, and the waiter out, if it still is in. */
void mni_case_leave(struct mn_case *c, struct mni_waiter *w);

/* sem.c: takes a unit, if there is one. */
bool mni_sem_take(struct mn_sem *s);

/* It happened by a waker, with this result. */
void mni_case_finish(struct mn_case *c, int woken);

#endif
