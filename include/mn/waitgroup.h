/*
 * mn/waitgroup.h: waiting until a number of things are done.
 *
 *     struct mn_waitgroup g = MN_WAITGROUP_INIT;
 *     mn_waitgroup_add(&g, 10);
 *     ... ten threads, each calls mn_waitgroup_done(&g) at its end ...
 *     mn_waitgroup_wait(&g);
 */
#ifndef MN_WAITGROUP_H
#define MN_WAITGROUP_H

#include <mn/object.h>
#include <mn/time.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mn_waitgroup {
    uint32_t word, lock;
    struct mn_waiters queue;
};

#define MN_WAITGROUP_INIT {0, 0, {0, 0}}

void mn_waitgroup_init(struct mn_waitgroup *group);

/* -EBUSY: something is not done, or threads wait; it stays valid.  Contexts: any. */
int mn_waitgroup_destroy(struct mn_waitgroup *group);

/*
 * Changes the number of things to be done; at 0 all who wait go on, and any of them may destroy the group.  Add
 * before the thing can be done, and not to a group that may have reached 0 while threads wait for that.
 *   -EINVAL      it would be less than 0: nothing changed
 *   -EOVERFLOW   it would be more than 2^31 - 1: nothing changed
 * Contexts: any.
 */
int mn_waitgroup_add(struct mn_waitgroup *group, int32_t n);

/* mn_waitgroup_add(group, -1) */
int mn_waitgroup_done(struct mn_waitgroup *group);

/* Waits for 0.  -ETIMEDOUT; -ECANCELED (also when it is 0).  Contexts: any. */
int mn_waitgroup_wait(struct mn_waitgroup *group);
int mn_waitgroup_wait_until(struct mn_waitgroup *group, int64_t deadline);

/* How many things are not done.  Contexts: any, signal. */
uint32_t mn_waitgroup_count(const struct mn_waitgroup *group);

#ifdef __cplusplus
}
#endif

#endif
