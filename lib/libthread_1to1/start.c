/*
 * The first and the last code in a thread.
 *
 * A thread ends in one of three ways: its start routine returns, it calls pthread_exit, or it acts on a
 * cancellation.  The last two unwind the stack, the compiler's way, running C cleanup handlers and C++
 * destructors, down to the buffer that thr_main registers with the libc; the libc's unwinding ends in its
 * innermost such buffer, so it makes no difference whether it was us or the libc (a cancellation point inside
 * stdio, say) that began it.
 *
 * After that, as in the libc: C++ thread_local destructors, then those of thread-specific data.  One of them
 * may call pthread_exit: we arrive at the same buffer again and go on with what is left.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <errno.h>
#include <setjmp.h>
#include <stdlib.h>

#include "libc.h"
#include "lwp.h"
#include "sigmask.h"
#include "sanitizer.h"
#include "stats.h"
#include "sys.h"
#include "umtx.h"

extern void __pthread_register_cancel(__pthread_unwind_buf_t *buf);
extern void __pthread_unregister_cancel(__pthread_unwind_buf_t *buf);

static bool wait_for_go(struct thr *self) {
    uint32_t go;
    while ((go = a32_load_acquire(&self->go)) == THR_GO_WAIT) /* pairs with the release in create.c */
        umtx_wait(&self->go, THR_GO_WAIT, NULL, CLOCK_MONOTONIC, UMTX_PRIVATE);
    return go == THR_GO_RUN;
}

static void run(struct thr *self) {
    if (self->start)
        self->result = self->start(self->arg);
    else
        self->result = (void *)(intptr_t)self->start_c11(self->arg);
}

/* User code and its destructors. */
static void __attribute__((noinline)) live(struct thr *self) {
    __pthread_unwind_buf_t buf;
    self->result = PTHREAD_CANCELED; /* unless run() or pthread_exit says otherwise */
    sanitizer_stack_is_empty(self->stack_base);
    if (__sigsetjmp_cancel(buf.__cancel_jmp_buf, 0) == 0) { /* pthread.h's own, for its cleanup macros */
        __pthread_register_cancel(&buf);
        sigmask_set(self->sigmask);
        run(self);
    } else {
        sanitizer_stack_is_empty(self->stack_base); /* unwound */
    }
    libc_run_tls_destructors();
    key_run_destructors();
    __pthread_unregister_cancel(&buf);
}

/*
 * From here on nothing of the program runs in the thread.  Signals are blocked; the thread can no longer be
 * signalled; then it says that it has exited, after which a joiner may reap it at once.
 */
static void end(struct thr *self) {
    self->sigmask = sigmask_block();
    lock_take(&self->hold);
    self->alive = false;
    lock_drop(&self->hold);
}

/*
 * Says that the thread has exited; false: it was detached, and reaps itself.  `ending`, the LWP ends with it:
 * whoever sleeps for the thread is left to the kernel, who wakes one when the LWP is gone (join.c).
 */
static bool announce(struct thr *self, const struct lwp *ending) {
    /* full: the joiner, who reads result, loads it with acquire; and it stands between this and the load of
     * join_sleeps, as the joiner's fence stands between its store of that and its look at life. */
    if (!a32_cas_full(&self->life, THR_JOINABLE, THR_EXITED)) {
        registry_remove(self);
        a32_store(&self->life, THR_REAPED); /* relaxed: only this thread looks */
        return false;
    }
    /* The descriptor may be another thread's by now, but for an ending LWP, which whoever reaps it waits for:
     * then a wake-up is wasted, or was not needed. */
    if (a32_load(&self->join_sleeps) &&
        (!ending || umtx_requeue(&self->life, THR_EXITED, 0, lwp_tid_word(ending), 1, UMTX_SHARED) < 0))
        umtx_wake(&self->life, UMTX_WAKE_ALL, UMTX_SHARED);
    return true;
}

void *thr_main(void *unused) {
    struct thr *self = thr_self();
    (void)unused;
    sigmask_block(); /* the libc's thread start unblocked them */
    a32_store_release(thr_tid_word(self), (uint32_t)sys(SYS_gettid)); /* pairs with the acquire in create.c */
    umtx_wake(thr_tid_word(self), UMTX_WAKE_ALL, UMTX_PRIVATE); /* target.h waits too */
    if (wait_for_go(self))
        live(self);
    end(self);
    if (!announce(self, NULL))
        libc_real(pthread_detach)(thr_handle(self));
    return NULL;
}

void *lwp_main(void *unused) {
    struct thr *self = thr_self();
    struct lwp *lwp = self->lwp;
    (void)unused;
    uint64_t mask;
    bool detached;
    do {
        if (wait_for_go(self))
            live(self);
        end(self);
        mask = self->sigmask;
        lwp->parking = lwp_reusable(self);
        detached = !announce(self, lwp->parking ? NULL : lwp); /* from here the descriptor is the reaper's */
    } while (lwp->parking && lwp_park(lwp, detached));
    if (!lwp->parking) {
        stack_trim(lwp);
        if (detached)
            lwp_leave(lwp);
        /* The last thread's end exits the process, in the libc's start function: with the signals it had. */
        if (a32_load(libc_abi.nthreads) == 1) /* relaxed: only we are left to change it, if it is so */
            sigmask_set(mask);
    }
    return NULL;
}

THR_EXPORT _Noreturn void pthread_exit(void *result) {
    struct thr *self = thr_self();
    self->result = result;
    sanitizer_unwinds();
    libc_real(pthread_exit)(result);
    __builtin_unreachable();
}
