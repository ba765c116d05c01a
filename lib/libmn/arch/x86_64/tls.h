/*
 * The calling LWP's worker, read afresh each time: a compiler may keep the address of a __thread variable over
 * a call, and here that call may return on another LWP.
 */
#ifndef MNI_ARCH_TLS_H
#define MNI_ARCH_TLS_H

struct mni_worker;
extern __thread struct mni_worker *mni_worker_tls
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

static inline struct mni_worker *mni_worker_self(void) {
    struct mni_worker *w;
    __asm__ volatile("movq mni_worker_tls@gottpoff(%%rip), %0\n\tmovq %%fs:(%0), %0" : "=r"(w) : : "memory");
    return w;
}

#endif
