/* cancelpoint.h for tests of lib/base alone: nothing is ever cancelled. */
#include "cancelpoint.h"

#include "syscall.h"

long cancelpoint_syscall(long nr, long a, long b, long c, long d, long e, long f) {
    return sys6(nr, a, b, c, d, e, f);
}
