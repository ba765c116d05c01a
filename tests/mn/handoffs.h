/* How often cpus have been given to other LWPs. */
#ifndef TEST_HANDOFFS_H
#define TEST_HANDOFFS_H

#include <mn.h>
#include <stdint.h>

static inline uint64_t handoffs(void) {
    struct mn_stats_cpu s[64];
    uint64_t n = 0;
    int cpus = mn_stats(s, 64, sizeof *s);
    for (int i = 0; i < cpus && i < 64; i++)
        n += s[i].handoffs;
    return n;
}

#endif
