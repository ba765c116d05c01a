#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "clock.h"

enum { NS = 1000000000 };

uint64_t clock_now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NS + (uint64_t)t.tv_nsec;
}

struct timespec clock_deadline(clockid_t clock, uint64_t ns) {
    struct timespec t;
    clock_gettime(clock, &t);
    t.tv_sec += (time_t)(ns / NS);
    t.tv_nsec += (long)(ns % NS);
    if (t.tv_nsec >= NS) {
        t.tv_nsec -= NS;
        t.tv_sec++;
    }
    return t;
}
