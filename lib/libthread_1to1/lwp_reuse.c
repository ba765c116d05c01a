/* LWPs whose thread has exited, parked and given to new threads. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "lwp.h"

static struct lock lock = {0, RANK_POOL};

struct thr *lwp_parked_get(const struct thr_attr *attr) {
    (void)attr;
    return NULL;
}

void lwp_unpark(struct thr *thr) {
    (void)thr;
}

void lwp_reap(struct thr *thr) {
    lwp_own_reap(thr);
}

void lwp_drain(void) {
}

void lwp_pool_lock_for_fork(void) {
    lock_take(&lock);
}

void lwp_pool_unlock_after_fork(void) {
    lock_drop(&lock);
}

void lwp_pool_reset_in_child(void) {
    lock_drop(&lock);
}
