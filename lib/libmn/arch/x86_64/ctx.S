/*
 * The context switch; ctx.h has the contract, doc/design/mn-switch.md the measurements behind it.
 *
 *     void mni_ctx_switch(void **save, void *to)         rdi, rsi
 *     void mni_ctx_jump(void *to)                        rdi
 *     void *mni_ctx_make(void *top, void (*entry)(void)) rdi, rsi
 *
 * A context that does not run is a stack pointer, below which nothing is kept and above which lie
 *
 *     0 rbp   8 where it goes on
 *
 * The other registers that a function must leave as they were are the affair of the place where it goes on: mni_ctx_switch
 * pushes them, and the inline switch (ctx_inline.h) tells the compiler that they change, so that the function around it saves
 * them with its own frame, each once.  mxcsr and the x87 control word are such, too; they stay the LWP's: all green
 * threads of a program share one setting.
 *
 * How it goes on.  The CPU predicts a ret from the calls that it saw, and the last one was made by the thread that is left.
 * When both threads called from the same place, ret is right, and keeps the CPU's record of calls in step with the stack,
 * so that the returns that follow are predicted as well.  Otherwise ret would be mispredicted for certain: an indirect
 * jump is not.  Both addresses are at hand, so the switch chooses.
 *
 * From the first load of the other context on, the CFI describes the frame through the register that points to it, which does
 * not change, as if that context had called this very place: unwinders see a whole stack at every instruction, the one
 * or the other, and mni_ctx_switch in a parked thread that called it.  A walk looks up the byte before the address where a
 * context goes on: the nop there keeps it out of that region.
 *
 * No shadow stack (CET): this file has no .note.gnu.property, so the linker leaves the mark off the library, and the
 * loader leaves shadow stacks off in a process that has it.
 */
        .text

        .macro  push_register name
        pushq   %\name
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset \name, 0
        .endm

        .macro  pop_register name
        popq    %\name
        .cfi_adjust_cfa_offset -8
        .cfi_restore \name
        .endm

        /* The context that \from points to goes on. */
        .macro  continue from
        .cfi_def_cfa \from, 16
        .cfi_offset rip, -8
        .cfi_offset rbp, -16
        .cfi_same_value rbx
        .cfi_same_value r12
        .cfi_same_value r13
        .cfi_same_value r14
        .cfi_same_value r15
        movq    0(%\from), %rbp
        movq    8(%\from), %rax
        leaq    16(%\from), %rsp
        jmp     *%rax
        .endm

        .globl  mni_ctx_switch
        .hidden mni_ctx_switch
        .type   mni_ctx_switch, @function
        .p2align 6
mni_ctx_switch:
        .cfi_startproc
        movq    (%rsp), %rdx
        push_register rbx
        push_register r12
        push_register r13
        push_register r14
        push_register r15
        leaq    -16(%rsp), %rcx
        leaq    1f(%rip), %rax
        movq    %rbp, 0(%rcx)
        movq    %rax, 8(%rcx)
        movq    %rcx, (%rdi)
        .cfi_remember_state
        continue rsi
        .cfi_restore_state
        nop
1:      pop_register r15
        pop_register r14
        pop_register r13
        pop_register r12
        pop_register rbx
        cmpq    %rdx, (%rsp)
        jne     2f
        ret
2:      popq    %rcx
        .cfi_adjust_cfa_offset -8
        .cfi_register rip, rcx
        jmp     *%rcx
        .cfi_endproc
        .size   mni_ctx_switch, . - mni_ctx_switch

        .globl  mni_ctx_jump
        .hidden mni_ctx_jump
        .type   mni_ctx_jump, @function
        .p2align 6
mni_ctx_jump:
        .cfi_startproc
        continue rdi
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
        leaq    -16(%rdi), %rax
        movq    %rsi, (%rax)
        ret
        .cfi_endproc
        .size   mni_ctx_make, . - mni_ctx_make

/*
 * The outermost frame of every green thread: its return address is undefined, which ends each walk.  A walk looks up the
 * byte before a return address, and a thread that has not run yet is to return to mni_ctx_entry: hence the nop.  entry
 * comes in rbp, which is then the end of the chain of frame pointers.
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
        movq    %rbp, %rcx
        xorl    %ebp, %ebp
        leaq    1f(%rip), %rax
        pushq   %rax
        .cfi_adjust_cfa_offset 8
        jmp     *%rcx
        .cfi_adjust_cfa_offset -8
1:      ud2
        .cfi_endproc
        .size   mni_ctx_base, . - mni_ctx_base

/* How functions marked MNI_CTX_RETURNS return (ctx_inline.h); the compiler has chosen the name. */
        .globl  __x86_return_thunk
        .hidden __x86_return_thunk
        .type   __x86_return_thunk, @function
        .p2align 4
__x86_return_thunk:
        .cfi_startproc
        movq    mni_ctx_left@gottpoff(%rip), %rcx
        movq    %fs:(%rcx), %rcx
        cmpq    %rcx, (%rsp)
        jne     1f
        ret
1:      popq    %rcx
        .cfi_adjust_cfa_offset -8
        .cfi_register rip, rcx
        jmp     *%rcx
        .cfi_endproc
        .size   __x86_return_thunk, . - __x86_return_thunk

        /* Where the thread that was left last would have returned to. */
        .section .tbss, "awT", @nobits
        .globl  mni_ctx_left
        .hidden mni_ctx_left
        .type   mni_ctx_left, @object
        .size   mni_ctx_left, 8
        .p2align 3
mni_ctx_left:
        .zero   8

        .section .note.GNU-stack, "", @progbits
