/*
 * The context switch; ctx.h has the contract, doc/design/mn-switch.md the measurements behind it.
 *
 *     void mni_ctx_switch(void **save, void *to)         rdi, rsi
 *     void mni_ctx_jump(void *to)                        rdi
 *     void *mni_ctx_make(void *top, void (*entry)(void)) rdi, rsi
 *
 * A context that does not run is a stack pointer, below which nothing is kept and above which lie
 *
 *     0 r15   8 r14   16 r13   24 r12   32 rbx   40 rbp   48 where it goes on
 *
 * These are the registers that a function must leave as they were.  mxcsr and the x87 control word are such, too; they
 * stay the LWP's: all green threads of a program share one setting.
 *
 * How it goes on.  The CPU predicts a ret from the calls that it saw, and the last one was made by the thread that is left.
 * When both threads called from the same place, ret is right, and keeps the CPU's record of calls in step with the stack,
 * so that the returns that follow are predicted as well.  Otherwise ret would be mispredicted for certain: an indirect
 * jump is not.  Both addresses are at hand, so the switch chooses.
 *
 * The stack pointer changes between two instructions at which the same CFI is true, of the old stack and of the new:
 * unwinders see a call of mni_ctx_switch at every one, in a running thread and in a parked one.
 *
 * No shadow stack (CET): this file has no .note.gnu.property, so the linker leaves the mark off the library, and the
 * loader leaves shadow stacks off in a process that has it.
 */
        .text

        .macro  save_registers
        pushq   %rbp
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset rbp, 0
        pushq   %rbx
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset rbx, 0
        pushq   %r12
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r12, 0
        pushq   %r13
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r13, 0
        pushq   %r14
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r14, 0
        pushq   %r15
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r15, 0
        .endm

        .macro  pop_register name
        popq    %\name
        .cfi_adjust_cfa_offset -8
        .cfi_restore \name
        .endm

        .macro  restore_registers
        pop_register r15
        pop_register r14
        pop_register r13
        pop_register r12
        pop_register rbx
        pop_register rbp
        .endm

        .macro  jump_back
        popq    %rcx
        .cfi_adjust_cfa_offset -8
        .cfi_register rip, rcx
        jmp     *%rcx
        .endm

        .globl  mni_ctx_switch
        .hidden mni_ctx_switch
        .type   mni_ctx_switch, @function
        .p2align 6
mni_ctx_switch:
        .cfi_startproc
        movq    (%rsp), %rdx
        save_registers
        movq    %rsp, (%rdi)
        movq    %rsi, %rsp
        restore_registers
        cmpq    %rdx, (%rsp)
        jne     1f
        ret
1:      jump_back
        .cfi_endproc
        .size   mni_ctx_switch, . - mni_ctx_switch

        .globl  mni_ctx_jump
        .hidden mni_ctx_jump
        .type   mni_ctx_jump, @function
        .p2align 6
mni_ctx_jump:
        .cfi_startproc
        movq    %rdi, %rsp
        .cfi_def_cfa rsp, 56
        .cfi_offset rip, -8
        .cfi_offset rbp, -16
        .cfi_offset rbx, -24
        .cfi_offset r12, -32
        .cfi_offset r13, -40
        .cfi_offset r14, -48
        .cfi_offset r15, -56
        restore_registers
        jump_back
        .cfi_endproc
        .size   mni_ctx_jump, . - mni_ctx_jump

        .globl  mni_ctx_make
        .hidden mni_ctx_make
        .type   mni_ctx_make, @function
        .p2align 4
mni_ctx_make:
        .cfi_startproc
        leaq    mni_ctx_entry(%rip), %rax
        movq    %rax, -8(%rdi)
        leaq    -56(%rdi), %rax
        movq    $0, 40(%rax)            /* rbp: the end of the chain of frame pointers */
        movq    %rsi, 32(%rax)          /* rbx: entry */
        xorl    %ecx, %ecx
        movq    %rcx, 24(%rax)
        movq    %rcx, 16(%rax)
        movq    %rcx, 8(%rax)
        movq    %rcx, (%rax)
        ret
        .cfi_endproc
        .size   mni_ctx_make, . - mni_ctx_make

/*
 * The outermost frame of every green thread: its return address is undefined, which ends each walk.  A walk looks up the
 * byte before a return address, and a thread that has not run yet is to return to mni_ctx_entry: hence the nop.
 */
        .type   mni_ctx_base, @function
        .p2align 4
mni_ctx_base:
        .cfi_startproc
        .cfi_undefined rip
        nop
        .globl  mni_ctx_entry
        .hidden mni_ctx_entry
mni_ctx_entry:
        /* A call without the CPU's record of calls: nothing returns here, and the entry would shift all that do. */
        leaq    1f(%rip), %rax
        pushq   %rax
        .cfi_adjust_cfa_offset 8
        jmp     *%rbx
        .cfi_adjust_cfa_offset -8
1:      ud2
        .cfi_endproc
        .size   mni_ctx_base, . - mni_ctx_base

        .section .note.GNU-stack, "", @progbits
