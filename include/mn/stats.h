/* mn/stats.h: statistics, dumps, stack report. */
#ifndef MN_STATS_H
#define MN_STATS_H

#include <mn/thread.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * How much stack the threads of each entry function have used: what size a function needs.
 *
 * Kept when the environment variable MN_STACK_REPORT is set to anything but 0 as the runtime starts; each end of a thread
 * then costs about a microsecond.  The report is also written to standard error as the runtime ends.  It stays available
 * until a runtime starts again.
 *
 * What is counted is how far down from its top a stack holds something other than zeroes: the lowest words of the deepest
 * frame do not count if nothing was stored in them.  A thread that has overflowed its stack is not in it.
 */
struct mn_stack_use {
    void *(*fn)(void *arg); /* NULL: the functions after the first 1,000 different ones, together */
    enum mn_stack stack;    /* size of the stack */
    uint64_t threads;       /* that have ended, or are there and have begun */
    size_t deepest;         /* bytes that the deepest of them used, so far */
};

/*
 * Stores the first `max` entries in uses, the deepest first, and returns how many there are in all.  uses may be NULL if
 * max is 0.
 *   -ENODATA   it was not kept: MN_STACK_REPORT was not set when the runtime started
 *   -EINVAL    max is negative
 * Contexts: any.
 */
int mn_stack_uses(struct mn_stack_use *uses, int max);

/*
 * Writes a line of text for each entry to a descriptor and returns how many:
 *     stack  class 64K  threads 1000  deepest 5312 of 47104  function work (./program)
 * -ENODATA as above; otherwise the error of write.  Contexts: any.
 */
int mn_stack_report(int fd);

#ifdef __cplusplus
}
#endif

#endif
