/*
 * cancel: what the cancellation files share.  doc/design/cancellation.md is the whole story.
 *
 *   arch/.../cancel_window.S the system call that a request can end
 *   cancel.c                 the word, pthread_cancel, the signal handler, pthread_setcancel*, pthread_testcancel
 *   cancel_syscall.c         what happens when a window was cancelled or interrupted; lib/base's cancelpoint.h
 *   cancel_points_*.c        the calls that POSIX makes cancellation points
 *   cleanup.c                unwinding
 */
#ifndef THR_CANCEL_H
#define THR_CANCEL_H

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "thr.h"

#define HIDDEN __attribute__((visibility("hidden")))

/*
 * The cancel word: a field of the libc's struct pthread, and the only truth about a thread's cancellation, so
 * that the points inside the libc and ours agree.
 *
 *   bit         set by                                    cleared by
 *   DISABLED    its thread: pthread_setcancelstate        its thread
 *   ASYNC       its thread: pthread_setcanceltype, and    its thread
 *               the libc around its own blocking calls
 *   CANCELING   with CANCELED (the libc's forerunner      never: both are for good
 *   CANCELED    of it); anyone: pthread_cancel
 *   EXITING     its thread: it unwinds or has ended       never
 *   TERMINATED, SETXID: the libc's own affair
 *
 * A thread acts on a request when (word & (DISABLED | CANCELED | EXITING)) == CANCELED.  The numbers also stand
 * in cancel_window.S.
 */
enum {
    CANCEL_DISABLED = 0x01,
    CANCEL_ASYNC = 0x02,
    CANCEL_CANCELING = 0x04,
    CANCEL_CANCELED = 0x08,
    CANCEL_EXITING = 0x10,
    CANCEL_TERMINATED = 0x20,
    CANCEL_DUE_MASK = CANCEL_DISABLED | CANCEL_CANCELED | CANCEL_EXITING,
};

/* Distance from the thread pointer (the pthread_t) to the word; 0: not known (yet).  Set once, at start-up. */
extern intptr_t thr_cancel_offset HIDDEN;

/* The libc is not one that we know: every cancellation function and point is handed to its own. */
extern int thr_cancel_forward HIDDEN;

/* The windows that a thread is in: 1, or more when a signal handler that interrupted one is in another. */
extern __thread uint32_t thr_window_depth __attribute__((tls_model("initial-exec"), visibility("hidden")));

static inline uint32_t *cancel_word_of(pthread_t t) {
    /* Which is from the thread pointer. */
    return (uint32_t *)((uintptr_t)t + tcb_bias() + (uintptr_t)thr_cancel_offset);
}

static inline uint32_t *cancel_word(void) {
    return cancel_word_of((pthread_t)tcb_self());
}

static inline bool cancel_due(uint32_t word) {
    return (word & CANCEL_DUE_MASK) == CANCEL_CANCELED;
}

/* ---- cancel_window.S */

/* The system call's result, or WINDOW_CANCELED: it was not made, or undone, and the thread is to act. */
long thr_window3(long a, long b, long c, long nr) HIDDEN;
long thr_window6(long a, long b, long c, long d, long e, long f, long nr) HIDDEN;
extern const char thr_window_entry[] HIDDEN, thr_window_start[] HIDDEN, thr_window_end[] HIDDEN;
extern const char thr_window_cancelled[] HIDDEN, thr_window_leave[] HIDDEN;

/* Just below the errno range, so that one comparison finds both: no system call returns it. */
#define WINDOW_CANCELED (-4096L)

/* ---- cancel_syscall.c */

/* The window's cancelled exit calls it with the call's arguments. */
long thr_window_hit(long a, long b, long c, long d, long e, long f, long nr) HIDDEN;

/* Whether the calling thread is to act on a request now. */
bool thr_cancel_pending(void) HIDDEN;

/* A cancellation point's failure: acts if that is what it means, else sets errno and returns -1. */
long thr_point_failed(long result) HIDDEN;
/* The same for close, whose EINTR means that it is done. */
long thr_point_failed_done(long result) HIDDEN;

/* ---- cancel.c */

/* One entry for each exported point (cancel_points.h): filled in if the points are to be handed to the libc. */
struct next_point {
    const char *name;
    void *function; /* the libc's of that name */
};

/* ---- cleanup.c */

/* The libc's own functions that are called where none can be looked up; found at start-up. */
struct libc_cancel {
    void (*exit)(void *result) __attribute__((noreturn));
    int (*setstate)(int state, int *old);
    int (*settype)(int type, int *old);
};
extern struct libc_cancel libc_cancel HIDDEN;

/* cancelpoint_syscall() for a libc that we do not know. */
long thr_cancelpoint_forward(long nr, long a, long b, long c, long d, long e, long f) HIDDEN;

#endif
