/*
 * walk_copy: where a parked thread is, while it may be woken at any moment.
 *
 * Walking the stack itself (walk.c) needs somebody who keeps the thread from running.  To dump all threads of a
 * program that goes on, nobody does: the stack is copied, the caller looks whether the thread has stayed parked
 * meanwhile, and the copy is walked.  A copy that turns out to be a mixture is thrown away, and would do no
 * harm if it were walked: the unwinder's reads come to us.  Those inside the stack are answered from the copy,
 * all others are of unwind tables, or of whatever address nonsense leads to; they are made through the kernel,
 * a page at a time (peek.h).
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "walk_copy.h"

#include <string.h>

#include "ctx_frame.h"
#include "peek.h"
#include "walk_read.h"

struct walk {
    struct mni_unwind unwind;
    struct mni_copy *copy;
    void **pcs;
    int n, max;
};

static bool read_page(struct mni_copy *c, uintptr_t at, uintptr_t *value) {
    char *to = (char *)value;
    for (size_t done = 0; done < sizeof *value;) {
        const char *from = (const char *)(uintptr_t)(at + done);
        const char *page = (const char *)((uintptr_t)from & ~(uintptr_t)(MNI_COPY_PAGE - 1));
        size_t place = (uintptr_t)page / MNI_COPY_PAGE % MNI_COPY_PAGES, offset = (size_t)(from - page);
        if (c->page_at[place] != page) {
            c->page_at[place] = NULL;
            if (!mni_peek(c->page[place], page, MNI_COPY_PAGE))
                return false;
            c->page_at[place] = page;
        }
        size_t n =
            MNI_COPY_PAGE - offset < sizeof *value - done ? MNI_COPY_PAGE - offset : sizeof *value - done;
        memcpy(to + done, c->page[place] + offset, n);
        done += n;
    }
    return true;
}

static bool read_word(struct mni_unwind *u, uintptr_t at, uintptr_t *value) {
    struct mni_copy *c = ((struct walk *)(void *)u)->copy;
    if (at < c->low || at - c->low >= c->size)
        return read_page(c, at, value);
    if (c->size - (at - c->low) < sizeof *value)
        return false;
    memcpy(value, c->stack + (at - c->low), sizeof *value);
    return true;
}

void mni_copy_begin(struct mni_copy *c) {
    c->space = mni_unwind_open();
}

void mni_copy_end(struct mni_copy *c) {
    mni_unwind_close(c->space);
}

bool mni_copy_take(struct mni_copy *c, uintptr_t sp, uintptr_t top) {
    if (top <= sp || top - sp < MNI_CTX_BYTES)
        return false;
    c->low = sp;
    c->size = top - sp < MNI_COPY_MOST ? top - sp : MNI_COPY_MOST;
    return mni_peek(c->stack, (const void *)sp, c->size);
}

static bool visit(struct mni_unwind *u, uintptr_t pc) {
    struct walk *w = (struct walk *)(void *)u;
    w->pcs[w->n++] = (void *)pc;
    return w->n < w->max;
}

static int walk(struct walk *w) {
    w->unwind.read = read_word;
    if (w->max > 0)
        mni_unwind(w->copy->space, &w->unwind, visit);
    return w->n;
}

int mni_copy_walk(struct mni_copy *c, void **pcs, int max) {
    struct walk w = {.unwind = {.shift = c->low - (uintptr_t)c->stack}, .copy = c, .pcs = pcs, .max = max};
    mni_ctx_unpack(c->stack, &w.unwind.registers);
    return walk(&w);
}

int mni_copy_walk_from(struct mni_copy *c, const ucontext_t *registers, void **pcs, int max) {
    struct walk w = {.unwind = {.registers = *registers}, .copy = c, .pcs = pcs, .max = max};
    return walk(&w);
}

bool mni_copy_name(struct mni_copy *c, const void *pc, char *name, size_t size, unsigned long *offset) {
    return c->space && mni_unwind_name(pc, name, size, offset);
}
