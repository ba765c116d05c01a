/*
 * Scheduling: policy, priority and CPU affinity of a thread, its CPU clock, concurrency level, yield.
 *
 * All of it is the kernel's per LWP, asked for afresh each time: the libc keeps copies of policy and priority,
 * which go stale when sched_setscheduler is called beside it.  The exception is a thread that owns mutexes with
 * a priority ceiling (ceiling.c).  What changes an LWP marks it as unfit for reuse.
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

/* ---- policy and priority */

THR_EXPORT int pthread_getschedparam(pthread_t t, int *policy, struct sched_param *param) {
    struct target target;
    struct schedule own;
    int err = target_take(t, &target);
    if (err < 0)
        return -err;
    err = ceiling_own(target.thr, target.tid, &own);
    target_drop(&target);
    if (err < 0)
        return -err;
    *policy = own.policy;
    param->sched_priority = own.priority;
    return 0;
}

/* Around a change of how the kernel treats a thread. */
static int change_begin(pthread_t t, struct target *target) {
    int err = target_take(t, target);
    if (err == 0)
        thr_taint_begin(target->thr, TAINT_SCHED);
    return err;
}

/* The change's result, for the caller of the POSIX function. */
static int change_end(struct target *target, int err) {
    thr_taint(target->thr, TAINT_SCHED);
    target_drop(target);
    return -err;
}

static int set_both(const struct target *target, int policy, const struct sched_param *param) {
    return param ? ceiling_set_own(target->thr, target->tid, &(struct schedule){policy, param->sched_priority})
                 : -EINVAL;
}

THR_EXPORT int pthread_setschedparam(pthread_t t, int policy, const struct sched_param *param) {
    struct target target;
    int err = change_begin(t, &target);
    return err < 0 ? -err : change_end(&target, set_both(&target, policy, thr_unpromised(param)));
}

THR_EXPORT int pthread_setschedprio(pthread_t t, int priority) {
    struct target target;
    int err = change_begin(t, &target);
    return err < 0 ? -err : change_end(&target, ceiling_set_own_priority(target.thr, target.tid, priority));
}

/* ---- affinity */

THR_EXPORT int pthread_setaffinity_np(pthread_t t, size_t size, const cpu_set_t *cpus) {
    struct target target;
    int err = change_begin(t, &target);
    return err < 0 ? -err : change_end(&target, (int)sys(SYS_sched_setaffinity, target.tid, size, cpus));
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

/* ---- the rest */

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
