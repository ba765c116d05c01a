/*
 * exceptions: what the C++ runtime keeps for each thread.
 *
 * The Itanium ABI gives each thread two words: the stack of exceptions that are being handled, and the count of
 * those that are thrown and not caught yet.  A C++ library keeps them in __thread memory and finds them by
 * __cxa_get_globals().  A green thread that blocks in a catch block, or in a destructor while its stack is
 * unwound, would leave them to the next one.
 *
 * Saving and restoring them at each switch costs a load and a store of both in every switch, of programs
 * without C++ too, and misses libraries that are loaded later.  But libstdc++ and libc++abi call
 * __cxa_get_globals and __cxa_get_globals_fast through their PLT, and libmn, which a program names before the
 * C++ library, comes first in the order in which the loader looks.  So these are the functions that they get:
 * in a green thread its descriptor's two words, in other LWPs a __thread pair.  Switches cost nothing, and a
 * C++ library that is loaded later finds them just as well.  (No symbol version: a definition without one takes
 * references with any.)
 *
 * Where another definition comes first (the C++ library was preloaded, or named before libmn), the two words
 * are copied at switches after all.  A library that was loaded with RTLD_DEEPBIND, or that contains a C++
 * library with hidden symbols, is beyond both: its threads must not block while they handle an exception.
 */
#include "exceptions.h"

#include <dlfcn.h>

#include "current.h"
#include "export.h"

/* The C++ ABI's: in no header of C. */
void *__cxa_get_globals(void);
void *__cxa_get_globals_fast(void);

static void *(*theirs)(void); /* written before there are workers */
static __thread void *lwp[2] __attribute__((tls_model("initial-exec")));

/* Another function's address of lwp would be kept over a switch. */
__attribute__((noinline)) static void *globals(void) {
    struct mni_thread *t = mni_current();
    return t ? t->own->exceptions : lwp;
}

MN_EXPORT void *__cxa_get_globals(void) {
    return globals();
}

MN_EXPORT void *__cxa_get_globals_fast(void) {
    return globals();
}

void mni_exceptions_start(void) {
    void *first = dlsym(RTLD_DEFAULT, "__cxa_get_globals");
    theirs = NULL;
    if (first && first != (void *)&__cxa_get_globals)
        *(void **)&theirs = first;
}

void **mni_exceptions_lwp(void) {
    return theirs ? theirs() : NULL;
}
