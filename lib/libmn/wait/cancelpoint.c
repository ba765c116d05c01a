/* What a wait of lib/base does with UMTX_CANCELPOINT here: green threads never sleep in the kernel, so
 * nothing. */
#include "cancelpoint.h"

#include "syscall.h"

long cancelpoint_syscall(long nr, long a, long b, long c, long d, long e, long f) {
    return sys6(nr, a, b, c, d, e, f);
}
