/*
 * current: which thread the calling LWP runs, asked without entering the runtime.
 *
 * To be called from where the runtime cannot be entered or must not do anything: the unwinder, a signal
 * handler.  The plain answer is worker->cpu->current.  But a hand-off (take.c) may take the cpu away between
 * any two of these loads, and then `current` is another worker's.  What it does, in this order:
 *
 *     taken |= AWAY;  full barrier;  detached = cpu->current;  cpu->current = NULL;  [the cpu goes to the other worker, which
 *     sets current];  worker->cpu = NULL
 *
 * So a `current` that was changed is read after AWAY was set: who reads current first, and then no AWAY, has
 * read its own.  AWAY with the cpu still there is a state that lasts a few microseconds, until the cpu is gone
 * (then detached is right) or AWAY is (the worker was found inside).
 */
#include "current.h"

#include <sched.h>

#include "bound.h"
#include "cpu.h" /* of lib/base */
#include "sched/enter.h"

struct mni_thread *mni_current(void) {
    struct mni_worker *w = mni_worker_self();
    if (!w)
        return mni_bound_self();
    for (unsigned i = 0;; i++) {
        /* Acquire: pairs with the release of NULL in mni_hand_off; detached was stored before. */
        struct mni_cpu *c = aptr_load_acquire(&w->cpu);
        if (!c)
            return w->detached;
        /* Acquire: read before taken is. */
        struct mni_thread *t = aptr_load_acquire(&c->current);
        if (!(a32_load(&w->taken) & MNI_TAKEN_AWAY))
            return t;
        if (i < 100)
            cpu_relax();
        else
            sched_yield();
    }
}
