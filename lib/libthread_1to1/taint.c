/*
 * Which threads are alike to the kernel.
 *
 * A new LWP inherits from its creator what the kernel keeps per thread: name, affinity, policy, nice, timer slack,
 * credentials, sandbox.  An LWP that is reused must look as if it had just been cloned by its new creator.  So every
 * thread has a breed: a number that it inherits, and that changes to a new one whenever the thread's inheritable
 * state is changed.  A creator takes a parked LWP only of its own breed.  A change whose target is not known (a
 * process group, a thread id that is nobody's) starts a new epoch, in which no older LWP is reused.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "lwp.h"

static uint32_t last_breed;

void thr_taint(struct thr *thr, uint32_t bits) {
    a32_or_full(&thr->taint, bits); /* full: pairs with lwp_reusable's load in the thread as it ends */
    if (bits & (TAINT_NAME | TAINT_SCHED | TAINT_CREDENTIAL))
        a32_store(&thr->breed, a32_add(&last_breed, 1) + 1); /* relaxed: a number, unique */
}
