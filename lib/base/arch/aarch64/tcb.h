/* Where the thread pointer points: just past the libc's struct pthread, whose address is the pthread_t. */
#ifndef OD_ARCH_TCB_H
#define OD_ARCH_TCB_H

#include <stdint.h>

/* The pthread_t lies a constant below the thread pointer; the constant is the libc's and cancels out of every use
 * here, which only needs a handle that is unique, stable, and at a fixed distance from the TLS block. */
static inline uintptr_t tcb_self(void) {
    return (uintptr_t)__builtin_thread_pointer();
}

#endif
