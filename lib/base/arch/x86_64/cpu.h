/* What a CPU of this architecture offers beside memory operations. */
#ifndef OD_ARCH_CPU_H
#define OD_ARCH_CPU_H

#include <stdint.h>

/* Tells the CPU that this is a spin loop. */
static inline void cpu_relax(void) {
    __asm__ __volatile__("pause" ::: "memory");
}

/* A counter of time, cheap and monotonic on one CPU; its unit is the machine's affair. */
static inline uint64_t cpu_ticks(void) {
    return __builtin_ia32_rdtsc();
}

#endif
