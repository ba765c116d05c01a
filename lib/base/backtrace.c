#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "backtrace.h"

#include <dlfcn.h>
#include <errno.h>
#define UNW_LOCAL_ONLY
#include <libunwind.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "atomic.h"
#include "lock.h"
#include "sys.h"

enum { DEPTH = 128, UNTRIED = 0, LOADED, MISSING };

/* unw_backtrace spells the same on every architecture; the others are macros for what is really there. */
#define NAME(macro) NAME_OF(macro)
#define NAME_OF(name) #name

static struct {
    int (*backtrace)(void **, int);
    int (*init)(unw_cursor_t *, unw_context_t *, int);
    int (*step)(unw_cursor_t *);
    int (*get)(unw_cursor_t *, int, unw_word_t *);
} unw; /* written once, or by several alike */
static uint32_t state; /* UNTRIED, LOADED, MISSING; release in prepare, acquire by its readers */

int backtrace_prepare(void) {
    uint32_t seen = a32_load_acquire(&state); /* acquire: pairs with the release below; `walk` is valid */
    if (seen == UNTRIED) {
        /* Two threads may both load it: the loader counts references, and both find the same functions. */
        void *lib = dlopen("libunwind.so.8", RTLD_NOW | RTLD_LOCAL);
        /* Relaxed: published by the release below. */
        aptr_store(&unw.backtrace, lib ? dlsym(lib, "unw_backtrace") : NULL);
        aptr_store(&unw.init, lib ? dlsym(lib, NAME(unw_init_local2)) : NULL);
        aptr_store(&unw.step, lib ? dlsym(lib, NAME(unw_step)) : NULL);
        aptr_store(&unw.get, lib ? dlsym(lib, NAME(unw_get_reg)) : NULL);
        seen = unw.backtrace && unw.init && unw.step && unw.get ? LOADED : MISSING;
        a32_store_release(&state, seen); /* release: pairs with the acquire loads of state */
    }
    return seen == LOADED ? 0 : -ENOENT;
}

__attribute__((noinline)) int backtrace_take(void **pcs, int max, int skip) {
    void *all[DEPTH];
    if (max <= 0 || skip < 0 || backtrace_prepare() != 0)
        return 0;
    int n = aptr_load(&unw.backtrace)(all, DEPTH);
    int first = 1 + skip; /* it starts with the address in this function that it returns to */
    int count = 0;
    while (first < n && count < max)
        pcs[count++] = all[first++];
    return count;
}

int backtrace_take_from(const void *ucontext, int interrupted, void **pcs, int max) {
    unw_cursor_t cursor;
    unw_context_t context;
    int n = 0;
    if (max <= 0 || backtrace_prepare() != 0)
        return 0;
    /* On each architecture its context is a ucontext_t, or as much of its beginning as it uses. */
    _Static_assert(sizeof context <= sizeof(ucontext_t), "part of a ucontext_t");
    memcpy(&context, ucontext, sizeof context);
    if (aptr_load(&unw.init)(&cursor, &context, interrupted ? UNW_INIT_SIGNAL_FRAME : 0) < 0)
        return 0;
    do {
        unw_word_t pc;
        if (aptr_load(&unw.get)(&cursor, UNW_REG_IP, &pc) < 0 || pc == 0)
            break;
        pcs[n++] = (void *)(uintptr_t)pc;
    } while (n < max && aptr_load(&unw.step)(&cursor) > 0);
    return n;
}

void backtrace_print(int fd, void *const *pcs, int n) {
    char line[512];
    if (n == 0) {
        int len = snprintf(line, sizeof line, "  no backtrace: %s\n",
                           backtrace_prepare() == 0 ? "nothing was recorded"
                                                    : "libunwind.so.8 cannot be loaded (package libunwind8)");
        sys(SYS_write, fd, line, len);
    }
    for (int i = 0; i < n; i++) {
        Dl_info info;
        memset(&info, 0, sizeof info);
        int len;
        /* A return address may lie behind the end of its function, when that ends in a call: look one before
         * it. */
        if (dladdr((void *)((uintptr_t)pcs[i] - 1), &info) == 0)
            len = snprintf(line, sizeof line, "  #%-2d %p\n", i, pcs[i]);
        else if (!info.dli_sname)
            len = snprintf(line, sizeof line, "  #%-2d %p  %s+0x%lx\n", i, pcs[i], info.dli_fname,
                           (unsigned long)((char *)pcs[i] - (char *)info.dli_fbase));
        else
            len = snprintf(line, sizeof line, "  #%-2d %p  %s+0x%lx (%s)\n", i, pcs[i], info.dli_sname,
                           (unsigned long)((char *)pcs[i] - (char *)info.dli_saddr), info.dli_fname);
        if (len > (int)sizeof line - 1) {
            len = sizeof line - 1;
            line[len - 1] = '\n';
        }
        sys(SYS_write, fd, line, len);
    }
}
