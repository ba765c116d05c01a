/*
 * pthread_getattr_np: the attributes that a running thread has by now.
 *
 * Garbage collectors scan from its answer and runtimes place their stack limits by it, so the stack must be the
 * real one.  Threads on stacks of ours: the descriptor knows.  All others (main, whose stack grows as far as
 * RLIMIT_STACK and the next mapping let it; the libc's helpers; threads that the libc made for us): the libc's
 * own function knows.  Policy and priority are asked for as in sched.c, the detach state is in our descriptor.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "attr.h"
#include "fault.h"
#include "libc.h"
#include "sys.h"
#include "target.h"
#include "thr.h"

/* The CPU set that the LWP may run on now, into the attribute object; 0 or a negative errno. */
static int current_cpus(uint32_t tid, pthread_attr_t *attr) {
    /* The kernel refuses a set that is too small for the CPUs it was built for, so try until one is not. */
    for (size_t size = sizeof(cpu_set_t); size <= 1 << 20; size *= 2) {
        cpu_set_t *cpus = fault("malloc") ? NULL : calloc(1, size);
        if (cpus == NULL)
            return -ENOMEM;
        long n = sys(SYS_sched_getaffinity, tid, size, cpus);
        int err = n < 0 ? (int)n : -pthread_attr_setaffinity_np(attr, size, cpus);
        free(cpus);
        if (n != -EINVAL)
            return err;
    }
    return -EINVAL;
}

static int own_stack(const struct target *target, pthread_attr_t *attr) {
    const struct thr *thr = target->thr;
    pthread_attr_init(attr);
    struct attr *a = attr_of(attr);
    a->stack_top = (char *)thr->stack_base + thr->stack_size;
    a->stack_size = thr->stack_size;
    a->guard_size = thr->guard_size;
    a->flags |= ATTR_STACK_ADDR;
    int err = current_cpus(target->tid, attr);
    if (err < 0)
        pthread_attr_destroy(attr);
    return err;
}

static int read_sched(const struct target *target, struct attr *a) {
    struct schedule own;
    int err = ceiling_own(target->thr, target->tid, &own);
    if (err < 0)
        return err;
    a->sched_policy = own.policy;
    a->sched_priority = own.priority;
    return 0;
}

static void set_flag(struct attr *a, int flag, bool on) {
    a->flags = on ? a->flags | flag : a->flags & ~flag;
}

/* What the libc does not know of a thread that we made, whoever made its LWP. */
static void own_flags(const struct thr *thr, struct attr *a) {
    uint32_t life = a32_load(&thr->life); /* relaxed: a snapshot; the program orders detach against this */
    if (life == THR_FOREIGN)
        return;
    set_flag(a, ATTR_DETACHED, life == THR_DETACHED);
    set_flag(a, ATTR_NOT_INHERIT_SCHED, thr->sched_explicit);
}

THR_EXPORT int pthread_getattr_np(pthread_t t, pthread_attr_t *attr) {
    int saved = errno;
    struct target target;
    int err = target_take(t, &target);
    if (err < 0)
        return -err;
    if (target.thr->stack_base != NULL)
        err = own_stack(&target, attr);
    else
        err = -libc_real(pthread_getattr_np)(t, attr);
    if (err == 0) {
        own_flags(target.thr, attr_of(attr));
        err = read_sched(&target, attr_of(attr));
        if (err < 0)
            pthread_attr_destroy(attr);
    }
    target_drop(&target);
    errno = saved;
    return -err;
}
