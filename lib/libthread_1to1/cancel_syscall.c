/*
 * What a cancelled or interrupted window means; cancelpoint.h for this library.
 *
 * A vfork child runs on its parent's thread block: it shares the word and the descriptor, and is not the thread
 * that a request is meant for.  Acting there would unwind the parent's stack in the child.  So before a thread
 * acts at a system call, it makes sure that it is itself; in the child the call is simply made.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "cancel.h"
#include "cancelpoint.h"
#include "sys.h"

static bool in_vfork_child(void) {
    /* 0: nobody has asked yet, and then no child has inherited an answer */
    uint32_t tid = *thr_tid_word(thr_self());
    return tid && tid != (uint32_t)sys(SYS_gettid);
}

bool thr_cancel_pending(void) {
    return cancel_due(a32_load(cancel_word())) && !in_vfork_child(); /* relaxed: acting orders nothing */
}

long thr_window_hit(long a, long b, long c, long d, long e, long f, long nr) {
    return in_vfork_child() ? sys6(nr, a, b, c, d, e, f) : WINDOW_CANCELED;
}

long cancelpoint_syscall(long nr, long a, long b, long c, long d, long e, long f) {
    if (unlikely(thr_cancel_forward))
        return thr_cancelpoint_forward(nr, a, b, c, d, e, f);
    long result = thr_window6(a, b, c, d, e, f, nr);
    if (unlikely(result == WINDOW_CANCELED || (result == -EINTR && thr_cancel_offset && thr_cancel_pending())))
        return -ECANCELED;
    return result;
}

long thr_point_failed(long result) {
    /* EINTR: the call had no effect, and the signal may have been the request. */
    if (result == WINDOW_CANCELED || (result == -EINTR && thr_cancel_offset && thr_cancel_pending()))
        thr_cancel_act();
    errno = (int)-result;
    return -1;
}

long thr_point_failed_done(long result) {
    if (result == WINDOW_CANCELED)
        thr_cancel_act();
    errno = (int)-result;
    return -1;
}
