/*
 * The only code of a new LWP that runs before its first function.
 *
 * long lwp_clone3(struct clone_args *args, size_t size, void (*fn)(void *), void *arg)
 *                                   rdi          rsi              rdx             rcx
 * long lwp_clone(unsigned long flags, void *stack_top, uint32_t *parent_tid, uint32_t *child_tid, uintptr_t tls,
 *                         rdi               rsi                rdx                  rcx               r8
 *                void (*fn)(void *), void *arg on the stack)
 *                         r9
 *
 * In the parent they return the new LWP's id or a negative errno.  In the child fn(arg) is called on the new stack
 * and never returns.  The child's frame is marked as the outermost one, so that unwinders stop there.
 */
    .text

    .globl lwp_clone3
    .hidden lwp_clone3
    .type lwp_clone3, @function
    .p2align 4
lwp_clone3:
    .cfi_startproc
    endbr64
    movq %rcx, %r8              /* the kernel clobbers rcx and r11 */
    movl $435, %eax             /* clone3 */
    syscall
    testq %rax, %rax
    jz 1f
    ret
1:  .cfi_undefined rip
    xorl %ebp, %ebp
    movq %r8, %rdi
    call *%rdx
    hlt
    .cfi_endproc
    .size lwp_clone3, . - lwp_clone3

    .globl lwp_clone
    .hidden lwp_clone
    .type lwp_clone, @function
    .p2align 4
lwp_clone:
    .cfi_startproc
    endbr64
    movq %rcx, %r10
    movq 8(%rsp), %rax
    andq $-16, %rsi
    subq $16, %rsi
    movq %rax, (%rsi)           /* arg waits for the child on its own stack */
    movl $56, %eax              /* clone */
    syscall
    testq %rax, %rax
    jz 1f
    ret
1:  .cfi_undefined rip
    xorl %ebp, %ebp
    movq (%rsp), %rdi
    call *%r9
    hlt
    .cfi_endproc
    .size lwp_clone, . - lwp_clone

    .section .note.GNU-stack,"",@progbits
