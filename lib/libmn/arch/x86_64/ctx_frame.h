/* What a parked context's stack pointer points to (ctx.S), as the unwinder wants it: as if the switch just returned. */
#ifndef MNI_ARCH_CTX_FRAME_H
#define MNI_ARCH_CTX_FRAME_H

#include <stdint.h>
#include <string.h>
#include <ucontext.h>

static inline void mni_ctx_unpack(const void *sp, ucontext_t *uc) {
    const greg_t *saved = sp;
    greg_t *to = uc->uc_mcontext.gregs;
    memset(uc, 0, sizeof *uc);
    to[REG_RBP] = saved[0];
    to[REG_RIP] = saved[1];
    to[REG_RSP] = (greg_t)(saved + 2);
}

/* A register by its DWARF number, which is libunwind's too; 0 for those that a switch does not save. */
static inline unsigned long mni_ctx_register(const ucontext_t *uc, int number) {
    static const signed char place[17] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP, REG_R8,
                                          REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP};
    return number >= 0 && number < 17 ? (unsigned long)uc->uc_mcontext.gregs[place[number]] : 0;
}

/* Of an interrupted context. */
static inline uintptr_t mni_ctx_sp(const ucontext_t *uc) {
    return (uintptr_t)uc->uc_mcontext.gregs[REG_RSP];
}
static inline void mni_ctx_set(ucontext_t *uc, uintptr_t pc, uintptr_t sp) {
    uc->uc_mcontext.gregs[REG_RIP] = (greg_t)pc;
    uc->uc_mcontext.gregs[REG_RSP] = (greg_t)sp;
}

enum { MNI_CTX_SP = 7, MNI_CTX_PC = 16 }; /* their numbers */
enum { MNI_CTX_BYTES = 16 };            /* that lie at a parked context's stack pointer */

#endif
