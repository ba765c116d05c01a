/*
 * ctx: the context switch, in assembly (arch/).
 *
 * A context that does not run is its stack pointer: all else lies on its stack.  What a function
 * must preserve by the ABI is preserved, but for the floating-point control words (mxcsr and x87 control word,
 * fpcr): these stay the LWP's.
 *
 * Walks by CFI see a call of mni_ctx_switch in a parked thread, and end at mni_ctx_base, the frame that called
 * entry.
 */
#ifndef MNI_CTX_H
#define MNI_CTX_H

/* Saves the caller's context in *save and continues `to`.  Returns when somebody switches to *save. */
void mni_ctx_switch(void **save, void *to);

/* Continues `to`; the caller's context is gone. */
_Noreturn void mni_ctx_jump(void *to);

/* A new context on the stack that ends at top (16-byte aligned): it calls entry(), which never returns. */
void *mni_ctx_make(void *top, void (*entry)(void));

/* The outermost frame of every context that mni_ctx_make made returns to the instructions here. */
void mni_ctx_entry(void) __attribute__((visibility("hidden")));

#endif
