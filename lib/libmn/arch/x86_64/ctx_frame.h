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
    const greg_t *saved = sp;
    greg_t *to = uc->uc_mcontext.gregs;
    memset(uc, 0, sizeof *uc);
    to[REG_RBP] = saved[0];
    to[REG_RIP] = saved[1];
    to[REG_RSP] = (greg_t)(saved + 2);
}

/* A register by its DWARF number, which is libunwind's too; 0 for those that a switch does not save. */
static inline unsigned long mni_ctx_register(const ucontext_t *uc, int number) {
    static const signed char place[17] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI,
                                          REG_RBP, REG_RSP, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                          REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP};
    return number >= 0 && number < 17 ? (unsigned long)uc->uc_mcontext.gregs[place[number]] : 0;
}

/* Of an interrupted context. */
static inline uintptr_t mni_ctx_pc(const ucontext_t *uc) {
    return (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
}
static inline uintptr_t mni_ctx_sp(const ucontext_t *uc) {
    return (uintptr_t)uc->uc_mcontext.gregs[REG_RSP];
}
static inline void mni_ctx_set(ucontext_t *uc, uintptr_t pc, uintptr_t sp) {
    uc->uc_mcontext.gregs[REG_RIP] = (greg_t)pc;
    uc->uc_mcontext.gregs[REG_RSP] = (greg_t)sp;
}

/* A fault: there was no instruction to be had.  Of an address that no memory can have, some CPUs do not say
 * which it was. */
static inline bool mni_ctx_jumped(const ucontext_t *uc, const siginfo_t *info) {
    int64_t pc = (int64_t)mni_ctx_pc(uc);
    /* Others give the address of the instruction. */
    bool memory = info->si_signo == SIGSEGV || info->si_signo == SIGBUS;
    return memory && ((uintptr_t)info->si_addr == (uintptr_t)pc || (pc >> 47 != 0 && pc >> 47 != -1));
}

/* If it was called, where from, as the stack between low and high has it; the context is then the caller's,
 * after the call. */
static inline bool mni_ctx_caller(ucontext_t *uc, uintptr_t low, uintptr_t high, uintptr_t *from) {
    uintptr_t sp = mni_ctx_sp(uc);
    if (sp < low || sp >= high || high - sp < sizeof *from)
        return false;
    memcpy(from, (const void *)sp, sizeof *from);
    mni_ctx_set(uc, *from, sp + sizeof *from);
    return true;
}

/* Whether what is before an address can be a call; MNI_CTX_CALL bytes of it are looked at. */
static inline bool mni_ctx_after_call(uintptr_t pc) {
    const unsigned char *at = (const unsigned char *)pc;
    if (at[-5] == 0xe8)
        return true;
    for (int n = 2; n <= 7; n++) /* indirect: ff, and 2 in the middle of the next byte */
        if (at[-n] == 0xff && (at[1 - n] & 0x38) == 0x10)
            return true;
    return false;
}

/* The interrupted context becomes one that begins with fn(arg) on the stack below sp, which is 16-byte aligned;
 * as a function wants to be called: no direction flag, an empty x87 stack without exceptions that are
 * pending. */
static inline void mni_ctx_begin(ucontext_t *uc, uintptr_t sp, void (*fn)(void *), void *arg) {
    greg_t *to = uc->uc_mcontext.gregs;
    to[REG_RIP] = (greg_t)(uintptr_t)mni_ctx_entry;
    to[REG_RSP] = (greg_t)sp;
    to[REG_RBP] = (greg_t)(uintptr_t)fn;
    to[REG_RDI] = (greg_t)(uintptr_t)arg;
    to[REG_EFL] &= ~(greg_t)0x40500; /* alignment check, direction, trap */
    if (uc->uc_mcontext.fpregs) {
        uc->uc_mcontext.fpregs->swd = 0;
        uc->uc_mcontext.fpregs->ftw = 0;
        uc->uc_mcontext.fpregs->mxcsr &= ~0x3fu;
    }
}

enum { MNI_CTX_SP = 7, MNI_CTX_PC = 16 }; /* their numbers */
enum { MNI_CTX_BYTES = 16 };            /* that lie at a parked context's stack pointer */
/* Bytes of the longest call; below the stack pointer that may be in use. */
enum { MNI_CTX_CALL = 7, MNI_CTX_BELOW = 128 };

#endif
