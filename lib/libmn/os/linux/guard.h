/*
 * guard: forbidden zones at the low end of stacks, and giving pages back, for many slots by one call.
 */
#ifndef MNI_GUARD_H
#define MNI_GUARD_H

#include <stdbool.h>
#include <stddef.h>

/* Looks at what this kernel, its limits and ODONATA_DISABLE (guard, process_madvise) allow.  Once per start. */
void mni_guard_start(void);

/*
 * Forbids the lowest `guard` bytes of n slots that lie `stride` apart from base on.  Returns how many of the
 * first slots are guarded now: fewer than n when no more guards can be had (said once on standard error, with
 * the reason).
 */
unsigned mni_guard_install(char *base, size_t stride, unsigned n, size_t guard);

/* The pages of n ranges of `bytes` each are dropped; they read as zeroes again. */
void mni_pages_drop(char *const *from, unsigned n, size_t bytes);

/* Whether the guards that were made last are of the cheap kind (not for a slot, for messages and tests). */
const char *mni_guard_kind(void);

#endif
