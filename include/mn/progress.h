/* mn/progress.h: threads that hold up others, and programs that can go on no more. */
#ifndef MN_PROGRESS_H
#define MN_PROGRESS_H

#include <mn/thread.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A thread that computes, or sits in a system call, holds up nobody for long: when others wait for its CPU and
 * it has been there for a slice (mn_config's slice_us; sooner if it sleeps in the kernel), another LWP runs the
 * CPU's threads.  The thread keeps its LWP, and comes back at its next call of the library.  How many LWPs
 * there may be, mn_config's max_lwps says; how often it happened, mn_stats' handoffs.
 */

/* The LWPs that run green threads. */
struct mn_lwps {
    uint64_t now;    /* that there are: of CPUs, of threads whose CPU was handed over, and spare ones */
    uint64_t most;   /* that there were at a time since the runtime started */
    uint64_t spares; /* that wait to be needed */
    uint64_t stalls; /* times that a thread was found to run for too long (mn_on_stall) */
};

/* size: of the structure that the caller knows.  -EPERM: no runtime runs; -EINVAL.  Contexts: any. */
int mn_stats_lwps(struct mn_lwps *lwps, size_t size);

/* A thread that has made no call of the library for long. */
struct mn_stall {
    mn_thread thread;
    const char *name;       /* "" if it has none */
    void *(*fn)(void *arg); /* its function */
    int64_t span;           /* ns for which it has made none, about */
    int lwp;                /* the operating system's number of its LWP */
    int blocked;            /* 1: in the kernel; 0: it computes */
    int depth;              /* of its backtrace; 0: none could be taken */
    void *const *pcs;       /* [depth], innermost first */
    uint64_t left_out;      /* stalls since the last report that were not reported: one a second is */
};

/*
 * Has each thread reported once that makes no call of the library for `span` ns (at least 1 ms; 0: none any
 * more), although it holds up nobody.  By `report`, on an LWP of the runtime's, which may call the library;
 * NULL: a text on standard error.  The environment variable MN_STALL_MS does the same from the start, with the
 * text.
 *
 * The backtrace of one that computes is taken by a signal to its LWP, SIGSTKFLT, if the program has no handler
 * for it.
 *   -EINVAL   the span is negative, or too short
 * Contexts: any.
 */
int mn_on_stall(int64_t span, void (*report)(const struct mn_stall *stall, void *arg), void *arg);

/* What happens when all threads wait and nothing is left that could wake one. */
enum mn_deadlock {
    MN_DEADLOCK_REPORT = 1, /* a text on standard error says who waits for what; the default */
    MN_DEADLOCK_ABORT,      /* then abort() */
    MN_DEADLOCK_OFF,        /* nothing */
};

/*
 * Chooses that.  Then `then(arg)` is called, if it is not NULL, on an LWP of the runtime's: what it wakes or
 * cancels goes on.  The environment variable MN_DEADLOCK (report, abort, off) chooses what holds from the
 * start.
 *
 * It is a deadlock if every thread waits without a deadline for another (join, mutex, channel, ...) or for
 * mn_unpark, there is no timer, no descriptor is waited for, nothing is offloaded, the process has no LWP but
 * the runtime's, and no signal handler but the library's.  A runtime that was started by mn_start is never in a
 * deadlock: its starter may do anything.
 *   -EINVAL   no such choice
 * Contexts: any.
 */
int mn_on_deadlock(enum mn_deadlock what, void (*then)(void *arg), void *arg);

#ifdef __cplusplus
}
#endif

#endif
