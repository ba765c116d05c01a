/* How often solo mode has begun (lib/libmn/sched/solo_mode.c), on all cpus together. */
#ifndef TEST_SOLOS_H
#define TEST_SOLOS_H

#include <mn.h>
#include <stdint.h>

enum { MOST_WORKERS = 64 };

static inline uint64_t solos(void) {
    struct mn_stats_cpu cpu[MOST_WORKERS];
    uint64_t n = 0;
    int cpus = mn_stats(cpu, MOST_WORKERS, sizeof *cpu);
    for (int i = 0; i < cpus; i++)
        n += cpu[i].solos;
    return n;
}

#endif
