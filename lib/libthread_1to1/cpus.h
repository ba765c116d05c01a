/* How many CPUs there are to spin on. */
#ifndef THR_CPUS_H
#define THR_CPUS_H

#include <stdint.h>

/* CPUs that the process may use, as far as we know; 1 until the constructor has run.  Read it with a32_load. */
extern uint32_t thr_cpus __attribute__((visibility("hidden")));

/* Asks again, on behalf of the calling thread; whoever sleeps does so now and then. */
void cpus_count(void);

#endif
