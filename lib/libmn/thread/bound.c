/*
 * bound: a thread with an LWP of its own, for code that must not move or that blocks in the kernel for long.
 *
 * It has a descriptor and a handle as any thread, and blocks as a foreign LWP does: its parker is the
 * descriptor's, with `foreign` set.  The scheduler never sees it.
 */
#include "bound.h"

#include <errno.h>
#include <pthread.h>

#include "exit.h"
#include "fault.h"
#include "join.h"
#include "runtime/fork.h"
#include "runtime/runtime.h"
#include "sched/sched.h"
#include "sched/signals.h"
#include "slack.h"
#include "slice.h"
#include "wait/foreign.h"

static __thread struct mni_thread *self __attribute__((tls_model("initial-exec")));

static uint64_t ends; /* atomic; counts only */

uint64_t mni_bound_ends(void) {
    return a64_load_acquire(&ends); /* acquire: pairs with ended(), which has let go of everything */
}

struct mni_thread *mni_bound_self(void) {
    return self;
}

void mni_bound_forked(void) {
    self = NULL;
}

static void ended(struct mni_thread *t, void *result) {
    mni_foreign_enter(); /* it may come from a function that it called as mn_block_call does */
    t->arg = result; /* a deferred function may look at it (future.c) */
    if (t->flags & MNI_UNTIDY)
        mni_thread_cleanup(t, result);
    self = NULL;
    t->own = NULL;
    t->park.foreign = MNI_GREEN; /* the descriptor's next thread may be one */
    a8_store(&t->state, MNI_DONE);
    mni_join_ended(NULL, t);
    mni_foreign_rests();
    /* Last: once all ends are counted, the runtime's memory goes. */
    a64_add_release(&ends, 1);
}

static void *lwp_main(void *arg) {
    struct mni_thread *t = arg;
    struct mni_own own = {0};
    t->own = &own;
    self = t;
    mni_foreign_enter();
    mni_topo_unbind(&mni_rt->topo, 0, false); /* its creator may be pinned, */
    lwp_slice(0, LWP_SLICE_DEFAULT);          /* and a worker */
    lwp_timer_slack(LWP_SLACK_DEFAULT);
    a8_store(&t->state, MNI_RUNNING);
    void *result = mni_call_entry(t);
    if (self)
        ended(t, result);
    else
        mni_orphan_end(0);
    return NULL;
}

void mni_bound_exit(void *result) {
    ended(self, result);
    pthread_exit(NULL);
}

int mni_bound_start(struct mni_thread *t) {
    t->park.foreign = MNI_AWAKE;
    pthread_attr_t attr;
    pthread_t lwp;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    sigset_t old;
    mni_signals_block(&old);
    int r = fault("clone") ? EAGAIN : pthread_create(&lwp, &attr, lwp_main, t);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    if (r)
        t->park.foreign = MNI_GREEN;
    return -r;
}
