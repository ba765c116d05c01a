/*
 * mn/errno.h: errno in a program whose threads move between LWPs.
 *
 * The libc's errno is the LWP's, and compilers keep its address across calls.  Here it is found anew at every
 * use; a thread that moves takes its value along.  Include it after <errno.h>, or let mn.h do so.
 */
/* Programs that have this directory in their path, for mn/sys/event.h, find it as <errno.h>. */
#pragma GCC system_header
#ifndef MN_ERRNO_WITHIN /* nothing may be next to <mn/errno.h>: /usr/include is the last directory */
#define MN_ERRNO_WITHIN
#include <errno.h>
#undef MN_ERRNO_WITHIN
#else
#include_next <errno.h>
#endif

#ifndef MN_ERRNO_H
#define MN_ERRNO_H

#ifdef __cplusplus
extern "C" {
#endif

/* Where the calling LWP's errno is at this moment.  Contexts: any, signal. */
int *mn_errno(void);

#ifdef __cplusplus
}
#endif

#undef errno
#define errno (*mn_errno())

#endif
