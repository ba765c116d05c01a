/*
 * fork: the child has one LWP, the copy of the one that forked, and no runtime.
 *
 * It could be given one only by starting LWPs inside fork(), for threads most of which the child would not
 * want, and whose memory was copied in the middle of whatever their LWPs did.  So all that the runtime had is
 * forgotten, without being looked at: calls that need a runtime return -EPERM, handles name nobody, and mn_run
 * or mn_start makes a new one.  What the old one had mapped stays (the child may stand on one of its stacks);
 * it is copied on write only.
 *
 * A green thread that forks goes on in the child on its own stack, as a plain LWP: an orphan.  It is the only
 * thread there, so when it comes to its end the process ends, as POSIX has it for threads: with status 0, or
 * with the result of mn_run's function.  Worker LWPs block signals (signals.c), and may be bound to a CPU; a
 * child that began as a copy of one gets the signal mask of the program, its CPUs, the usual timer slack and
 * slice.
 */
#include "fork.h"

#include <pthread.h>
#include <stdlib.h>

#include "io/poller.h"
#include "offload/offload.h"
#include "progress/progress.h"
#include "runtime/runtime.h"
#include "sched/enter.h"
#include "slack.h"
#include "slice.h"
#include "stack/stack.h"
#include "thread/bound.h"
#include "wait/foreign.h"

static bool orphaned; /* there is one LWP in a child, and those that it starts only read it */

bool mni_orphaned(void) {
    return orphaned;
}

void mni_orphan_end(int status) {
    /* One that runs a new runtime is a worker meanwhile. */
    if (orphaned && !mni_worker_self())
        exit(status);
}

static void in_child(void) {
    bool own = mni_worker_self() || mni_bound_self() || mni_offload_self();
    orphaned |= own;
    mni_kq_forked();
    mni_signals_forked(own);
    if (own) {
        lwp_slice(0, LWP_SLICE_DEFAULT);
        lwp_timer_slack(LWP_SLACK_DEFAULT);
        mni_topo_unbind(&mni_rt->topo, 0, true);
    }
    mni_foreign_forked();
    mni_bound_forked();
    mni_offload_forked();
    mni_procs_forked(); /* looks at the parent's runtime, which is then forgotten */
    mni_run_forked();
    mni_workers_forked();
    mni_idle_forked();
    mni_sysmon_forked();
    mni_table_forked();
    mni_poller_forked();
    mni_stack_slab_forked();
}

__attribute__((constructor)) static void on_load(void) {
    pthread_atfork(NULL, NULL, in_child);
}
