/* Numbers at random for tests: every thread its own state, so that threads do not disturb each other. */
#ifndef RANDOM_H
#define RANDOM_H

#include <stdint.h>

/* The next of a sequence (xorshift); the state must not be 0. */
static inline uint32_t random_next(uint32_t *state) {
    uint32_t x = *state;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return *state = x;
}

#endif
