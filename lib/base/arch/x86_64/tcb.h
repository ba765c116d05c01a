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

/* The 32-bit word of the calling thread's TCB that lies `offset` bytes above the pthread_t. */
static inline uint32_t tcb_word(intptr_t offset) {
    uint32_t word;
    /* volatile: the word of a thread's id changes as it forks. */
    __asm__ volatile("movl %%fs:(%1), %0" : "=r"(word) : "r"(offset));
    return word;
}

/* `self`: what the libc's pthread_self() says in the calling thread. */
static inline void tcb_init(uintptr_t self) {
    (void)self;
}

/* How far the thread pointer lies above the pthread_t. */
static inline uintptr_t tcb_bias(void) {
    return 0;
}

/* A new thread's TCB header, from its creator's: self pointers, and the guards that compiled code checks. */
static inline void tcb_init_header(uintptr_t *header, const uintptr_t *creator) {
    header[0] = header[2] = (uintptr_t)header;
    header[3] = 1; /* multiple_threads */
    header[5] = creator[5]; /* stack guard, fs:0x28 */
    header[6] = creator[6]; /* pointer guard, fs:0x30 */
    header[9] = creator[9] & UINT32_MAX; /* control-flow features in force */
}

/* The thread's vector of TLS blocks, as the loader set it. */
static inline uintptr_t tcb_dtv(const uintptr_t *header) {
    return header[1];
}

/* A module's static TLS block, from the offset that the loader keeps. */
static inline uintptr_t tcb_static_tls(uintptr_t tcb, intptr_t offset) {
    return tcb - (uintptr_t)offset;
}

#endif
