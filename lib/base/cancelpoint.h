/*
 * cancelpoint: a system call that a cancellation request can end.
 *
 * lib/base does not know what cancellation is: each library that links it defines this function.  It makes the
 * system call and returns its result, or -ECANCELED if the calling thread is to act on a request; the call has
 * then had no effect.  (tests/unit/cancelpoint_plain.c is a plain system call, for tests of lib/base alone.)
 */
#ifndef OD_CANCELPOINT_H
#define OD_CANCELPOINT_H

long cancelpoint_syscall(long nr, long a, long b, long c, long d, long e, long f);

#endif
