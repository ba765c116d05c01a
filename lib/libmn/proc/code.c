/*
 * code: which modules (the program, shared objects) a program has registered as processes' code.
 *
 * A list that only grows, and is read by handlers of signals.  What lies where is in the module's program
 * headers, which are mapped as long as it is loaded; so a registered one is never unloaded.
 *
 * libmn itself is in the list, since walks go through some of its frames, but its code is not processes'
 * code.  Where both are one module (the library linked statically), no address would tell them apart: nothing
 * is trapped then.
 */
#include "proc/code.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <mn/proc.h>
#include <stdlib.h>

#include "atomic.h"
#include "debug/crash.h"
#include "export.h"
#include "fault.h"
#include "proc/trap.h"
#include "thread/fiber.h"

struct module {
    struct module *next;
    uintptr_t base;
    const ElfW(Phdr) * headers;
    unsigned n;
    bool code;
};

static struct module *modules; /* atomic */

static bool inside(uintptr_t base, const ElfW(Phdr) * headers, unsigned n, uint32_t flags, uintptr_t at,
                   uintptr_t size) {
    for (unsigned i = 0; i < n; i++) {
        const ElfW(Phdr) *h = &headers[i];
        uintptr_t offset = at - (base + h->p_vaddr);
        if (h->p_type == PT_LOAD && (h->p_flags & flags) == flags && offset < h->p_memsz &&
            size <= h->p_memsz - offset)
            return true;
    }
    return false;
}

/* Acquire, in both: pairs with add(). */
bool mni_code_is(uintptr_t pc) {
    for (const struct module *m = aptr_load_acquire(&modules); m; m = m->next)
        if (m->code && inside(m->base, m->headers, m->n, PF_X, pc, 1))
            return true;
    return false;
}

bool mni_code_readable(uintptr_t at, uintptr_t size) {
    for (const struct module *m = aptr_load_acquire(&modules); m; m = m->next)
        if (inside(m->base, m->headers, m->n, PF_R, at, size))
            return true;
    return false;
}

struct search {
    uintptr_t address;
    struct module found; /* headers == NULL: no */
};

static int look(struct dl_phdr_info *info, size_t size, void *arg) {
    struct search *s = arg;
    (void)size;
    if (!inside(info->dlpi_addr, info->dlpi_phdr, info->dlpi_phnum, 0, s->address, 1))
        return 0;
    s->found = (struct module){.base = info->dlpi_addr, .headers = info->dlpi_phdr, .n = info->dlpi_phnum};
    return 1;
}

static const struct module *listed(const struct module *m) {
    const struct module *i = aptr_load_acquire(&modules);
    while (i && i->headers != m->headers)
        i = i->next;
    return i;
}

/* Two may add the same: no harm. */
static int add(struct module *m) {
    if (listed(m))
        return 0;
    struct module *own = fault("malloc") ? NULL : malloc(sizeof *own);
    if (!own)
        return -ENOMEM;
    do {
        m->next = aptr_load(&modules);
        *own = *m;
        /* Full: its words before it; pairs with the acquire loads. */
    } while (!aptr_cas_full(&modules, m->next, own));
    return 0;
}

/* By an address in it. */
static void keep_loaded(const void *address) {
    Dl_info info;
    struct link_map *map;
    if (dladdr1(address, &info, (void **)&map, RTLD_DL_LINKMAP) && map->l_name[0])
        dlopen(map->l_name, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
}

MN_EXPORT int mn_trap_faults(const void *in_module) {
    struct search theirs = {.address = (uintptr_t)in_module}, ours = {.address = (uintptr_t)&modules};
    if (!dl_iterate_phdr(look, &theirs))
        return -EINVAL;
    if (MNI_FIBERS || !dl_iterate_phdr(look, &ours) || theirs.found.headers == ours.found.headers)
        return -ENOTSUP;
    int r = mni_trap_prepare();
    if (r < 0)
        return r;
    keep_loaded(in_module);
    theirs.found.code = true;
    if ((r = add(&ours.found)) < 0 || (r = add(&theirs.found)) < 0)
        return r;
    mni_crash_trap();
    return 0;
}
