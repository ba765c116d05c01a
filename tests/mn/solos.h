/* Solo mode (lib/libmn/sched/solo_mode.c): how often it has begun, and whether it can. */
#ifndef TEST_SOLOS_H
#define TEST_SOLOS_H

#include <mn.h>
#include <stdbool.h>
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

static inline void *ends_solo(void *arg) {
    mn_yield(); /* a call, on an LWP of its own */
    return arg;
}

/* Ends it, so that it can begin; whether it does within so long. */
static inline bool solo_begins(int64_t ns) {
    const struct mn_attr bound = {.flags = MN_BOUND};
    mn_thread t;
    uint64_t before = solos();
    if (mn_go_attr(&t, &bound, ends_solo, NULL) < 0)
        return false;
    mn_join(t, NULL);
    for (int64_t until = mn_after(ns); mn_now() < until && solos() == before;)
        mn_yield();
    return solos() != before;
}

static inline bool solo_comes_back(void) {
    return solo_begins(20000000000);
}

#endif
