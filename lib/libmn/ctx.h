/* ctx: the context switch.  A context is its stack pointer: everything else lies on the stack. */
#ifndef MNI_CTX_H
#define MNI_CTX_H

/* Saves the caller's context in *save and continues `to`.  Returns when somebody switches to *save. */
void mni_ctx_switch(void **save, void *to);

/* Continues `to`; the caller's context is gone. */
_Noreturn void mni_ctx_jump(void *to);

/* A new context on the stack that ends at top (16-byte aligned): it calls entry(), which never returns. */
void *mni_ctx_make(void *top, void (*entry)(void));

#endif
