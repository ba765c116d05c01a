/* The name of a function, by what the dynamic loader knows: a static function, or one of a program that was
 * linked without -rdynamic, has none, and is named by its place in the object, as addr2line takes it. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "symbol.h"

#include <dlfcn.h>
#include <stdio.h>

const char *mni_symbol(const void *function, char *text, size_t size) {
    Dl_info info;
    if (dladdr(function, &info) == 0 || !info.dli_fname)
        snprintf(text, size, "%p", function);
    else if (info.dli_sname && info.dli_saddr == function)
        snprintf(text, size, "%s (%s)", info.dli_sname, info.dli_fname);
    else
        snprintf(text, size, "%s+0x%lx", info.dli_fname,
                 (unsigned long)((const char *)function - (const char *)info.dli_fbase));
    return text;
}
