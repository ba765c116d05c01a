/*
 * pthread_attr_*: setters and getters.
 *
 * What each accepts is what the libc accepts (tests/conformance/attr.c runs on both): a wrong value is EINVAL
 * and changes nothing.  Nothing is checked against the machine here; pthread_create does that.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attr.h"
#include "fault.h"
#include "stack_min.h"
#include "thr.h"

THR_EXPORT int pthread_attr_init(pthread_attr_t *attr) {
    struct attr *a = attr_of(attr);
    *a = (struct attr){0};
    a->guard_size = (size_t)sysconf(_SC_PAGESIZE);
    return 0;
}

THR_EXPORT int pthread_attr_destroy(pthread_attr_t *attr) {
    struct attr *a = attr_of(attr);
    if (a->extension != NULL) {
        int saved = errno;
        free(a->extension->cpus);
        free(a->extension);
        a->extension = NULL;
        errno = saved;
    }
    return 0;
}

THR_EXPORT int pthread_attr_getdetachstate(const pthread_attr_t *attr, int *state) {
    *state = attr_of_const(attr)->flags & ATTR_DETACHED ? PTHREAD_CREATE_DETACHED : PTHREAD_CREATE_JOINABLE;
    return 0;
}

static void set_flag(struct attr *a, int flag, bool on) {
    a->flags = on ? a->flags | flag : a->flags & ~flag;
}

THR_EXPORT int pthread_attr_setdetachstate(pthread_attr_t *attr, int state) {
    if (state != PTHREAD_CREATE_DETACHED && state != PTHREAD_CREATE_JOINABLE)
        return EINVAL;
    set_flag(attr_of(attr), ATTR_DETACHED, state == PTHREAD_CREATE_DETACHED);
    return 0;
}

/* ---- stack */

THR_EXPORT int pthread_attr_getguardsize(const pthread_attr_t *attr, size_t *size) {
    *size = attr_of_const(attr)->guard_size;
    return 0;
}

THR_EXPORT int pthread_attr_setguardsize(pthread_attr_t *attr, size_t size) {
    attr_of(attr)->guard_size = size;
    return 0;
}

THR_EXPORT int pthread_attr_getstacksize(const pthread_attr_t *attr, size_t *size) {
    const struct attr *a = attr_of_const(attr);
    *size = a->stack_size != 0 ? a->stack_size : thr_attr_default()->stack_size;
    return 0;
}

THR_EXPORT int pthread_attr_setstacksize(pthread_attr_t *attr, size_t size) {
    if (size < STACK_MIN)
        return EINVAL;
    attr_of(attr)->stack_size = size;
    return 0;
}

THR_EXPORT int pthread_attr_getstack(const pthread_attr_t *attr, void **stack, size_t *size) {
    const struct attr *a = attr_of_const(attr);
    *stack = (void *)((uintptr_t)a->stack_top - a->stack_size);
    *size = a->stack_size;
    return 0;
}

THR_EXPORT int pthread_attr_setstack(pthread_attr_t *attr, void *stack, size_t size) {
    struct attr *a = attr_of(attr);
    if (size < STACK_MIN)
        return EINVAL;
    a->stack_size = size;
    a->stack_top = (void *)((uintptr_t)stack + size);
    set_flag(a, ATTR_STACK_ADDR, true);
    return 0;
}

/* The obsolete pair: its address is the stack's highest where stacks grow down, as the libc takes it. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
THR_EXPORT int pthread_attr_getstackaddr(const pthread_attr_t *attr, void **top) {
    *top = attr_of_const(attr)->stack_top;
    return 0;
}

THR_EXPORT int pthread_attr_setstackaddr(pthread_attr_t *attr, void *top) {
    struct attr *a = attr_of(attr);
    a->stack_top = top;
    set_flag(a, ATTR_STACK_ADDR, true);
    return 0;
}
#pragma GCC diagnostic pop

/* ---- scheduling */

THR_EXPORT int pthread_attr_getinheritsched(const pthread_attr_t *attr, int *inherit) {
    *inherit = attr_of_const(attr)->flags & ATTR_NOT_INHERIT_SCHED ? PTHREAD_EXPLICIT_SCHED : PTHREAD_INHERIT_SCHED;
    return 0;
}

THR_EXPORT int pthread_attr_setinheritsched(pthread_attr_t *attr, int inherit) {
    if (inherit != PTHREAD_EXPLICIT_SCHED && inherit != PTHREAD_INHERIT_SCHED)
        return EINVAL;
    set_flag(attr_of(attr), ATTR_NOT_INHERIT_SCHED, inherit == PTHREAD_EXPLICIT_SCHED);
    return 0;
}

THR_EXPORT int pthread_attr_getschedparam(const pthread_attr_t *attr, struct sched_param *param) {
    param->sched_priority = attr_of_const(attr)->sched_priority;
    return 0;
}

/* Checked against the policy that is set by then: set the policy first. */
THR_EXPORT int pthread_attr_setschedparam(pthread_attr_t *attr, const struct sched_param *param) {
    struct attr *a = attr_of(attr);
    int saved = errno;
    int min = sched_get_priority_min(a->sched_policy), max = sched_get_priority_max(a->sched_policy);
    errno = saved;
    if (min < 0 || max < 0 || param->sched_priority < min || param->sched_priority > max)
        return EINVAL;
    a->sched_priority = param->sched_priority;
    a->flags |= ATTR_SCHED_SET;
    return 0;
}

