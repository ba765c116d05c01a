/* Where the thread pointer points: the libc's thread control block, whose address is also the pthread_t. */
#ifndef OD_ARCH_TCB_H
#define OD_ARCH_TCB_H

#include <stdint.h>

static inline uintptr_t tcb_self(void) {
    uintptr_t self;
    /* The third word of the TCB holds its own address (x86-64 TLS ABI keeps one at 0, glibc another at 16). */
    __asm__("mov %%fs:16, %0" : "=r"(self));
    return self;
}

#endif
