/*
 * fault: makes a call of ours fail on purpose, so that tests walk the paths that memory and LWPs running out
 * take.
 *
 *     void *stack = fault("mmap") ? MAP_FAILED : mmap(...);
 *
 * In builds with --enable-faults, the environment says which calls fail:
 *
 *     ODONATA_FAULT="mmap:every=3,clone:nth=2,malloc:from=5,trace"
 *
 *   nth=N     the N-th call at that point, and no other
 *   from=N    the N-th and all after it
 *   every=N   each N-th
 *   trace     a line on standard error for each call that is made to fail
 *
 * Calls are counted over the whole process, a forked child goes on from its parent's counts.  In other builds
 * fault() is the constant false, and costs nothing.  The points in use: mmap, mprotect, madvise, clone, malloc,
 * affinity, hwloc; sched_get, sched_set (priority ceilings); vector_refused, vector_part, map_count (guards of
 * stacks); peek, peek_pipe, peek_copy (memory that may not be there); futex and eintr, where a wait ends for no
 * reason, or with EINTR; of descriptors see tests/mn/fault_io.c and fault_kq.c.  The code at a point decides
 * which error its failure is.
 */
#ifndef OD_FAULT_H
#define OD_FAULT_H

#include <stdbool.h>

#ifdef OD_FAULTS

/* Counts a call at this point; true: it is to fail.  Contexts: any thread; not a signal handler. */
bool fault_hit(const char *point);

/* Replaces the rules and starts all counts afresh; NULL: no rules.  False: not understood, nothing fails.  For
 * tests, while no other thread is at a point. */
bool fault_set(const char *rules);

#define fault(point) __builtin_expect(fault_hit(point), 0)

#else
#define fault(point) false
#endif

#endif
