/*
 * walk_copy: where a parked thread is, while it may be woken at any moment.
 *
 * Walking the stack itself (walk.c) needs somebody who keeps the thread from running.  To dump all threads of a program
 * that goes on, nobody does: the stack is copied, the caller looks whether the thread has stayed parked meanwhile, and the
 * copy is walked.  A copy that turns out to be a mixture is thrown away, and would do no harm if it were walked: the
 * unwinder's reads come to us.  Those inside the stack are answered from the copy, all others are of unwind tables, or of
 * whatever address nonsense leads to; they are made through the kernel, a page at a time (peek.h).
 *
 * libunwind's library for other processes lets its reads be answered; the one that walks its own process does not.  Unwind
 * tables are still found by the one for its own: both are the same program.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "walk_copy.h"

#include <dlfcn.h>
#include <libunwind.h>
#include <string.h>

#include "ctx_frame.h"
#include "peek.h"

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
} unw; /* several may write it, all the same */

struct walk {
    struct mni_copy *copy;
    ucontext_t registers;
    uintptr_t shift; /* from the copy to the original, for the stack pointer */
};

static int read_page(struct mni_copy *c, unw_word_t at, unw_word_t *value) {
    char *to = (char *)value;
    for (size_t done = 0; done < sizeof *value;) {
        const char *from = (const char *)(uintptr_t)(at + done);
        const char *page = (const char *)((uintptr_t)from & ~(uintptr_t)(MNI_COPY_PAGE - 1));
        size_t place = (uintptr_t)page / MNI_COPY_PAGE % MNI_COPY_PAGES, offset = (size_t)(from - page);
        if (c->page_at[place] != page) {
            c->page_at[place] = NULL;
            if (!mni_peek(c->page[place], page, MNI_COPY_PAGE))
                return -UNW_EINVAL;
            c->page_at[place] = page;
        }
        size_t n = MNI_COPY_PAGE - offset < sizeof *value - done ? MNI_COPY_PAGE - offset : sizeof *value - done;
        memcpy(to + done, c->page[place] + offset, n);
        done += n;
    }
    return 0;
}

static int access_mem(unw_addr_space_t space, unw_word_t at, unw_word_t *value, int write, void *arg) {
    (void)space;
    struct mni_copy *c = ((struct walk *)arg)->copy;
    if (write)
        return -UNW_EINVAL;
    if (at >= c->low && at - c->low < c->size) {
        if (c->size - (at - c->low) < sizeof *value)
            return -UNW_EINVAL;
        memcpy(value, c->stack + (at - c->low), sizeof *value);
        return 0;
    }
    return read_page(c, at, value);
}

static int access_reg(unw_addr_space_t space, unw_regnum_t number, unw_word_t *value, int write, void *arg) {
    (void)space;
    const struct walk *w = arg;
    if (write)
        return -UNW_EBADREG;
    *value = mni_ctx_register(&w->registers, number == UNW_REG_IP ? MNI_CTX_PC : number);
    if (number == MNI_CTX_SP)
        *value += w->shift;
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
    return unw.create && unw.destroy && unw.accessors && unw.local && unw.cache && unw.init && unw.step && unw.get;
}

void mni_copy_begin(struct mni_copy *c) {
    c->missing = true;
    if (!load())
        return;
    unw_accessors_t a = *unw.accessors(*unw.local);
    a.access_mem = access_mem;
    a.access_reg = access_reg;
    a.access_fpreg = access_fpreg;
    a.resume = resume;
    unw_addr_space_t space = unw.create(&a, 0);
    if (!space)
        return;
    unw.cache(space, UNW_CACHE_GLOBAL);
    c->space = space;
    c->missing = false;
}

void mni_copy_end(struct mni_copy *c) {
    if (c->space)
        unw.destroy(c->space);
}

bool mni_copy_take(struct mni_copy *c, uintptr_t sp, uintptr_t top) {
    if (top <= sp || top - sp < MNI_CTX_BYTES)
        return false;
    c->low = sp;
    c->size = top - sp < MNI_COPY_MOST ? top - sp : MNI_COPY_MOST;
    return mni_peek(c->stack, (const void *)sp, c->size);
}

static int walk(struct walk *w, void **pcs, int max) {
    unw_cursor_t cursor;
    if (w->copy->missing || max <= 0 || unw.init(&cursor, w->copy->space, w) < 0)
        return 0;
    int n = 0;
    do {
        unw_word_t pc;
        if (unw.get(&cursor, UNW_REG_IP, &pc) < 0 || pc == 0)
            break;
        pcs[n++] = (void *)(uintptr_t)pc;
    } while (n < max && unw.step(&cursor) > 0);
    return n;
}

int mni_copy_walk(struct mni_copy *c, void **pcs, int max) {
    struct walk w = {.copy = c, .shift = c->low - (uintptr_t)c->stack};
    mni_ctx_unpack(c->stack, &w.registers);
    return walk(&w, pcs, max);
}

int mni_copy_walk_from(struct mni_copy *c, const ucontext_t *registers, void **pcs, int max) {
    struct walk w = {.copy = c, .registers = *registers};
    return walk(&w, pcs, max);
}

bool mni_copy_name(struct mni_copy *c, const void *pc, char *name, size_t size, unsigned long *offset) {
    unw_word_t off = 0;
    if (c->missing)
        return false;
    unw_accessors_t *a = unw.accessors(*unw.local);
    if (!a->get_proc_name || a->get_proc_name(*unw.local, (unw_word_t)(uintptr_t)pc, name, size, &off, NULL) < 0)
        return false;
    *offset = off;
    return true;
}
