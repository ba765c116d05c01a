/* What the cancellation handler needs of a signal's context and of rt_sigaction. */
#ifndef THR_ARCH_CANCEL_CONTEXT_H
#define THR_ARCH_CANCEL_CONTEXT_H

#include <stdint.h>
#include <ucontext.h>

static inline uintptr_t context_pc(const ucontext_t *uc) {
    return (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
}

static inline void context_set_pc(ucontext_t *uc, uintptr_t pc) {
    uc->uc_mcontext.gregs[REG_RIP] = (greg_t)pc;
}

/* The kernel insists on a return trampoline here. */
extern char thr_cancel_restorer[] __attribute__((visibility("hidden")));
#define CONTEXT_SA_RESTORER 0x04000000ul
#define CONTEXT_RESTORER ((uintptr_t)thr_cancel_restorer)

/* Distance from the thread pointer to what lies `offset` bytes into the libc's struct pthread, where it
 * points. */
static inline intptr_t context_tp_offset(uintptr_t libc_self, intptr_t offset) {
    (void)libc_self;
    return offset;
}

#endif
