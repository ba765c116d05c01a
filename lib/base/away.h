/* Keeping away from a line that another CPU works on. */
#ifndef OD_AWAY_H
#define OD_AWAY_H

#include "cpu.h"

/* Pauses so many times, and neither looks at memory meanwhile nor lets the CPU run ahead to the look that
 * follows (cpu.h). */
static inline void stay_away(int pauses) {
    for (int i = 0; i < pauses; i++)
        cpu_relax();
    cpu_no_lookahead();
}

#endif
