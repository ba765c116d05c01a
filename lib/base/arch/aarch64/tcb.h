/* Where the thread pointer points: just past the libc's struct pthread, whose address is the pthread_t. */
#ifndef OD_ARCH_TCB_H
#define OD_ARCH_TCB_H

#include <stdint.h>

/* How far the pthread_t lies below the thread pointer: the size of the libc's struct pthread, a constant of the
 * process.  tcb_init() sets it before there is a second thread. */
extern uintptr_t tcb_below;

static inline uintptr_t tcb_self(void) {
    return (uintptr_t)__builtin_thread_pointer() - tcb_below;
}

/* The 32-bit word of the calling thread's TCB that lies `offset` bytes above the pthread_t. */
static inline uint32_t tcb_word(intptr_t offset) {
    return *(const volatile uint32_t *)(tcb_self() + (uintptr_t)offset);
}

/* `self`: what the libc's pthread_self() says in the calling thread. */
static inline void tcb_init(uintptr_t self) {
    tcb_below = (uintptr_t)__builtin_thread_pointer() - self;
}

/* How far the thread pointer lies above the pthread_t. */
static inline uintptr_t tcb_bias(void) {
    return tcb_below;
}

/* A new thread's TCB header: glibc's on this architecture holds nothing but the dtv, which the loader sets. */
static inline void tcb_init_header(uintptr_t *header, const uintptr_t *creator) {
    (void)header;
    (void)creator;
}

/* The thread's vector of TLS blocks, as the loader set it. */
static inline uintptr_t tcb_dtv(const uintptr_t *header) {
    return header[0];
}

/* A module's static TLS block, from the offset that the loader keeps. */
static inline uintptr_t tcb_static_tls(uintptr_t tcb, intptr_t offset) {
    return tcb + (uintptr_t)offset;
}

#endif
