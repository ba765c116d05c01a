/* System calls by their number, any number of arguments: sys(SYS_futex, addr, op, ...). */
#ifndef OD_OS_SYS_H
#define OD_OS_SYS_H

#include <sys/syscall.h>

#include "syscall.h" /* arch/ */

#define OD_SYS_PICK(nr, a, b, c, d, e, f, ...)                                                               \
    sys6((nr), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#define sys(...) OD_SYS_PICK(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)

#endif
