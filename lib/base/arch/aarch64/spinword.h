/* The two values of pthread_spinlock_t that the libc uses on this architecture. */
#ifndef OD_ARCH_SPINWORD_H
#define OD_ARCH_SPINWORD_H

#include <stdint.h>

enum { SPINWORD_FREE = 0, SPINWORD_TAKEN = 1 };

static inline int spinword_is_free(uint32_t word) {
    return word == 0;
}

#endif
