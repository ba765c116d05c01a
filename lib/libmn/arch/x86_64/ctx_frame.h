/* What a parked context's stack pointer points to (ctx.S), as the unwinder wants it: as if the switch just returned. */
#ifndef MNI_ARCH_CTX_FRAME_H
#define MNI_ARCH_CTX_FRAME_H

#include <string.h>
#include <ucontext.h>

static inline void mni_ctx_unpack(const void *sp, ucontext_t *uc) {
    const greg_t *saved = sp;
    greg_t *to = uc->uc_mcontext.gregs;
    memset(uc, 0, sizeof *uc);
    to[REG_R15] = saved[0];
    to[REG_R14] = saved[1];
    to[REG_R13] = saved[2];
    to[REG_R12] = saved[3];
    to[REG_RBX] = saved[4];
    to[REG_RBP] = saved[5];
    to[REG_RIP] = saved[6];
    to[REG_RSP] = (greg_t)(saved + 7);
}

#endif
