/*
 * The cancellation window; see arch/x86_64/cancel_window.S, which explains it, and doc/design/cancellation.md.
 *
 * The kernel preserves every register but x0, and x0 too for a restart.  x8 holds the call's number and x10 the
 * address of thr_window_depth from before the window to its end.
 */
        .text
        .globl  thr_window3, thr_window6, thr_window_entry, thr_window_start, thr_window_end
        .globl  thr_window_cancelled, thr_window_leave
        .hidden thr_window3, thr_window6, thr_window_entry, thr_window_start, thr_window_end
        .hidden thr_window_cancelled, thr_window_leave
        .type   thr_window3, %function
        .type   thr_window6, %function
        .balign 64
thr_window_entry:
        .cfi_startproc
thr_window6:
        mov     x8, x6
        b       1f
thr_window3:
        mov     x8, x3
1:
        mrs     x9, tpidr_el0
        adrp    x10, :gottprel:thr_window_depth
        ldr     x10, [x10, :gottprel_lo12:thr_window_depth]
        add     x10, x10, x9
        ldr     w11, [x10]
        add     w11, w11, #1
        str     w11, [x10]
        /* Offset 0 is the pointer to the thread's vector of TLS blocks, aligned to 16: it never looks
         * cancelled. */
        adrp    x11, thr_cancel_offset
        ldr     x11, [x11, :lo12:thr_cancel_offset]
        add     x9, x9, x11
thr_window_start:
        ldr     w11, [x9]
        mov     w12, #0x19              /* CANCEL_DISABLED | CANCEL_CANCELED | CANCEL_EXITING */
        and     w11, w11, w12
        cmp     w11, #0x08              /* CANCEL_CANCELED alone */
        b.eq    thr_window_cancelled
        svc     #0
thr_window_end:
        ldr     w11, [x10]
        sub     w11, w11, #1
        str     w11, [x10]
        ret
thr_window_cancelled:
        ldr     w11, [x10]
        sub     w11, w11, #1
        str     w11, [x10]
        mov     x6, x8
        b       thr_window_hit          /* (a, b, c, d, e, f, nr) */
thr_window_leave:
        .cfi_endproc
        .size   thr_window6, . - thr_window6
        .size   thr_window3, . - thr_window3

        .section .note.GNU-stack, "", %progbits
