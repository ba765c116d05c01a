/* Random delays between the steps of threads that fight for a lock. */
#ifndef SHAKE_H
#define SHAKE_H

#include <sched.h>
#include <stdint.h>
#include <unistd.h>

#include "random.h"

static __thread uint32_t shake_state;

/* At the start of each thread, with a number of its own. */
static inline void shake_start(uintptr_t number) {
    shake_state = (uint32_t)(number * 0x9e3779b9u) | 1;
}

static inline unsigned rnd(unsigned n) {
    return random_next(&shake_state) % n;
}

/* Mostly nothing; sometimes a few hundred nanoseconds; now and then a switch or a sleep. */
static inline void delay(void) {
    unsigned n = rnd(1000);
    if (n < 600)
        return;
    if (n < 985)
        for (volatile unsigned i = n - 600; i > 0; i--)
            ;
    else if (n < 998)
        sched_yield();
    else
        usleep(rnd(100));
}

#endif
