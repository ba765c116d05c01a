/* cancelpoint.h for this library. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "cancelpoint.h"

#include "syscall.h"
#include "thr.h"

long cancelpoint_syscall(long nr, long a, long b, long c, long d, long e, long f) {
    return sys6(nr, a, b, c, d, e, f);
}
