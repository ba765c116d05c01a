/* membarrier.h by the system call of that name: 110 ns, 3.5 us when other LWPs of the process run. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "membarrier.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "feature.h"

static uint32_t works;

bool mni_heavy_barrier_start(void) {
    bool r = mni_feature(MNI_MEMBARRIER) &&
             syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
    a32_store(&works, r); /* relaxed: who misses it takes the fall-back once more */
    return r;
}

bool mni_heavy_barrier(void) {
#ifdef OD_ATOMIC_BUILTINS
    fence_full(); /* as mni_fence_light is one, too */
    return true;
#else
    if (a32_load(&works) && syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0)
        return true;
    fence_full();
    return false;
#endif
}
