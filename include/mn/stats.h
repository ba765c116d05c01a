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
 * Kept when the environment variable MN_STACK_REPORT is set to anything but 0 as the runtime starts; each end
 * of a thread then costs about a microsecond.  The report is also written to standard error as the runtime
 * ends.  It stays available until a runtime starts again.
 *
 * What is counted is how far down from its top a stack holds something other than zeroes: the lowest words of
 * the deepest frame do not count if nothing was stored in them.  A thread that has overflowed its stack is not
 * in it.
 */
struct mn_stack_use {
    void *(*fn)(void *arg); /* NULL: the functions after the first 1,000 different ones, together */
    enum mn_stack stack;    /* size of the stack */
    uint64_t threads;       /* that have ended, or are there and have begun */
    size_t deepest;         /* bytes that the deepest of them used, so far */
};

/*
 * Stores the first `max` entries in uses, the deepest first, and returns how many there are in all.  uses may
 * be NULL if max is 0.
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

/*
 * What one of the runtime's CPUs has done since the runtime started, and what it has at this moment.  Each
 * figure is read for itself while the CPU goes on.  Threads that have an LWP of their own (MN_BOUND) are on no
 * CPU.  Later versions add members at the end.
 */
struct mn_stats_cpu {
    uint32_t cpu;      /* 0 up to mn_workers() - 1 */
    uint32_t os_cpu;   /* the operating system's number of the CPU that it is bound to; UINT32_MAX: to none */
    uint64_t switches; /* from one thread, or none, to another */
    uint64_t spawns;   /* threads started by threads on it */
    uint64_t ends;     /* threads that ended on it */
    uint64_t yields;   /* calls of mn_yield */
    uint64_t parks;    /* times that a thread blocked */
    uint64_t wakes;    /* threads that were made ready by it, for itself or for another CPU */
    uint64_t steals;   /* times that it got threads from another CPU */
    uint64_t stolen;   /* threads that others got from it */
    uint64_t searches; /* times that it ran out of threads and looked for some, spinning */
    uint64_t sleeps;   /* times that it found none and slept in the kernel */
    uint64_t rouses;   /* times that it woke another CPU to help with its threads */
    uint64_t handoffs; /* times that it was given to another LWP, because its own was blocked or busy */
    uint64_t overflows; /* threads that did not fit into the ring of its queue */
    uint64_t ready;    /* now: threads that wait for the CPU */
    uint64_t running;  /* now: 1 if it runs a thread */
    uint64_t timers;   /* now: deadlines of threads and other timers */
    uint64_t stacks;   /* now: free stacks that it keeps at hand */
    uint64_t stack_bytes; /* of these; only pages that were touched take memory */
    uint64_t solos; /* times that all others slept, and it began to do without locked instructions */
};

/*
 * Stores what the first n CPUs have in array, whose elements have the given size: sizeof(struct mn_stats_cpu).
 * Returns how many CPUs there are.
 *   -EPERM    no runtime runs
 *   -EINVAL   size is smaller than the first version's structure; array is NULL and n is not 0
 * Contexts: any; not while the runtime starts or ends.
 */
int mn_stats(struct mn_stats_cpu *array, unsigned n, size_t size);

/* The whole runtime's memory for stacks of one class, and its threads. */
struct mn_stacks_of_class {
    uint64_t mapped;   /* bytes of address space */
    uint64_t resident; /* bytes of memory, at least: of each stack that was used the page next to its top */
    uint64_t stacks;   /* so many fit into what is mapped */
    uint64_t used;     /* that have memory: of threads, or kept for the next */
    uint64_t kept;     /* of these, kept for all CPUs; mn_stats says what each CPU keeps for itself */
    uint64_t trimmed;  /* so often did a stack lose its memory again */
    uint64_t unguarded; /* stacks that no guard zone could be made for */
};

/* -EPERM, -EINVAL as mn_stats; -EINVAL: the class is MN_STACK_DEFAULT or none.  Contexts: any. */
int mn_stats_stacks(enum mn_stack stack, struct mn_stacks_of_class *stats, size_t size);

/*
 * Writes a list of all threads to a descriptor, while the program goes on: name, function, what each does or
 * waits for and how long it has, and the backtrace of those that do not run.  Returns how many there were.
 *   -EPERM    no runtime runs
 *   -ENOMEM   otherwise the error of write
 * Contexts: any; with a stack of 64 KiB or more, and not while the runtime starts or ends.
 *
 * Where SIGQUIT would end the program as the runtime starts, it makes such a dump on standard error instead, as
 * long as the program sets no handler for it.  The environment variable MN_DUMP_SIGNAL names another signal
 * (SIGUSR1, SIGUSR2, SIGHUP), or none.
 */
int mn_dump(int fd);

/* How many threads have not ended.  Contexts: any. */
uint64_t mn_threads(void);

#ifdef __cplusplus
}
#endif

#endif
