/*
 * sem: the words of a semaphore, the libc's own layout, since processes on either implementation may share
 * one.
 *
 *   data    low half: the value, a umtx word; high half: how many threads are about to sleep, or sleep, on it
 *   shared  0 private, 128 process-shared (what the libc writes)
 */
#ifndef THR_SEM_H
#define THR_SEM_H

#include <semaphore.h>
#include <stdint.h>

struct sem {
    uint64_t data;
    uint32_t shared;
    uint32_t pad;
};
_Static_assert(sizeof(struct sem) <= sizeof(sem_t), "the libc's size is the ABI");

enum { SEM_SHARED = 128 };

/* Fills in a semaphore; also what sem_open writes into a new file. */
static inline void sem_fill(struct sem *s, unsigned value, uint32_t shared) {
    *s = (struct sem){.data = value, .shared = shared};
}

#endif
