/* What a CPU of this architecture offers beside memory operations. */
#ifndef OD_ARCH_CPU_H
#define OD_ARCH_CPU_H

#include <stdint.h>

/* Tells the CPU that this is a spin loop.  isb rather than yield: yield is a no-op on most cores. */
static inline void cpu_relax(void) {
    __asm__ __volatile__("isb" ::: "memory");
}

/* The line is about to be written: it comes for that at once, not to be read first. */
static inline void cpu_will_write(const void *p) {
    __builtin_prefetch(p, 1);
}

/* The CPU does not run ahead of this: what comes after a loop of pauses is not fetched during the loop. */
static inline void cpu_no_lookahead(void) {
    __asm__ __volatile__("isb" ::: "memory");
}

/* A counter of time, cheap and monotonic; its unit is the machine's affair. */
static inline uint64_t cpu_ticks(void) {
    uint64_t t;
    __asm__ __volatile__("mrs %0, cntvct_el0" : "=r"(t));
    return t;
}

#endif
