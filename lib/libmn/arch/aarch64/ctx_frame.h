/* What a parked context's stack pointer points to (ctx.S), as the unwinder wants it: as if the switch just returned. */
#ifndef MNI_ARCH_CTX_FRAME_H
#define MNI_ARCH_CTX_FRAME_H

#include <stdint.h>
#include <string.h>
#include <ucontext.h>

static inline void mni_ctx_unpack(const void *sp, ucontext_t *uc) {
    const uint64_t *saved = sp;
    memset(uc, 0, sizeof *uc);
    for (int i = 0; i < 10; i++)
        uc->uc_mcontext.regs[19 + i] = saved[2 + i];
    uc->uc_mcontext.regs[29] = saved[0];
    uc->uc_mcontext.pc = uc->uc_mcontext.regs[30] = saved[1];
    uc->uc_mcontext.sp = (uint64_t)(uintptr_t)(saved + 20);
}

/* A register by its DWARF number (libunwind's, but for pc); 0 for those that a switch does not save. */
static inline unsigned long mni_ctx_register(const ucontext_t *uc, int number) {
    return number >= 0 && number < 31 ? uc->uc_mcontext.regs[number]
           : number == 31             ? uc->uc_mcontext.sp
           : number == 32             ? uc->uc_mcontext.pc
                                      : 0;
}

/* Of an interrupted context. */
static inline uintptr_t mni_ctx_sp(const ucontext_t *uc) {
    return uc->uc_mcontext.sp;
}
static inline void mni_ctx_set(ucontext_t *uc, uintptr_t pc, uintptr_t sp) {
    uc->uc_mcontext.pc = pc;
    uc->uc_mcontext.sp = sp;
}

enum { MNI_CTX_SP = 31, MNI_CTX_PC = 32 }; /* their numbers */
enum { MNI_CTX_BYTES = 160 };             /* that lie at a parked context's stack pointer */

#endif
