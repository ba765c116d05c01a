/* walk_read: walking stacks through reads of our own (walk_read.c). */
#ifndef MNI_WALK_READ_H
#define MNI_WALK_READ_H

#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

/* What is walked; its user's structure begins with it. */
struct mni_unwind {
    ucontext_t registers;
    uintptr_t shift; /* is added to the stack pointer: where it points to is a copy */
    bool (*read)(struct mni_unwind *u, uintptr_t at, uintptr_t *word); /* of the stack, and of unwind tables */
    bool guessed; /* an address had no unwind information: what came after it is a guess */
};

/* Loads libunwind, and makes what walks need; NULL: it is not there.  Calls dlopen, and allocates. */
void *mni_unwind_open(void);
void mni_unwind_close(void *space);

/*
 * Calls visit with the address of each frame, innermost first (that of the first frame is where it goes on; of
 * the others, where they return to), until it returns false, or there are no more.  Allocates nothing by
 * malloc; takes the loader's lock.
 */
void mni_unwind(void *space, struct mni_unwind *u, bool (*visit)(struct mni_unwind *u, uintptr_t pc));

/* The function at pc, by the symbol table of the file that it was loaded from: its name, and how far into it
 * pc is.  false: the file has none.  Slow. */
bool mni_unwind_name(const void *pc, char *name, size_t size, unsigned long *offset);

#endif
