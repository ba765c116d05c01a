/*
 * fork.
 *
 * The child has one thread, the caller, and a copy of everything else as it stood.  Our handlers are registered
 * before anybody else's, so they run last before the fork and first after it: before it every lock of ours is
 * taken, in order of rank, so that the copy is whole; in the child the threads that are no more are taken off
 * every list, and what they had (stacks above all) becomes free.  _Fork and raw clones run no handlers: such a
 * child may do what is async-signal-safe, as POSIX has it.  Some do more, and it works if no other thread held
 * a lock: parked LWPs are found out to be the parent's (lwp_reuse.c), and the thread id, which mutexes use, is
 * the libc's to keep.  _Fork is ours for where its place is not known.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "fork.h"

#include <unistd.h>

#include "attr.h"
#include "cond.h"
#include "libc.h"
#include "lwp.h"
#include "tls_reset.h"

extern int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *dso);
extern void *__dso_handle;

static void prepare(void) {
    thr_init_lock_for_fork();
    registry_lock_for_fork();
    lwp_pool_lock_for_fork();
    stack_lock_for_fork();
    tls_reset_lock_for_fork();
    ceiling_lock_for_fork();
}

static void parent(void) {
    ceiling_unlock_after_fork();
    tls_reset_unlock_after_fork();
    stack_unlock_after_fork();
    lwp_pool_unlock_after_fork();
    registry_unlock_after_fork();
    thr_init_unlock_after_fork();
}

static int bury(struct thr *thr, void *self) {
    if (thr != self && thr->lwp)
        stack_put_in_child(thr->lwp);
    return 0;
}

static void child(void) {
    struct thr *self = thr_self();
    self->tid = 0;
    thr_tid(); /* asks at once where the libc's word is not known, as target_tid() would wait for ever */
    thr_init_in_child();
    ceiling_unlock_after_fork();
    tls_reset_unlock_after_fork();
    stack_reset_in_child();
    lwp_pool_reset_in_child();
    registry_each_in_child(bury, self);
    registry_reset();
    self->joiner = NULL;
    mutex_reset_in_child();
    cond_reset_in_child();
}

void fork_init(void) {
    __register_atfork(prepare, parent, child, __dso_handle);
}

THR_EXPORT pid_t _Fork(void) {
    pid_t pid = libc_real(_Fork)();
    if (pid == 0)
        thr_self()->tid = 0; /* thr_tid() asks again */
    return pid;
}
