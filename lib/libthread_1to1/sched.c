/*
 * Scheduling: policy, priority and CPU affinity of a thread, its CPU clock, concurrency level, yield.
 *
 * All of it is the kernel's per LWP, asked for afresh each time: the libc keeps copies of policy and priority,
 * which go stale when sched_setscheduler is called beside it.  What changes an LWP marks it as unfit for reuse.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#include "sys.h"
#include "target.h"
#include "thr.h"

/* ---- policy and priority
 * --------------------------------------------------------------------------------------- */

THR_EXPORT int pthread_getschedparam(pthread_t t, int *policy, struct sched_param *param) {
    struct target target;
    int err = target_take(t, &target);
    if (err < 0)
        return -err;
    long now = sys(SYS_sched_getscheduler, target.tid);
    if (now >= 0) {
        err = (int)sys(SYS_sched_getparam, target.tid, param);
        *policy = (int)now;
    } else {
        err = (int)now;
    }
    target_drop(&target);
    return -err;
}

/* A system call that changes how a thread is scheduled, and takes its kernel id and two more arguments. */
static int change(pthread_t t, long nr, long a, long b) {
    struct target target;
    int err = target_take(t, &target);
    if (err < 0)
        return -err;
    thr_taint_begin(target.thr, TAINT_SCHED);
    err = (int)sys(nr, target.tid, a, b);
    thr_taint(target.thr, TAINT_SCHED);
    target_drop(&target);
    return -err;
}

THR_EXPORT int pthread_setschedparam(pthread_t t, int policy, const struct sched_param *param) {
    return change(t, SYS_sched_setscheduler, policy, (long)param);
}

THR_EXPORT int pthread_setschedprio(pthread_t t, int priority) {
    struct sched_param param = {.sched_priority = priority};
    return change(t, SYS_sched_setparam, (long)&param, 0);
}

/* ---- affinity
 * -------------------------------------------------------------------------------------------------- */

THR_EXPORT int pthread_setaffinity_np(pthread_t t, size_t size, const cpu_set_t *cpus) {
    return change(t, SYS_sched_setaffinity, (long)size, (long)cpus);
}

/* The kernel writes as many bytes as it has CPUs for and says how many; the rest of the user's set is
 * cleared. */
THR_EXPORT int pthread_getaffinity_np(pthread_t t, size_t size, cpu_set_t *cpus) {
    struct target target;
    int err = target_take(t, &target);
    if (err < 0)
        return -err;
    long n = sys(SYS_sched_getaffinity, target.tid, size < INT_MAX ? size : INT_MAX, cpus);
    target_drop(&target);
    if (n < 0)
        return (int)-n;
    memset((char *)cpus + n, 0, size - (size_t)n);
    return 0;
}

/* ---- the rest
 * -------------------------------------------------------------------------------------------------- */

/* A clock id of the kernel's: the complement of the LWP's id, then bits that say 'scheduler time of one
 * thread'. */
THR_EXPORT int pthread_getcpuclockid(pthread_t t, clockid_t *clock) {
    struct target target;
    int err = target_take(t, &target);
    if (err < 0)
        return -err;
    enum { CPUCLOCK_SCHED = 2, CPUCLOCK_PERTHREAD = 4 };
    *clock = (clockid_t)(~target.tid << 3 | CPUCLOCK_PERTHREAD | CPUCLOCK_SCHED);
    target_drop(&target);
    return 0;
}

/* One LWP per thread: the level is a hint that is remembered and otherwise without effect. */
static uint32_t concurrency;

THR_EXPORT int pthread_getconcurrency(void) {
    return (int)a32_load(&concurrency); /* relaxed: a number on its own */
}

THR_EXPORT int pthread_setconcurrency(int level) {
    if (level < 0)
        return EINVAL;
    a32_store(&concurrency, (uint32_t)level); /* relaxed: as above */
    return 0;
}

/* The headers turn calls of pthread_yield into calls of sched_yield, and a definition of it as well: hence
 * the label. */
int yield_by_its_old_name(void) __asm__("pthread_yield");

THR_EXPORT int yield_by_its_old_name(void) {
    return (int)-sys(SYS_sched_yield);
}
