/* spin: whether it is worth the while to look again before one sleeps. */
#include "spin.h"

#include <unistd.h>

#include "runtime/runtime.h"
#include "thread/table.h"

bool mni_may_spin(void) {
    static uint32_t cpus; /* of the machine; 0: not asked yet.  Relaxed: every caller would find the same */
    if (mni_worker_self())
        return mni_rt->ncpus > 1;
    if (!a32_load(&cpus)) {
        long n = sysconf(_SC_NPROCESSORS_ONLN);
        a32_store(&cpus, n > 1 ? (uint32_t)n : 1);
    }
    return a32_load(&cpus) > 1;
}

bool mni_owner_rests(uint32_t owner) {
    uint32_t index = owner - 1;
    /* Acquire: pairs with the release of add_segment.  A foreign LWP's number is larger.  The state is a hint. */
    return mni_worker_self() && index / MNI_SEGMENT < a32_load_acquire(&mni_table.used) &&
           a8_load(&mni_thread_at(index)->state) != MNI_RUNNING;
}
