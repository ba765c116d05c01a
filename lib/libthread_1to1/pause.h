/* Pausing by the clock: a thread that keeps away from a line for so long. */
#ifndef THR_PAUSE_H
#define THR_PAUSE_H

#include <stdint.h>

/* So many ns in cpu_ticks(); for the first 0.1 ms of a process a guess. */
uint64_t pause_ticks(uint32_t ns);

/* At least so many ns; looks at no memory meanwhile, nor lets the CPU run ahead to the look that follows
 * (cpu.h). */
void pause_ns(uint32_t ns);

#endif
