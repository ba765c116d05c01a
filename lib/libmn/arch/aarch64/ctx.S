/*
 * The context switch; ctx.h has the contract, arch/x86_64/ctx.S the explanations.
 *
 *     void mni_ctx_switch(void **save, void *to)         x0, x1
 *     void mni_ctx_jump(void *to)                        x0
 *     void *mni_ctx_make(void *top, void (*entry)(void)) x0, x1
 *
 * A context that does not run is a stack pointer, above which lie
 *
 *     0 x29   8 x30 (where it goes on)   16 x19 ... 88 x28   96 d8 ... 152 d15
 *
 * x29 and x30 make it look like a frame record, for walks by frame pointers.  fpcr stays the LWP's.
 *
 * It ends in br and not in ret, as on x86-64.  Not marked for BTI: the place after a call is no landing pad for br.
 * Return addresses that the compiler signed (pointer authentication) lie in its callers' frames, where they are signed
 * and checked with the same stack pointer: not touched here.
 */
        .text

        .macro  frame_cfi
        .cfi_def_cfa sp, 160
        .cfi_rel_offset x29, 0
        .cfi_rel_offset x30, 8
        .cfi_rel_offset x19, 16
        .cfi_rel_offset x20, 24
        .cfi_rel_offset x21, 32
        .cfi_rel_offset x22, 40
        .cfi_rel_offset x23, 48
        .cfi_rel_offset x24, 56
        .cfi_rel_offset x25, 64
        .cfi_rel_offset x26, 72
        .cfi_rel_offset x27, 80
        .cfi_rel_offset x28, 88
        .cfi_rel_offset d8, 96
        .cfi_rel_offset d9, 104
        .cfi_rel_offset d10, 112
        .cfi_rel_offset d11, 120
        .cfi_rel_offset d12, 128
        .cfi_rel_offset d13, 136
        .cfi_rel_offset d14, 144
        .cfi_rel_offset d15, 152
        .endm

        /* The registers hold what the memory holds until sp moves: one state of the CFI is true for all of it. */
        .macro  restore_and_go
        ldp     x19, x20, [sp, #16]
        ldp     x21, x22, [sp, #32]
        ldp     x23, x24, [sp, #48]
        ldp     x25, x26, [sp, #64]
        ldp     x27, x28, [sp, #80]
        ldp     d8, d9, [sp, #96]
        ldp     d10, d11, [sp, #112]
        ldp     d12, d13, [sp, #128]
        ldp     d14, d15, [sp, #144]
        ldp     x29, x30, [sp], #160
        .cfi_def_cfa sp, 0
        .cfi_restore x19
        .cfi_restore x20
        .cfi_restore x21
        .cfi_restore x22
        .cfi_restore x23
        .cfi_restore x24
        .cfi_restore x25
        .cfi_restore x26
        .cfi_restore x27
        .cfi_restore x28
        .cfi_restore x29
        .cfi_restore x30
        .cfi_restore d8
        .cfi_restore d9
        .cfi_restore d10
        .cfi_restore d11
        .cfi_restore d12
        .cfi_restore d13
        .cfi_restore d14
        .cfi_restore d15
        br      x30
        .endm

        .globl  mni_ctx_switch
        .hidden mni_ctx_switch
        .type   mni_ctx_switch, %function
        .p2align 6
mni_ctx_switch:
        .cfi_startproc
        stp     x29, x30, [sp, #-160]!
        .cfi_def_cfa_offset 160
        stp     x19, x20, [sp, #16]
        stp     x21, x22, [sp, #32]
        stp     x23, x24, [sp, #48]
        stp     x25, x26, [sp, #64]
        stp     x27, x28, [sp, #80]
        stp     d8, d9, [sp, #96]
        stp     d10, d11, [sp, #112]
        stp     d12, d13, [sp, #128]
        stp     d14, d15, [sp, #144]
        frame_cfi
        mov     x2, sp
        str     x2, [x0]
        mov     sp, x1
        restore_and_go
        .cfi_endproc
        .size   mni_ctx_switch, . - mni_ctx_switch

        .globl  mni_ctx_jump
        .hidden mni_ctx_jump
        .type   mni_ctx_jump, %function
        .p2align 6
mni_ctx_jump:
        .cfi_startproc
        mov     sp, x0
        frame_cfi
        restore_and_go
        .cfi_endproc
        .size   mni_ctx_jump, . - mni_ctx_jump

        .globl  mni_ctx_make
        .hidden mni_ctx_make
        .type   mni_ctx_make, %function
        .p2align 4
mni_ctx_make:
        .cfi_startproc
        adrp    x2, mni_ctx_entry
        add     x2, x2, :lo12:mni_ctx_entry
        sub     x0, x0, #160
        stp     xzr, x2, [x0]           /* x29: the end of the chain of frame records */
        stp     x1, xzr, [x0, #16]      /* x19: entry */
        stp     xzr, xzr, [x0, #32]
        stp     xzr, xzr, [x0, #48]
        stp     xzr, xzr, [x0, #64]
        stp     xzr, xzr, [x0, #80]
        stp     xzr, xzr, [x0, #96]
        stp     xzr, xzr, [x0, #112]
        stp     xzr, xzr, [x0, #128]
        stp     xzr, xzr, [x0, #144]
        ret
        .cfi_endproc
        .size   mni_ctx_make, . - mni_ctx_make

        /* The outermost frame of every green thread. */
        .type   mni_ctx_base, %function
        .p2align 4
mni_ctx_base:
        .cfi_startproc
        .cfi_undefined x30
        nop
        .globl  mni_ctx_entry
        .hidden mni_ctx_entry
mni_ctx_entry:
        blr     x19
        brk     #1
        .cfi_endproc
        .size   mni_ctx_base, . - mni_ctx_base

        .section .note.GNU-stack, "", %progbits
