/*
 * walk_read: walking stacks through reads of our own.
 *
 * libunwind's library for other processes has its reads answered by who calls it; the one for its own process
 * makes them, and faults where what it follows makes no sense.  Unwind tables are still found by the latter:
 * both are the same program.
 *
 * Where an address has no unwind information, libunwind goes on by frame pointers, which may step over frames:
 * who has to know all of them looks at `guessed`.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "walk_read.h"

#include <dlfcn.h>
#include <libunwind.h>

#include "ctx_frame.h"

#define NAME(macro) NAME_OF(macro)
#define NAME_OF(name) #name

static struct {
    unw_addr_space_t (*create)(unw_accessors_t *, int);
    void (*destroy)(unw_addr_space_t);
    unw_accessors_t *(*accessors)(unw_addr_space_t);
    unw_addr_space_t *local;
    int (*cache)(unw_addr_space_t, unw_caching_policy_t);
    int (*init)(unw_cursor_t *, unw_addr_space_t, void *);
    int (*step)(unw_cursor_t *);
    int (*get)(unw_cursor_t *, int, unw_word_t *);
    int (*find)(unw_addr_space_t, unw_word_t, unw_proc_info_t *, int, void *);
} unw; /* several may write it, all the same */

static int access_mem(unw_addr_space_t space, unw_word_t at, unw_word_t *value, int write, void *arg) {
    (void)space;
    struct mni_unwind *u = arg;
    uintptr_t word;
    if (write || !u->read(u, at, &word))
        return -UNW_EINVAL;
    *value = word;
    return 0;
}

static int access_reg(unw_addr_space_t space, unw_regnum_t number, unw_word_t *value, int write, void *arg) {
    (void)space;
    const struct mni_unwind *u = arg;
    if (write)
        return -UNW_EBADREG;
    *value = mni_ctx_register(&u->registers, number == UNW_REG_IP ? MNI_CTX_PC : number);
    if (number == MNI_CTX_SP)
        *value += u->shift;
    return 0;
}

static int access_fpreg(unw_addr_space_t space, unw_regnum_t number, unw_fpreg_t *value, int write, void *arg) {
    (void)space, (void)number, (void)value, (void)write, (void)arg;
    return -UNW_EBADREG;
}

static int resume(unw_addr_space_t space, unw_cursor_t *cursor, void *arg) {
    (void)space, (void)cursor, (void)arg;
    return -UNW_EINVAL;
}

static int find(unw_addr_space_t space, unw_word_t pc, unw_proc_info_t *info, int need, void *arg) {
    int r = unw.find(space, pc, info, need, arg);
    if (r < 0)
        ((struct mni_unwind *)arg)->guessed = true;
    return r;
}

static bool load(void) {
    void *lib = dlopen("libunwind-" NAME(UNW_TARGET) ".so.8", RTLD_NOW | RTLD_LOCAL);
    if (!lib)
        return false;
    *(void **)&unw.create = dlsym(lib, NAME(unw_create_addr_space));
    *(void **)&unw.destroy = dlsym(lib, NAME(unw_destroy_addr_space));
    *(void **)&unw.accessors = dlsym(lib, NAME(unw_get_accessors));
    *(void **)&unw.local = dlsym(lib, NAME(unw_local_addr_space));
    *(void **)&unw.cache = dlsym(lib, NAME(unw_set_caching_policy));
    *(void **)&unw.init = dlsym(lib, NAME(unw_init_remote));
    *(void **)&unw.step = dlsym(lib, NAME(unw_step));
    *(void **)&unw.get = dlsym(lib, NAME(unw_get_reg));
    return unw.create && unw.destroy && unw.accessors && unw.local && unw.cache && unw.init && unw.step &&
           unw.get;
}

void *mni_unwind_open(void) {
    if (!load())
        return NULL;
    unw_accessors_t a = *unw.accessors(*unw.local);
    unw.find = a.find_proc_info;
    a.find_proc_info = find;
    a.access_mem = access_mem;
    a.access_reg = access_reg;
    a.access_fpreg = access_fpreg;
    a.resume = resume;
    unw_addr_space_t space = unw.create(&a, 0);
    if (space)
        unw.cache(space, UNW_CACHE_GLOBAL);
    return space;
}

void mni_unwind_close(void *space) {
    if (space)
        unw.destroy(space);
}

void mni_unwind(void *space, struct mni_unwind *u, bool (*visit)(struct mni_unwind *u, uintptr_t pc)) {
    unw_cursor_t cursor;
    unw_word_t pc;
    if (!space || unw.init(&cursor, space, u) < 0)
        return;
    do
        if (unw.get(&cursor, UNW_REG_IP, &pc) < 0 || pc == 0)
            return;
    while (visit(u, pc) && unw.step(&cursor) > 0);
}

bool mni_unwind_name(const void *pc, char *name, size_t size, unsigned long *offset) {
    unw_word_t off = 0;
    unw_accessors_t *a = unw.accessors ? unw.accessors(*unw.local) : NULL;
    if (!a || !a->get_proc_name ||
        a->get_proc_name(*unw.local, (unw_word_t)(uintptr_t)pc, name, size, &off, NULL) < 0)
        return false;
    *offset = off;
    return true;
}
