/* What a parked context's stack pointer points to (ctx.S), as the unwinder wants it: as if the switch just
 * returned. */
#ifndef MNI_ARCH_CTX_FRAME_H
#define MNI_ARCH_CTX_FRAME_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <ucontext.h>

#include "thread/ctx.h"

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
static inline uintptr_t mni_ctx_pc(const ucontext_t *uc) {
    return uc->uc_mcontext.pc;
}
static inline uintptr_t mni_ctx_sp(const ucontext_t *uc) {
    return uc->uc_mcontext.sp;
}
static inline void mni_ctx_set(ucontext_t *uc, uintptr_t pc, uintptr_t sp) {
    uc->uc_mcontext.pc = pc;
    uc->uc_mcontext.sp = sp;
}

/* A fault: there was no instruction to be had. */
static inline bool mni_ctx_jumped(const ucontext_t *uc, const siginfo_t *info) {
    /* Others give the address of the instruction. */
    bool memory = info->si_signo == SIGSEGV || info->si_signo == SIGBUS;
    return memory && (uintptr_t)info->si_addr == mni_ctx_pc(uc);
}

/* If it was called, where from; the context is then the caller's, after the call. */
static inline bool mni_ctx_caller(ucontext_t *uc, uintptr_t low, uintptr_t high, uintptr_t *from) {
    (void)low, (void)high;
    *from = uc->uc_mcontext.regs[30];
    uc->uc_mcontext.pc = *from;
    return true;
}

/* Whether what is before an address can be a call (bl, blr, blraa and its like); MNI_CTX_CALL bytes of it
 * are looked at. */
static inline bool mni_ctx_after_call(uintptr_t pc) {
    uint32_t call;
    if (pc % 4)
        return false;
    memcpy(&call, (const void *)(pc - 4), sizeof call);
    return (call & 0xfc000000) == 0x94000000 || (call & 0xfefff000) == 0xd63f0000;
}

/* The interrupted context becomes one that begins with fn(arg) on the stack below sp, which is 16-byte
 * aligned. */
static inline void mni_ctx_begin(ucontext_t *uc, uintptr_t sp, void (*fn)(void *), void *arg) {
    uc->uc_mcontext.pc = (uintptr_t)mni_ctx_entry;
    uc->uc_mcontext.sp = sp;
    uc->uc_mcontext.regs[0] = (uintptr_t)arg;
    uc->uc_mcontext.regs[19] = (uintptr_t)fn;
    uc->uc_mcontext.regs[29] = 0;
    uc->uc_mcontext.pstate &= ~(uint64_t)0x200c00; /* single step, kind of the last branch */
}

enum { MNI_CTX_SP = 31, MNI_CTX_PC = 32 }; /* their numbers */
enum { MNI_CTX_BYTES = 160 };             /* that lie at a parked context's stack pointer */
/* Bytes of the longest call; below the stack pointer that may be in use. */
enum { MNI_CTX_CALL = 4, MNI_CTX_BELOW = 0 };

#endif
