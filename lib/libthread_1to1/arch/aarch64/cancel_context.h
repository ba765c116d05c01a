/* What the cancellation handler needs of a signal's context and of rt_sigaction. */
#ifndef THR_ARCH_CANCEL_CONTEXT_H
#define THR_ARCH_CANCEL_CONTEXT_H

#include <stdint.h>
#include <ucontext.h>

static inline uintptr_t context_pc(const ucontext_t *uc) {
    return (uintptr_t)uc->uc_mcontext.pc;
}

static inline void context_set_pc(ucontext_t *uc, uintptr_t pc) {
    uc->uc_mcontext.pc = pc;
}

/* The vDSO has the return trampoline. */
#define CONTEXT_SA_RESTORER 0ul
#define CONTEXT_RESTORER ((uintptr_t)0)

/* Distance from the thread pointer to what lies `offset` bytes into the libc's struct pthread, which lies below
 * it. */
static inline intptr_t context_tp_offset(uintptr_t libc_self, intptr_t offset) {
    return (intptr_t)(libc_self - (uintptr_t)__builtin_thread_pointer()) + offset;
}

#endif
