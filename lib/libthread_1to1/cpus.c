/* cpus.h: the affinity of the threads that ask stands for that of all. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "cpus.h"

#include <sched.h>

#include "atomic.h"
#include "sys.h"

uint32_t thr_cpus = 1;

__attribute__((constructor)) void cpus_count(void) {
    cpu_set_t set;
    long size = sys(SYS_sched_getaffinity, 0, sizeof set, &set);
    if (size > 0) /* more CPUs than a cpu_set_t holds: an error; then nobody spins */
        a32_store(&thr_cpus, (uint32_t)CPU_COUNT_S((size_t)size, &set)); /* relaxed: a hint */
}
