/*
 * The cancellation window (doc/design/cancellation.md, cancel.h).
 *
 *     long thr_window3(long a, long b, long c, long nr);
 *     long thr_window6(long a, long b, long c, long d, long e, long f, long nr);
 *
 * Between thr_window_start and thr_window_end no effect of the system call has happened yet: the check is ahead
 * of the call, and a call that the kernel will restart stands at the syscall instruction again.  The signal
 * handler moves a thread that it finds there to thr_window_cancelled.  At thr_window_end the call is complete.
 *
 * The stack pointer is the same throughout, so one line of CFI holds for it all.  r10 and eax hold the call's
 * fourth argument and number from before the window to thr_window_cancelled; the kernel restores both for a
 * restart.
 */
        .text
        .globl  thr_window3, thr_window6, thr_window_entry, thr_window_start, thr_window_end
        .globl  thr_window_cancelled, thr_window_leave
        .hidden thr_window3, thr_window6, thr_window_entry, thr_window_start, thr_window_end
        .hidden thr_window_cancelled, thr_window_leave
        .type   thr_window3, @function
        .type   thr_window6, @function
        .balign 64
thr_window_entry:
        .cfi_startproc
thr_window6:
        mov     8(%rsp), %eax
        mov     %rcx, %r10
        jmp     1f
thr_window3:
        mov     %ecx, %eax
1:
        /* thr_window_depth counts the windows that this thread is in: cancel.c, "A handler above a window". */
        mov     thr_window_depth@gottpoff(%rip), %rcx
        incl    %fs:(%rcx)
        /* Before cancel.c has found the libc's cancel word the offset is 0, where the TCB keeps its own
         * address, aligned to 64: it never looks cancelled. */
        mov     thr_cancel_offset(%rip), %r11
thr_window_start:
        mov     %fs:(%r11), %ecx
        and     $0x19, %ecx             /* CANCEL_DISABLED | CANCEL_CANCELED | CANCEL_EXITING */
        cmp     $0x08, %ecx             /* CANCEL_CANCELED alone */
        je      thr_window_cancelled
        syscall
thr_window_end:
        mov     thr_window_depth@gottpoff(%rip), %rcx
        decl    %fs:(%rcx)
        ret
thr_window_cancelled:
        mov     thr_window_depth@gottpoff(%rip), %rcx
        decl    %fs:(%rcx)
        mov     %r10, %rcx
        push    %rax
        .cfi_adjust_cfa_offset 8
        call    thr_window_hit          /* (a, b, c, d, e, f, nr) */
        add     $8, %rsp
        .cfi_adjust_cfa_offset -8
        ret
thr_window_leave:
        .cfi_endproc
        .size   thr_window6, . - thr_window6
        .size   thr_window3, . - thr_window3

/*
 * Where the kernel returns to from our handler.  Unwinders and debuggers know this frame by exactly these bytes
 * and this name; they look up the address minus one, so the nop keeps them out of the code above.
 */
        .globl  thr_cancel_restorer
        .hidden thr_cancel_restorer
        .type   __restore_rt, @function
        .balign 16
        nop
thr_cancel_restorer:
__restore_rt:
        mov     $15, %rax               /* SYS_rt_sigreturn */
        syscall
        .size   __restore_rt, . - __restore_rt

        .section .note.GNU-stack, "", @progbits
