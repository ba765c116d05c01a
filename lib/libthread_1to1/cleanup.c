/*
 * Unwinding: how a thread that acts on a request ends.
 *
 * pthread_cleanup_push compiles to one of three things: a C++ object or a variable with a cleanup attribute,
 * which the unwinder runs; __sigsetjmp + __pthread_register_cancel, which puts a jump buffer on a list in the
 * libc's struct pthread; in very old programs _pthread_cleanup_push, another list there.  Forced unwinding is
 * the libc's too: its pthread_exit walks the frames, runs the entries of both lists when it passes their
 * frames, and jumps to the innermost buffer.  Both lists are also used by the libc itself (system, stdio's
 * locks).  Therefore the functions over them
 *
 *     _pthread_cleanup_push, _pthread_cleanup_pop, _pthread_cleanup_push_defer, _pthread_cleanup_pop_restore,
 *     __pthread_register_cancel, __pthread_unregister_cancel, __pthread_register_cancel_defer,
 *     __pthread_unregister_cancel_restore, __pthread_unwind_next, __pthread_cleanup_routine
 *
 * stay the libc's: two owners of one list can only disagree.  They read and write the cancel word where they
 * touch cancellation at all (the _defer and _restore forms), and so agree with cancel.c.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "cancel.h"
#include "panic.h"
#include "sanitizer.h"
#include "sys.h"

struct libc_cancel libc_cancel;

_Noreturn void thr_cancel_act(void) {
    /* No second request from here on, not even from the signal handler (full: as request() in cancel.c). */
    if (thr_cancel_offset)
        a32_or_full(cancel_word(), CANCEL_EXITING);
    thr_self()->result = PTHREAD_CANCELED;
    thr_window_depth = 0; /* those that were interrupted below us are left for good */
    if (!libc_cancel.exit)
        panic("the libc has no pthread_exit", 0);
    sanitizer_unwinds();
    libc_cancel.exit(PTHREAD_CANCELED);
}

/*
 * The wait of pthread_cond_wait and the like under a libc that we do not know: asynchronous type around the
 * call, and a frame on the libc's list that stops the unwinding, so that our caller can tidy up before it goes
 * on.
 */
void __pthread_register_cancel(__pthread_unwind_buf_t *buffer);
void __pthread_unregister_cancel(__pthread_unwind_buf_t *buffer);

long thr_cancelpoint_forward(long nr, long a, long b, long c, long d, long e, long f) {
    __pthread_unwind_buf_t frame;
    int type;
    if (__sigsetjmp_cancel(frame.__cancel_jmp_buf, 0)) {
        __pthread_unregister_cancel(&frame);
        return -ECANCELED;
    }
    __pthread_register_cancel(&frame);
    libc_cancel.settype(PTHREAD_CANCEL_ASYNCHRONOUS, &type);
    long result = sys6(nr, a, b, c, d, e, f);
    libc_cancel.settype(type, NULL);
    __pthread_unregister_cancel(&frame);
    return result;
}
