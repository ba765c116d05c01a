/*
 * What a new LWP inherits of its creator's CPU registers, beside memory: floating-point control, and the
 * protection keys.  An LWP that is reused takes it from its new creator.
 */
#ifndef THR_ARCH_CPU_STATE_H
#define THR_ARCH_CPU_STATE_H

#include <stdint.h>

struct cpu_state {
    uint32_t mxcsr;
    uint32_t pkru;
    uint16_t x87;
};

/* CPUID leaf 7, ECX bit 4: the operating system has enabled protection keys. */
static inline int cpu_has_pkru(void) {
    static int known; /* a cache: 1 no, 2 yes */
    if (!known) {
        uint32_t a = 7, b, c = 0, d;
        __asm__ __volatile__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
        known = c & 16 ? 2 : 1;
    }
    return known == 2;
}

static inline void cpu_state_save(struct cpu_state *s) {
    __asm__ __volatile__("stmxcsr %0; fnstcw %1" : "=m"(s->mxcsr), "=m"(s->x87));
    s->mxcsr &= ~UINT32_C(0x3f); /* control, not the sticky exception flags */
    if (cpu_has_pkru())
        __asm__ __volatile__(".byte 0x0f, 0x01, 0xee" : "=a"(s->pkru) : "c"(0) : "edx"); /* rdpkru */
}

static inline void cpu_state_load(const struct cpu_state *s) {
    __asm__ __volatile__("fnclex; ldmxcsr %0; fldcw %1" : : "m"(s->mxcsr), "m"(s->x87));
    if (cpu_has_pkru())
        __asm__ __volatile__(".byte 0x0f, 0x01, 0xef" : : "a"(s->pkru), "c"(0), "d"(0) : "memory"); /* wrpkru */
}

#endif
