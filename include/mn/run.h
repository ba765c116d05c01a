/* mn/run.h: starting and stopping the runtime. */
#ifndef MN_RUN_H
#define MN_RUN_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Sizes of a thread's stack, guard included. */
enum mn_stack {
    MN_STACK_DEFAULT = 0, /* what the configuration says: 64 KiB unless it was changed */
    MN_STACK_16K,         /* for code that stays away from stdio and the resolver */
    MN_STACK_64K,
    MN_STACK_256K,
    MN_STACK_1M,
};

/*
 * How the runtime is to run.  All-zero means: what suits this machine.  Where a field is zero, the environment
 * variable named beside it counts, if it is set.
 */
struct mn_config {
    /* MN_WORKERS: how many CPUs the runtime uses; 0: each that affinity mask and cgroup allow. */
    unsigned workers;
    const char *cpus;      /* MN_CPUS: of these ("0-3,8"); NULL: of all in the affinity mask */
    enum mn_stack stack;   /* MN_STACK (16K, 64K, 256K, 1M): stacks of threads that do not say */
    unsigned slice_us;     /* MN_SLICE_US: how long a thread runs while others wait; 0: 1000 */
    /* MN_SPIN_US: how long an idle worker looks for work before it sleeps; 0: 20; -1: not at all. */
    int spin_us;
    /* MN_PIN (auto, yes, no): 1: bind each worker to a CPU; -1: do not; 0: if they fill the mask. */
    int pin;
    uint64_t max_threads;  /* MN_MAX_THREADS: 0: 16 million */
    int verbose;           /* MN_VERBOSE: prints what was decided, and why, on standard error */
    unsigned file_lwps;    /* MN_FILE_LWPS: the most LWPs for calls on files (mn/offload.h); 0: 32 */
    unsigned dns_lwps;     /* MN_DNS_LWPS: for name look-ups; 0: 16 */
    unsigned call_lwps;    /* MN_CALL_LWPS: for mn_block_call; 0: 256 */
    /* MN_LWP_IDLE_MS: how long one of them has had nothing to do when it ends; 0: 5000. */
    unsigned lwp_idle_ms;
    unsigned max_lwps;     /* MN_MAX_LWPS: kernel threads that run green ones, workers included; 0: 1024.  While so many are
                              there, a thread that blocks in the kernel or computes holds up the others of its CPU */
    /* MN_STALL_MS: reports threads that make no call for so long (mn/progress.h); 0: none. */
    unsigned stall_ms;
    int deadlock;          /* MN_DEADLOCK (report, abort, off): an enum mn_deadlock; 0: report */
};

/*
 * Starts the runtime, runs main_fn(arg) as its first green thread and returns what it returned (which should
 * not be negative).  When it has returned, cancellation is requested of the threads that are left, and they are
 * waited for.
 *   -EBUSY     a runtime runs in this process already
 *   -EINVAL    the configuration, or a variable of the environment, makes no sense (verbose says what)
 *   -ENOMEM, -EAGAIN   no memory, no LWPs (verbose says whether locked memory is what is limited)
 * Contexts: foreign LWPs.
 */
int mn_run(int (*main_fn)(void *arg), void *arg, const struct mn_config *config);

/* Starts the runtime and returns; threads are then started by mn_go.  Errors and contexts as above. */
int mn_start(const struct mn_config *config);

/*
 * Requests cancellation of every thread, waits for them to end, and ends the runtime.  A process that is still
 * there after 100 ms ends at its next call that can block, unless it is shielded.  Calls of other LWPs, which
 * may go on meanwhile, end, or fail as they do without a runtime.
 *   -ETIMEDOUT  some thread still runs at the deadline: the runtime goes on, without it being stopped
 *   -EPERM      there is no runtime, or it was started by mn_run
 *   -EDEADLK    called by a green thread
 * Contexts: foreign LWPs.
 */
int mn_stop(int64_t deadline);

/*
 * fork: the child has no runtime, whoever called it: mn_workers() is 0 there, no thread can be started (-EPERM)
 * or found (-ESRCH), and mn_run or mn_start makes a new one.  A green thread that forked goes on there as the
 * only thread; when its function returns, the child exits with status 0, or with what main_fn of mn_run
 * returned.  Its signal mask and CPUs are the program's; what posix_spawn, system or pthread_create start on a
 * worker has the worker's: libmn(7).
 */

/*
 * How many CPUs the runtime uses; 0: there is none.  A CPU quota that shrinks while it runs has some of them
 * rest, except for threads that are pinned to them, until it grows again.  Contexts: any, signal.
 */
unsigned mn_workers(void);

/* The library's version, as in "0.1.0".  Contexts: any, signal. */
const char *mn_version(void);

#ifdef __cplusplus
}
#endif

#endif
