/* errno: where it is at this moment (mn/errno.h).  Not inlined anywhere: the caller may come back on another
 * LWP. */
#include <errno.h>

#include <mn/errno.h>

#include "export.h"

#undef errno
extern int *__errno_location(void);

MN_EXPORT int *mn_errno(void) {
    return __errno_location();
}
