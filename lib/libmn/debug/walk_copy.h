/* walk_copy: where a thread is, from a copy of its stack; see walk_copy.c. */
#ifndef MNI_WALK_COPY_H
#define MNI_WALK_COPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <ucontext.h>

enum {
    MNI_COPY_MOST = 65536, /* bytes of a stack that are copied: the innermost */
    MNI_COPY_PAGES = 64,
    MNI_COPY_PAGE = 4096,
};

struct mni_copy {
    char stack[MNI_COPY_MOST];
    uintptr_t low;  /* where the copy begins in the original: a parked context's stack pointer */
    size_t size;    /* of the copy */
    void *space;    /* for walk_read.h; NULL: there is no libunwind */
    const char *page_at[MNI_COPY_PAGES]; /* other memory that the unwinder looks at */
    char page[MNI_COPY_PAGES][MNI_COPY_PAGE];
};

/* Loads libunwind and prepares a (zeroed) structure for any number of copies; calls dlopen. */
void mni_copy_begin(struct mni_copy *c);
void mni_copy_end(struct mni_copy *c);

/* Copies what lies between sp and top, or as much as there is room for; false: it cannot be read. */
bool mni_copy_take(struct mni_copy *c, uintptr_t sp, uintptr_t top);

/* The return addresses of the context whose stack was copied, innermost first; returns how many.  0: no
 * libunwind. */
int mni_copy_walk(struct mni_copy *c, void **pcs, int max);

/* The same of a context that was interrupted, with the registers that it had then. */
int mni_copy_walk_from(struct mni_copy *c, const ucontext_t *registers, void **pcs, int max);

/* The function at pc, by the symbol table of the file that it was loaded from, which has static functions, too:
 * its name, and how far into it pc is.  false: the file has none.  Slow: reads /proc and the file. */
bool mni_copy_name(struct mni_copy *c, const void *pc, char *name, size_t size, unsigned long *offset);

#endif
