/* mn/thread.h: green threads. */
#ifndef MN_THREAD_H
#define MN_THREAD_H

#include <mn/run.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A thread.  Never reused while it could be mistaken for another; 0 is no thread. */
typedef uint64_t mn_thread;

enum mn_priority { MN_NORMAL = 0, MN_HIGH, MN_LOW };

enum {
    MN_DETACHED = 1,    /* nobody joins it */
    MN_PINNED = 2,      /* always on the same CPU: .cpu, or the one that runs the caller */
    MN_BOUND = 4,       /* an LWP of its own, as a POSIX thread has */
    MN_CHILD_FIRST = 8, /* the new thread runs at once, the caller goes on when it blocks or ends, or on another CPU */
    MN_CPU = 16,        /* .cpu counts: with MN_PINNED the CPU, otherwise where it first runs */
};

struct mn_scope;

/* How a thread is started; all-zero is what mn_go does. */
struct mn_attr {
    const char *name; /* shown in dumps; it must stay valid as long as the thread lives */
    enum mn_stack stack;
    enum mn_priority priority;
    unsigned flags;
    unsigned cpu;           /* 0 up to mn_workers() - 1 */
    struct mn_scope *scope; /* the scope that it belongs to, or NULL (mn/scope.h) */
};

/*
 * Starts a thread that runs fn(arg) and stores its handle in *thread; thread == NULL starts it detached.
 *   -ENOMEM   no memory for it
 *   -EAGAIN   there are max_threads already
 *   -EPERM    no runtime runs, or it is ending
 *   -EINVAL   fn is NULL; attributes out of range
 * Contexts: any.
 */
int mn_go(mn_thread *thread, void *(*fn)(void *arg), void *arg);
int mn_go_attr(mn_thread *thread, const struct mn_attr *attr, void *(*fn)(void *arg), void *arg);

/*
 * Waits until the thread has ended, stores what it returned in *result (unless that is NULL), and releases it.
 *   -ESRCH      no such thread: it was joined before
 *   -EINVAL     it is detached, or another joins it at this moment
 *   -EDEADLK    the caller itself
 *   -ETIMEDOUT, -ECANCELED   it has not ended, was not joined, and can be joined later
 * A thread that has ended is joined, with 0, also when the caller is cancelled or the deadline has passed.
 * Contexts: any.
 */
int mn_join(mn_thread thread, void **result);
int mn_join_until(mn_thread thread, void **result, int64_t deadline);

/* The thread releases itself when it ends.  -ESRCH, -EINVAL: as mn_join.  Contexts: any. */
int mn_detach(mn_thread thread);

/* The calling green thread; 0 in a foreign LWP.  Contexts: any, signal. */
mn_thread mn_self(void);

/* Lets the other ready threads run first.  -ECANCELED: see mn/cancel.h.  Contexts: any. */
int mn_yield(void);

/* Ends the calling thread, as if its function had returned result.  Deferred functions run.  Contexts:
 * green. */
void mn_exit(void *result) __attribute__((noreturn));

/*
 * Blocks the calling thread until mn_unpark() is called for it; if that was done since the last mn_park
 * returned, it returns at once.  what: said of the thread in dumps, a string that stays valid, or NULL.
 *   -ETIMEDOUT, -ECANCELED
 *   -EPERM   in a foreign LWP
 * Contexts: green.
 */
int mn_park(const char *what);
int mn_park_until(const char *what, int64_t deadline);

/* Lets the thread's present or next mn_park return.  -ESRCH: no such thread.  Contexts: any, signal. */
int mn_unpark(mn_thread thread);

/*
 * The thread's priority, from the next time that it becomes ready, or its slice ends.  It means nothing to a
 * bound thread.
 *   -ESRCH    no such thread, or it has ended
 *   -EINVAL   no such priority
 *   -EPERM    no runtime runs; in a callback of a handler, the caller itself (see mn_proc_set_priority)
 * Contexts: any.
 */
int mn_set_priority(mn_thread thread, enum mn_priority priority);

/* Which of the runtime's CPUs runs the caller; -1 in a foreign LWP.  It may change at any call that can
 * block. */
int mn_cpu(void);

/* The name of the thread, or NULL; sets the caller's own.  The string must stay valid.  Contexts: green. */
const char *mn_name(void);
void mn_set_name(const char *name);

#ifdef __cplusplus
}
#endif

#endif
