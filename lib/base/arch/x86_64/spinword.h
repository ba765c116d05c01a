/* The two values of pthread_spinlock_t that the libc uses on this architecture. */
#ifndef OD_ARCH_SPINWORD_H
#define OD_ARCH_SPINWORD_H

#include <stdint.h>

enum { SPINWORD_FREE = 1, SPINWORD_TAKEN = 0 };

/* The libc's own lock counts below zero while others try. */
static inline int spinword_is_free(uint32_t word) {
    return (int32_t)word > 0;
}

#endif
