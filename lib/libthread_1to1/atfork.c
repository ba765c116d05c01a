/*
 * pthread_atfork: the compatibility symbol of old programs.
 *
 * Programs built since 1999 have their own pthread_atfork, linked in from libc_nonshared.a; it calls the libc's
 * __register_atfork with the handle of the object that it lies in, so that dlclose can forget the handlers.  Older
 * ones, and objects linked without libc_nonshared.a, bind to a shared pthread_atfork, which cannot know its caller's
 * handle.  NULL stands for the program itself: handlers that are never forgotten.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "thr.h"

/* The libc's; part of the ABI between it and libc_nonshared.a.  0 or a positive errno. */
extern int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *dso);

THR_EXPORT int pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void)) {
    return __register_atfork(prepare, parent, child, NULL);
}
