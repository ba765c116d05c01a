/* As arch/x86_64/ctx_inline.h; here the call is as good until somebody has measured it on such a machine. */
#ifndef MNI_ARCH_CTX_INLINE_H
#define MNI_ARCH_CTX_INLINE_H

#include "thread/ctx.h"

static inline void mni_ctx_switch_inline(void **save, void *to) {
    mni_ctx_switch(save, to);
}

static inline void mni_ctx_start_inline(void **save, void *top, void (*entry)(void)) {
    mni_ctx_switch(save, mni_ctx_make(top, entry));
}

_Noreturn static inline void mni_ctx_jump_inline(void *to) {
    mni_ctx_jump(to);
}

#define MNI_CTX_RETURNS __attribute__((noinline))

static inline void mni_ctx_leaves(void *back) {
    (void)back;
}

#endif
