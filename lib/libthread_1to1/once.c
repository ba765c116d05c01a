/*
 * pthread_once and call_once.
 *
 * Guarantee.  The routine has run to its end exactly once before any caller returns, and what it did is seen
 * by all. If it is left by cancellation, pthread_exit or a C++ exception, the control is as if the call had
 * never been made: one of the waiters, or the next caller, runs the routine again.  After a fork in the
 * middle of the routine the child starts over, since the thread that ran it does not exist there.
 *
 * The word (the libc's values for 0 and DONE):
 *
 *   0                  nobody has started                     any caller may start: -> RUNNING
 *   pid << 2 | RUNNING a thread of process pid runs it        only that thread: -> DONE, -> 0; others sleep
 *                      ... of another process (before fork)   as 0
 *   DONE               final
 *
 * The process id tells a fork's child that RUNNING is not its own: no fork handler is needed, and _Fork and
 * a plain clone are covered too.  It is asked for (a system call) only by a caller that does not find DONE.
 *
 * Being left by an exception.  In C one would write a cleanup attribute; its personality routine lives in
 * libgcc_s, which this library must not depend on (and a landing pad would end in _Unwind_Resume, which
 * lives there too).  But a landing pad is not needed: the unwinder calls the personality routine of each
 * frame as it leaves it, for exceptions and forced unwinding alike, and that routine may do the work itself.
 * So call_init() names one of ours, which asks nothing of the unwinder: the control to reset is on a
 * per-thread list of routines that run, the innermost first, in the order in which frames are left.
 *
 * Limits: a routine left by longjmp stays RUNNING (undefined in POSIX), as does one that calls pthread_once
 * on its own control.  A child that has the process id of its parent (each 1 in its own PID namespace) waits
 * for ever.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "thr.h"

#include <threads.h>
#include <unwind.h>

#include "sys.h"
#include "umtx.h"

enum { RUNNING = 1, DONE = 2, PID_SHIFT = 2 };

struct running {
    uint32_t *word;
    struct running *outer;
};
static __thread struct running *innermost __attribute__((tls_model("initial-exec")));

static void finish(struct running *r, uint32_t value) {
    innermost = r->outer;
    /* release: what the routine did, or undid; pairs with the acquire loads in run() and pthread_once() */
    a32_store_release(r->word, value);
    umtx_wake(r->word, UMTX_WAKE_ALL, UMTX_PRIVATE);
}

/* Named by call_init()'s unwind information: called for that frame in both phases of unwinding. */
_Unwind_Reason_Code thr_once_personality(int version, _Unwind_Action actions, _Unwind_Exception_Class cls,
                                         struct _Unwind_Exception *exception, struct _Unwind_Context *context)
    __attribute__((visibility("hidden"), used));

_Unwind_Reason_Code thr_once_personality(int version, _Unwind_Action actions, _Unwind_Exception_Class cls,
                                         struct _Unwind_Exception *exception, struct _Unwind_Context *context) {
    (void)version, (void)cls, (void)exception, (void)context;
    if (actions & _UA_CLEANUP_PHASE)
        finish(innermost, 0);
    return _URC_CONTINUE_UNWIND;
}

__attribute__((noinline)) static void call_init(void (*init)(void)) {
    __asm__ volatile(".cfi_personality 0x1b, thr_once_personality"); /* 0x1b: pc-relative, four bytes */
    init();
    __asm__ volatile("" ::: "memory"); /* no tail call: the frame must be there */
}

__attribute__((noinline)) static void once_slow(uint32_t *word, void (*init)(void)) {
    uint32_t mine = (uint32_t)sys(SYS_getpid) << PID_SHIFT | RUNNING;
    for (;;) {
        uint32_t seen = a32_load_acquire(word); /* acquire: pairs with finish() */
        if (seen == DONE)
            return;
        if (seen == mine)
            umtx_wait(word, seen, NULL, CLOCK_MONOTONIC, UMTX_PRIVATE);
        else if (a32_cas_acquire(word, seen, mine)) /* acquire: what a routine that was left early did */
            break;
    }
    struct running r = {word, innermost};
    innermost = &r;
    call_init(init);
    finish(&r, DONE);
}

THR_EXPORT int pthread_once(pthread_once_t *control, void (*init)(void)) {
    uint32_t *word = (uint32_t *)control;
    if (unlikely(a32_load_acquire(word) != DONE)) /* acquire: pairs with finish() */
        once_slow(word, init);
    return 0;
}
THR_ALIAS(__pthread_once, pthread_once);

THR_EXPORT void call_once(once_flag *flag, void (*init)(void)) {
    pthread_once((pthread_once_t *)flag, init);
}
