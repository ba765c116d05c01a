/*
 * How a cancellation point is written: the libc's function over a window.
 *
 *     POINT(ssize_t, read, (int fd, void *buf, size_t n), (fd, buf, n), WINDOW3(SYS_read, fd, buf, n))
 *
 * exports read().  Three things hold for each: it works before our start-up code ran and in vfork children (the
 * window then is a plain system call); it does what the libc's does with the caller's arguments, errno
 * included; and under a libc that we do not know it calls that one's.
 *
 * Included first in cancel_points_*.c, which define functions that the headers may redirect or wrap.
 */
#ifndef THR_CANCEL_POINTS_H
#define THR_CANCEL_POINTS_H

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#undef _FORTIFY_SOURCE
#undef _FILE_OFFSET_BITS

#include <stddef.h>
#include <sys/syscall.h>
#include <sys/types.h>

#include "cancel.h"
#include "sigmask.h"
#include "sys.h"

#define NEXT_POINT(name)                                                                                     \
    static struct next_point next_##name __attribute__((section("thr_points"), used)) = {#name, NULL}

#define WINDOW3(nr, a, b, c) thr_window3((long)(a), (long)(b), (long)(c), (nr))
#define WINDOW6(nr, a, b, c, d, e, f)                                                                        \
    thr_window6((long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f), (nr))

/* The window's result as the caller of a POSIX function sees it. */
static inline long point_result(long result) {
    return likely((unsigned long)result < (unsigned long)WINDOW_CANCELED) ? result : thr_point_failed(result);
}

/* The result of a plain system call, for the parts of a point's function that are none. */
static inline long plain_result(long result) {
    if (likely((unsigned long)result <= (unsigned long)WINDOW_CANCELED))
        return result;
    errno = (int)-result;
    return -1;
}

#define FORWARD(type, name, params, args)                                                                    \
    if (unlikely(thr_cancel_forward))                                                                        \
    return ((type(*) params)next_##name.function)args

#define POINT(type, name, params, args, call)                                                                \
    NEXT_POINT(name);                                                                                        \
    THR_EXPORT type name params {                                                                            \
        FORWARD(type, name, params, args);                                                                   \
        return (type)point_result(call);                                                                     \
    }

/* The same for a name that no header declares: the libc's own aliases and _FORTIFY_SOURCE's variants. */
#define POINT_UNDECLARED(type, name, params, args, call)                                                     \
    type name params;                                                                                        \
    POINT(type, name, params, args, call)

/* What the libc calls when _FORTIFY_SOURCE finds that a buffer is too small. */
_Noreturn void __chk_fail(void);
#define CHECKED(ok, call) ((ok) ? (call) : (__chk_fail(), 0L))

/* A signal set without the libc's own signals: they must be neither blocked nor consumed. */
#define SIGSET_BYTES 8
struct short_sigset {
    uint64_t bits;
};
static inline const void *public_signals(const void *set, struct short_sigset *copy) {
    if (!set)
        return NULL;
    copy->bits = *(const uint64_t *)set & ~(uint64_t)SIGMASK_KEPT;
    return copy;
}

#endif
