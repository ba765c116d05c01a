/* As arch/x86_64/tls.h. */
#ifndef MNI_ARCH_TLS_H
#define MNI_ARCH_TLS_H

struct mni_worker;
extern __thread struct mni_worker *mni_worker_tls
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

static inline struct mni_worker *mni_worker_self(void) {
    struct mni_worker *w;
    char *base;
    __asm__ volatile("mrs %1, tpidr_el0\n\t"
                     "adrp %0, :gottprel:mni_worker_tls\n\t"
                     "ldr %0, [%0, #:gottprel_lo12:mni_worker_tls]\n\t"
                     "ldr %0, [%1, %0]"
                     : "=&r"(w), "=&r"(base)
                     :
                     : "memory");
    return w;
}

#endif
