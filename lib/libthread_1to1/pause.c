/* pause.h: how fast cpu_ticks() goes is measured by the kernel's clock, from the start of the process on. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "pause.h"

#include "clock.h"
#include "cpu.h"
#include "sys.h"
#include "thr.h"

static uint64_t start_ticks, start_ns;
static uint32_t ticks_per_us; /* 0: not known yet */

__attribute__((constructor)) static void start(void) {
    start_ticks = cpu_ticks();
    struct timespec t; /* by the kernel's hand: clock_gettime may be the program's own (text_after, libc.h) */
    sys(SYS_clock_gettime, CLOCK_MONOTONIC, &t);
    start_ns = (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

uint64_t pause_ticks(uint32_t ns) {
    uint32_t speed = a32_load(&ticks_per_us); /* relaxed: whoever computes it gets about the same */
    if (unlikely(speed == 0)) {
        uint64_t passed = clock_now_ns() - start_ns;
        if (passed < 100000)
            return ns; /* too early to tell; 1 GHz */
        speed = (uint32_t)((cpu_ticks() - start_ticks) * 1000 / passed);
        if (speed == 0)
            speed = 1;
        a32_store(&ticks_per_us, speed); /* relaxed: as above */
    }
    return (uint64_t)ns * speed / 1000;
}

void pause_ns(uint32_t ns) {
    uint64_t begin = cpu_ticks(), length = pause_ticks(ns);
    do
        cpu_relax();
    while (cpu_ticks() - begin < length);
    cpu_no_lookahead();
}
