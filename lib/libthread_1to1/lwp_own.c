/*
 * LWPs of our own making.
 *
 * The LWP is cloned straight into the libc's own first function of a thread, with a control block that says
 * what the libc's pthread_create would have said: that gives it rseq, robust list, ctype and stdio state, C++
 * destructors and the release of malloc's per-thread cache at its end, none of which we could do from outside.
 * It is on the libc's list of threads and in its count, so dlopen of initial-exec TLS, setuid, debuggers and
 * fork see it.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <errno.h>
#include <linux/sched.h>

#include "clock.h"
#include "fault.h"
#include "libc.h"
#include "lwp.h"
#include "sigmask.h"
#include "sys.h"
#include "umtx.h"

long lwp_clone3(struct clone_args *args, size_t size, void (*fn)(void *), void *arg);
long lwp_clone(unsigned long flags, void *stack_top, uint32_t *parent_tid, uint32_t *child_tid, uintptr_t tls,
               void (*fn)(void *), void *arg);

enum {
    CLONE_FLAGS = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
                  CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID,
};

/* thr_of(), for an LWP that does not run yet. */
static struct thr *descriptor(const struct lwp *lwp) {
    return thr_of((pthread_t)lwp->tcb);
}

int lwp_own_prepare(const struct thr_attr *attr, struct thr **out) {
    struct lwp *lwp;
    int err = stack_get(attr, &lwp);
    if (err)
        return err;
    struct thr *thr = descriptor(lwp);
    thr->lwp = lwp;
    *out = thr;
    return 0;
}

void lwp_own_unprepare(struct thr *thr) {
    stack_put(thr->lwp);
}

static long clone_lwp(struct lwp *lwp) {
    if (fault("clone"))
        return -EAGAIN;
    static uint32_t no_clone3; /* a cache of what the kernel said */
    uint32_t *tid = lwp_tid_word(lwp);
    /* The stack ends below the static TLS block. */
    uintptr_t top = (lwp->tcb - (libc_abi.tls_size - libc_abi.size)) & ~(uintptr_t)63;
    if (!a32_load(&no_clone3) && thr_feature("clone3")) { /* relaxed: either value is right, one is slower */
        struct clone_args args = {
            .flags = CLONE_FLAGS,
            .child_tid = (uintptr_t)tid,
            .parent_tid = (uintptr_t)tid,
            .stack = (uintptr_t)lwp->stack,
            .stack_size = top - (uintptr_t)lwp->stack,
            .tls = lwp->tcb,
        };
        long r = lwp_clone3(&args, sizeof args, libc_abi.start_thread, (void *)lwp->tcb);
        if (r != -ENOSYS)
            return r;
        a32_store(&no_clone3, 1); /* relaxed: as above */
    }
    return lwp_clone(CLONE_FLAGS, (void *)top, tid, tid, lwp->tcb, libc_abi.start_thread, (void *)lwp->tcb);
}

int lwp_own_clone(struct thr *thr) {
    struct lwp *lwp = thr->lwp;
    *libc_field(lwp->tcb, void *(*)(void *), start_routine) = lwp_main;
    *libc_field(lwp->tcb, uint64_t, sigmask) = SIGMASK_ALL; /* start.c sets the thread's own */
    a32_store(lwp_tid_word(lwp), UINT32_MAX); /* relaxed: not gone; the kernel stores the id */
    /* The epoch first: who changes this thread's state from outside taints it, begins an epoch, makes the
     * change, and taints it again.  So an LWP that is cloned around the change has a breed or an epoch that is
     * no more. */
    lwp->epoch = lwp_epoch();
    fence_acquire();
    thr->breed = lwp->breed = a32_load(&thr_self()->breed); /* relaxed, with the fence */
    lwp->active_ns = 0;
    lwp->started_ns = lwp_source == LWP_REUSE ? clock_now_ns() : 0;
    lwp->work = 0;
    lwp->pooled = false;
    if (lwp_source == LWP_REUSE && lwp->map) /* on a user's stack it serves one thread only */
        lwp_identity(&lwp->identity);        /* which it inherits */
    libc_list_add(lwp->tcb);
    libc_count_up();
    long tid = clone_lwp(lwp);
    if (tid >= 0)
        return 0;
    libc_thread_failed(lwp->tcb);
    a32_store(lwp_tid_word(lwp), 0); /* relaxed: nobody waits for it */
    return tid == -ENOMEM || tid == -EAGAIN ? -EAGAIN : (int)tid;
}

void lwp_own_reap(struct lwp *lwp) {
    uint32_t *word = lwp_tid_word(lwp), tid;
    /* Shared: the kernel wakes the word so.  acquire: all that the LWP did is before. */
    while ((tid = a32_load_acquire(word)) != 0)
        umtx_wait(word, tid, NULL, CLOCK_MONOTONIC, UMTX_SHARED);
    libc_list_remove(lwp->tcb);
    stack_put(lwp);
}

void lwp_leave(struct lwp *lwp) {
    if (lwp->map) {
        libc_list_remove(lwp->tcb);
        stack_put(lwp); /* which keeps all of it until the LWP is gone */
        return;
    }
    /* On a user's stack there is no later moment: the memory may be anything as soon as the LWP is gone.  The
     * libc does it as its last act, for threads that are detached: then joinid is the thread itself. */
    *libc_field(lwp->tcb, uintptr_t, joinid) = lwp->tcb;
}
