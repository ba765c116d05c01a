/* What a CPU of this architecture offers beside memory operations. */
#ifndef OD_ARCH_CPU_H
#define OD_ARCH_CPU_H

#include <stdint.h>

/* Tells the CPU that this is a spin loop. */
static inline void cpu_relax(void) {
    __asm__ __volatile__("pause" ::: "memory");
}

/* The CPU does not run ahead of this: what comes after a loop of pauses is not fetched during the loop.  lfence
 * waits until all before it has completed. */
static inline void cpu_no_lookahead(void) {
    __asm__ __volatile__("lfence" ::: "memory");
}

/* The line is about to be written: it comes for that at once, not to be read first.  (The compiler's own reads
 * it where PREFETCHW is not promised; CPUs without that do nothing.) */
static inline void cpu_will_write(const void *p) {
    __asm__ __volatile__("prefetchw %0" : : "m"(*(const char *)p));
}

/* A counter of time, cheap and monotonic on one CPU; its unit is the machine's affair. */
static inline uint64_t cpu_ticks(void) {
    return __builtin_ia32_rdtsc();
}

#endif
