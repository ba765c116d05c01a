/*
 * membarrier: a pair of barriers, one free and one dear, for protocols whose one side runs all the time and
 * whose other side is rare (enter.h, olock.c).
 *
 *     often:   store A;  mni_fence_light();  load B
 *     rarely:  store B;  mni_heavy_barrier();  load A        one of the two sees the other's store
 */
#ifndef MNI_MEMBARRIER_H
#define MNI_MEMBARRIER_H

#include <stdbool.h>

#include "atomic.h"

/*
 * The light side's.  ThreadSanitizer knows no membarrier, so built for it this is the fence that it stands for.
 */
static inline void mni_fence_light(void) {
#ifdef OD_ATOMIC_BUILTINS
    fence_full();
#else
    __asm__ volatile("" ::: "memory");
#endif
}

/*
 * The other side's: every running LWP of the process has executed a full barrier.  False: there is no such
 * thing here, it was only a fence of the caller's.
 */
bool mni_heavy_barrier(void);

/* Whether the kernel has membarrier for us (ODONATA_DISABLE=membarrier: no); registers for it. */
bool mni_heavy_barrier_start(void);

#endif
