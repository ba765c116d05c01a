/*
 * The switch and the jump as part of the function that blocks, without a call.
 *
 * The CPU predicts each ret from a record of the calls that it saw.  A switch that is called leaves an entry in
 * it that no ret takes when the other thread goes on by a jump, and then every return of the frames above is
 * mispredicted, one after the other (about 10 ns each).  Inline, a switch neither adds nor takes an entry: a
 * thread that goes on in the same function as the one that it was left for finds the record as it needs it, and
 * so does the spawner of a thread that has ended meanwhile.
 *
 * The frame that is saved is that of ctx.S.  It is written below the stack pointer, which does not move before
 * the switch: the library is compiled without a red zone, and the kernel leaves these 128 bytes alone when it
 * delivers a signal.  All registers but rbp change over the switch, and the compiler is told so: it saves what
 * it needs, once, where the function saves its caller's registers anyway.  Saved by the switch, they were
 * stored and loaded twice: 0.9 ns of 10.
 *
 * Unwind information.  Up to the first load, that of the function around it is true.  Then registers are the
 * one thread's and the other's by turns; from here on rsi, which does not change, says where all of them are,
 * as if the other thread had called this very place.  Where a thread goes on, the function's own is true again;
 * a walk looks up the byte before that address, and the nop, which is never executed, keeps it out of the
 * region above.
 */
#ifndef MNI_ARCH_CTX_INLINE_H
#define MNI_ARCH_CTX_INLINE_H

#define MNI_CTX_CONTINUE                                                                                     \
    ".cfi_remember_state\n\t"                                                                                \
    ".cfi_def_cfa rsi, 16\n\t"                                                                               \
    ".cfi_offset rip, -8\n\t"                                                                                \
    ".cfi_offset rbp, -16\n\t"                                                                               \
    ".cfi_same_value rbx\n\t"                                                                                \
    ".cfi_same_value r12\n\t"                                                                                \
    ".cfi_same_value r13\n\t"                                                                                \
    ".cfi_same_value r14\n\t"                                                                                \
    ".cfi_same_value r15\n\t"                                                                                \
    "movq 0(%%rsi), %%rbp\n\t"                                                                               \
    "movq 8(%%rsi), %%rax\n\t"                                                                               \
    "leaq 16(%%rsi), %%rsp\n\t"                                                                              \
    "jmp *%%rax\n\t"                                                                                         \
    ".cfi_restore_state\n\t"                                                                                 \
    "nop\n"

/* The caller's frame, below its stack, to be continued at 1; its place to *rdi. */
#define MNI_CTX_SAVE                                                                                         \
    "leaq -16(%%rsp), %%rdx\n\t"                                                                             \
    "leaq 1f(%%rip), %%rax\n\t"                                                                              \
    "movq %%rbp, 0(%%rdx)\n\t"                                                                               \
    "movq %%rax, 8(%%rdx)\n\t"                                                                               \
    "movq %%rdx, (%%rdi)\n\t"

/* rbp is not among them: the compiler cannot be told of it where it is the frame pointer. */
#define MNI_CTX_CLOBBERS                                                                                     \
    "rax", "rdx", "rbx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "xmm0", "xmm1", "xmm2",       \
        "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13",          \
        "xmm14", "xmm15", "cc", "memory"

static inline __attribute__((always_inline)) void mni_ctx_switch_inline(void **save, void *to) {
    __asm__ volatile(MNI_CTX_SAVE MNI_CTX_CONTINUE "1:"
                     : "+D"(save), "+S"(to)
                     :
                     : "rcx", MNI_CTX_CLOBBERS);
}

/* Saves the caller's context and starts a new one on the stack that ends at top: as mni_ctx_make and a
 * switch to it. */
static inline __attribute__((always_inline)) void mni_ctx_start_inline(void **save, void *top,
                                                                       void (*entry)(void)) {
    __asm__ volatile(MNI_CTX_SAVE
                     "movq %%rcx, %%rbp\n\t"
                     "movq %%rsi, %%rsp\n\t"
                     "jmp mni_ctx_entry\n"
                     "1:"
                     : "+D"(save), "+S"(top), "+c"(entry)
                     :
                     : MNI_CTX_CLOBBERS);
}

_Noreturn static inline __attribute__((always_inline)) void mni_ctx_jump_inline(void *to) {
    __asm__ volatile(MNI_CTX_CONTINUE : : "S"(to) : "rax", "memory");
    __builtin_unreachable();
}

/*
 * The return of a function that switches, as a rule, to the place that called it.  After a switch the CPU
 * predicts the return to who called for the thread that was left: right if both were called from the same
 * place, else a misprediction (9 ns).  Then a jump is better; so this function notes where its own thread would
 * return to, and ends with a comparison (ctx.S).  If it did not switch after all, the note is its own.  A note
 * that is stale, because the thread before left by another function, only costs a misprediction.
 */
#if __has_attribute(function_return)
#define MNI_CTX_RETURNS __attribute__((noinline, function_return("thunk-extern")))
#else
#define MNI_CTX_RETURNS __attribute__((noinline))
#endif

static inline void mni_ctx_leaves(void *back) {
    void *place;
    __asm__ volatile("movq mni_ctx_left@gottpoff(%%rip), %0\n\tmovq %1, %%fs:(%0)" : "=&r"(place) : "r"(back) : "memory");
}

#endif
