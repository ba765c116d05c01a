/*
 * The only code of a new LWP that runs before its first function.
 *
 * long lwp_clone3(struct clone_args *args, size_t size, void (*fn)(void *), void *arg)
 *                                   x0           x1              x2              x3
 * long lwp_clone(unsigned long flags, void *stack_top, uint32_t *parent_tid, uint32_t *child_tid, uintptr_t tls,
 *                         x0                x1                 x2                   x3                 x4
 *                void (*fn)(void *), void *arg)
 *                         x5               x6
 *
 * In the parent they return the new LWP's id or a negative errno.  In the child fn(arg) is called on the new stack
 * and never returns.  The child's frame is marked as the outermost one, so that unwinders stop there.
 */
    .text

    .globl lwp_clone3
    .hidden lwp_clone3
    .type lwp_clone3, %function
    .p2align 4
lwp_clone3:
    .cfi_startproc
    hint #34                    /* bti c */
    mov x8, #435                /* clone3; the kernel keeps all registers but x0 */
    svc #0
    cbz x0, 1f
    ret
1:  .cfi_undefined x30
    mov x29, xzr
    mov x30, xzr
    mov x0, x3
    blr x2
    brk #1
    .cfi_endproc
    .size lwp_clone3, . - lwp_clone3

    .globl lwp_clone
    .hidden lwp_clone
    .type lwp_clone, %function
    .p2align 4
lwp_clone:
    .cfi_startproc
    hint #34
    and x1, x1, #-16
    mov x9, x3                  /* the kernel wants tls before child_tid here */
    mov x3, x4
    mov x4, x9
    mov x8, #220                /* clone */
    svc #0
    cbz x0, 1f
    ret
1:  .cfi_undefined x30
    mov x29, xzr
    mov x30, xzr
    mov x0, x6
    blr x5
    brk #1
    .cfi_endproc
    .size lwp_clone, . - lwp_clone

    .section .note.GNU-stack,"",%progbits
