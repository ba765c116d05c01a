/* What a new LWP inherits of its creator's CPU registers, beside memory: floating-point control. */
#ifndef THR_ARCH_CPU_STATE_H
#define THR_ARCH_CPU_STATE_H

#include <stdint.h>

struct cpu_state {
    uint64_t fpcr;
};

static inline void cpu_state_save(struct cpu_state *s) {
    __asm__ __volatile__("mrs %0, fpcr" : "=r"(s->fpcr));
}

static inline void cpu_state_load(const struct cpu_state *s) {
    __asm__ __volatile__("msr fpcr, %0; msr fpsr, xzr" : : "r"(s->fpcr));
}

#endif
