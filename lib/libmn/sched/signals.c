/*
 * signals: the program's signal handlers run on LWPs that are not workers.
 *
 * A handler that interrupts a worker would run in the middle of a green thread, on its stack, possibly inside
 * the runtime.  So workers block all signals that are sent (those that an instruction causes cannot be blocked:
 * SIGSEGV and its like have an alternate stack).  When mn_run makes the program's only LWP a worker, nobody
 * would be left to take SIGINT or SIGTERM: the signal LWP is there for that.  It has the mask that the caller
 * of mn_run or mn_start had, and only sleeps, or writes a dump (dump_signal.c).  A fork's child that began as
 * the copy of a worker gets that mask, so that what it executes can be interrupted.
 */
#include "signals.h"

#include <errno.h>
#include <pthread.h>
#include <mn/stats.h>
#include <stdbool.h>
#include <time.h>

#include "atomic.h"
#include "debug/crash.h"
#include "debug/dump_signal.h"
#include "fault.h"
#include "lock.h"
#include "progress/report.h"
#include "runtime/fork.h"
#include "stall_signal.h"
#include "umtx.h"
#include "wait/foreign.h"

void mni_signals_block(sigset_t *old) {
    sigset_t all;
    sigfillset(&all);
    sigdelset(&all, MNI_STALL_SIGNAL); /* ours, and rare (progress/stall.c) */
    static const int caused[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};
    for (unsigned i = 0; i < sizeof caused / sizeof *caused; i++)
        sigdelset(&all, caused[i]);
    pthread_sigmask(SIG_SETMASK, &all, old);
}

void mni_signals_worker_start(void) {
    mni_crash_worker_start();
}

void mni_signals_worker_end(void) {
    /* What a green thread wrote into a pipe that nobody reads has told it so; the LWP of mn_run's caller is not
     * to die of it when its mask is what it was again. */
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    const struct timespec none = {0, 0};
    while (sigtimedwait(&pipe, NULL, &none) == SIGPIPE)
        continue;
    mni_crash_worker_end();
}

static struct {
    pthread_t lwp;
    uint32_t stop;
    uint32_t events; /* futex: changes when there is something to do */
    bool runs;
    sigset_t mask; /* of the program: what the caller of mn_run or mn_start had */
    struct lock lock;
    sigset_t more;   /* to be blocked, too; guarded by the lock */
    uint32_t asked;  /* counts changes of `more`, under the lock */
    uint32_t blocks; /* futex: the last of them that was followed */
} self = {.lock = {0, RANK_OBJECT}};

static void block_more(uint32_t asked) {
    lock_take(&self.lock);
    sigset_t set = self.more;
    lock_drop(&self.lock);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    a32_store_release(&self.blocks, asked); /* release: pairs with mni_signals_block_more */
    umtx_wake(&self.blocks, UMTX_WAKE_ALL, UMTX_PRIVATE);
}

void mni_signals_block_more(const sigset_t *set) {
    lock_take(&self.lock);
    bool runs = self.runs;
    if (runs) {
        sigorset(&self.more, &self.more, set);
        a32_store(&self.asked, self.asked + 1);
    }
    uint32_t asked = self.asked, done;
    lock_drop(&self.lock);
    if (!runs)
        return;
    a32_add_full(&self.events, 1); /* full: sleep_main sees the change of `asked`, or this one */
    umtx_wake(&self.events, 1, UMTX_PRIVATE);
    /* Acquire: pairs with the release of block_more. */
    while ((int32_t)((done = a32_load_acquire(&self.blocks)) - asked) < 0)
        umtx_wait(&self.blocks, done, NULL, CLOCK_MONOTONIC, UMTX_PRIVATE);
}

static void *sleep_main(void *arg) {
    (void)arg;
    for (;;) {
        /* Acquire, both: pair with end_lwp. */
        uint32_t events = a32_load_acquire(&self.events);
        if (a32_load_acquire(&self.stop)) {
            block_more(a32_load(&self.asked));
            return NULL;
        }
        uint32_t asked = a32_load(&self.asked);
        if (asked != a32_load(&self.blocks))
            block_more(asked);
        if (mni_dump_signal_came())
            mn_dump(2);
        else if (!mni_report_run())
            mni_foreign_sleep(&self.events, events, NULL); /* who is told of a report may call, and handlers */
    }
}

void mni_signals_ring(void) {
    a32_add_full(&self.events, 1);
    umtx_wake(&self.events, 1, UMTX_PRIVATE);
}

int mni_signals_start(void) {
    mni_crash_start();
    a32_store(&self.stop, 0);
    pthread_sigmask(SIG_SETMASK, NULL, &self.mask);
    int r = mni_dump_signal_start(&self.events);
    if (r < 0)
        return r;
    sigemptyset(&self.more);
    a32_store(&self.blocks, self.asked);
    r = fault("clone") ? EAGAIN : pthread_create(&self.lwp, NULL, sleep_main, NULL);
    lock_take(&self.lock);
    self.runs = r == 0;
    lock_drop(&self.lock);
    return -r;
}

/* Ends the signal LWP.  Before it ends: who asks it to block more waits for its answer. */
static void end_lwp(void) {
    lock_take(&self.lock);
    self.runs = false;
    lock_drop(&self.lock);
    a32_store_release(&self.stop, 1);
    a32_add_full(&self.events, 1);
    umtx_wake(&self.events, 1, UMTX_PRIVATE);
    pthread_join(self.lwp, NULL);
}

void mni_signals_stop(void) {
    mni_crash_end();
    if (self.runs)
        end_lwp();
    mni_dump_signal_end(); /* after the LWP, whose last look for a deadlock asks for the signal's number */
}

void mni_signals_forked(bool own) {
    lock_reset(&self.lock);
    self.runs = false;
    mni_dump_signal_end();
    if (own)
        pthread_sigmask(SIG_SETMASK, &self.mask, NULL);
}