THR_EXPORT int pthread_attr_getschedpolicy(const pthread_attr_t *attr, int *policy) {
    *policy = attr_of_const(attr)->sched_policy;
    return 0;
}

THR_EXPORT int pthread_attr_setschedpolicy(pthread_attr_t *attr, int policy) {
    struct attr *a = attr_of(attr);
    if (policy != SCHED_OTHER && policy != SCHED_FIFO && policy != SCHED_RR)
        return EINVAL;
    a->sched_policy = policy;
    a->flags |= ATTR_POLICY_SET;
    return 0;
}

THR_EXPORT int pthread_attr_getscope(const pthread_attr_t *attr, int *scope) {
    *scope = attr_of_const(attr)->flags & ATTR_SCOPE_PROCESS ? PTHREAD_SCOPE_PROCESS : PTHREAD_SCOPE_SYSTEM;
    return 0;
}

THR_EXPORT int pthread_attr_setscope(pthread_attr_t *attr, int scope) {
    if (scope == PTHREAD_SCOPE_PROCESS)
        return ENOTSUP; /* an LWP each: every thread competes with the whole system */
    if (scope != PTHREAD_SCOPE_SYSTEM)
        return EINVAL;
    set_flag(attr_of(attr), ATTR_SCOPE_PROCESS, false);
    return 0;
}

/* ---- CPU set and signal mask: in the extension */

/* The object's extension, made if need be; NULL: no memory. */
static struct attr_extension *extension(struct attr *a) {
    if (a->extension == NULL)
        a->extension = fault("malloc") ? NULL : calloc(1, sizeof *a->extension);
    return a->extension;
}

static int set_cpus(struct attr *a, size_t size, const cpu_set_t *cpus) {
    if (cpus == NULL || size == 0) { /* back to inheriting the creator's */
        if (a->extension != NULL) {
            free(a->extension->cpus);
            a->extension->cpus = NULL;
            a->extension->cpus_size = 0;
        }
        return 0;
    }
    struct attr_extension *e = extension(a);
    if (e == NULL)
        return -ENOMEM;
    if (e->cpus_size != size) {
        cpu_set_t *room = realloc(e->cpus, size);
        if (room == NULL)
            return -ENOMEM;
        e->cpus = room;
        e->cpus_size = size;
    }
    memcpy(e->cpus, cpus, size);
    return 0;
}

static int set_sigmask(struct attr *a, const sigset_t *mask) {
    if (mask == NULL) {
        if (a->extension != NULL)
            a->extension->sigmask_set = false;
        return 0;
    }
    struct attr_extension *e = extension(a);
    if (e == NULL)
        return -ENOMEM;
    e->sigmask = *mask;
    e->sigmask_set = true;
    return 0;
}

THR_EXPORT int pthread_attr_setaffinity_np(pthread_attr_t *attr, size_t size, const cpu_set_t *cpus) {
    int saved = errno;
    int err = set_cpus(attr_of(attr), size, cpus);
    errno = saved;
    return -err;
}

/* Not set: all CPUs.  The object's set may be larger than the caller's, if what does not fit is empty. */
THR_EXPORT int pthread_attr_getaffinity_np(const pthread_attr_t *attr, size_t size, cpu_set_t *cpus) {
    const struct attr_extension *e = attr_of_const(attr)->extension;
    if (e == NULL || e->cpus == NULL) {
        memset(cpus, -1, size);
        return 0;
    }
    for (size_t i = size; i < e->cpus_size; i++)
        if (((const char *)e->cpus)[i] != 0)
            return EINVAL;
    size_t have = e->cpus_size < size ? e->cpus_size : size;
    memcpy(cpus, e->cpus, have);
    memset((char *)cpus + have, 0, size - have);
    return 0;
}

/* The two signals that the libc keeps for itself (cancellation, set*id): a mask must not block them. */
static void spare_libc_signals(sigset_t *mask) {
    unsigned long reserved = 3UL << (32 - 1);
    *(unsigned long *)(void *)mask &= ~reserved;
}

THR_EXPORT int pthread_attr_setsigmask_np(pthread_attr_t *attr, const sigset_t *mask) {
    struct attr *a = attr_of(attr);
    int saved = errno;
    int err = set_sigmask(a, mask);
    errno = saved;
    if (err == 0 && a->extension != NULL)
        spare_libc_signals(&a->extension->sigmask);
    return -err;
}

THR_EXPORT int pthread_attr_getsigmask_np(const pthread_attr_t *attr, sigset_t *mask) {
    const struct attr_extension *e = attr_of_const(attr)->extension;
    if (e == NULL || !e->sigmask_set) {
        sigemptyset(mask);
        return PTHREAD_ATTR_NO_SIGMASK_NP;
    }
    *mask = e->sigmask;
    return 0;
}

int thr_attr_copy(struct attr *to, const struct attr *from) {
    int saved = errno, err = 0;
    struct attr copy = *from;
    copy.extension = NULL;
    if (from->extension != NULL && from->extension->cpus != NULL)
        err = set_cpus(&copy, from->extension->cpus_size, from->extension->cpus);
    if (err == 0 && from->extension != NULL && from->extension->sigmask_set)
        err = set_sigmask(&copy, &from->extension->sigmask);
    if (err == 0)
        *to = copy;
    else
        pthread_attr_destroy((pthread_attr_t *)(void *)&copy);
    errno = saved;
    return err;
}
