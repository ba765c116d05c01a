/*
 * pthread_atfork: the compatibility symbol of old programs.
 *
 * Programs built since 1999 have their own pthread_atfork, linked in from libc_nonshared.a; it calls the libc's
 * __register_atfork with the handle of the object that it lies in, so that dlclose can forget the handlers.
 * Older ones, objects linked without libc_nonshared.a, and those linked with this library, which the linker
 * comes to first, bind to a shared pthread_atfork, which cannot know its caller's handle.  NULL stands for the
 * program itself: handlers that are never forgotten.  So the objects that they lie in must stay, or the next
 * fork after a dlclose would run code that is gone: they are marked RTLD_NODELETE.  (By the handlers'
 * addresses: a return address says little, since the call is often a tail call.)
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <dlfcn.h>
#include <errno.h>
#include <link.h>

#include "fork.h"
#include "thr.h"

/* The libc's; part of the ABI between it and libc_nonshared.a.  0 or a positive errno. */
extern int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *dso);

int thr_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void)) {
    return __register_atfork(prepare, parent, child, NULL);
}

static void keep_loaded(void (*function)(void)) {
    Dl_info info;
    struct link_map *map;
    if (!function || !dladdr1((void *)(uintptr_t)function, &info, (void **)&map, RTLD_DL_LINKMAP))
        return;
    if (map->l_name[0] == '\0')
        return; /* the program itself */
    void *handle = dlopen(map->l_name, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
    if (handle)
        dlclose(handle); /* the mark stays */
}

THR_EXPORT int pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void)) {
    int saved = errno;
    keep_loaded(prepare);
    keep_loaded(parent);
    keep_loaded(child);
    errno = saved;
    return thr_atfork(prepare, parent, child);
}
