/* Where the thread pointer points: just past the libc's struct pthread, whose address is the pthread_t. */
#ifndef OD_ARCH_TCB_H
#define OD_ARCH_TCB_H

#include <stdint.h>

/* The pthread_t lies a constant below the thread pointer; the constant is the libc's and cancels out of every use
 * here, which only needs a handle that is unique, stable, and at a fixed distance from the TLS block. */
static inline uintptr_t tcb_self(void) {
    return (uintptr_t)__builtin_thread_pointer();
}

/* A new thread's TCB header: glibc's on this architecture holds nothing but the dtv, which the loader sets. */
static inline void tcb_init_header(uintptr_t *header, const uintptr_t *creator) {
    (void)header;
    (void)creator;
}

/* A module's static TLS block, from the offset that the loader keeps. */
static inline uintptr_t tcb_static_tls(uintptr_t tcb, intptr_t offset) {
    return tcb + (uintptr_t)offset;
}

#endif
