/*
 * thread: a green thread's descriptor, and the table of all of them.
 *
 * Descriptors lie in segments that are mapped as they are needed and never unmapped while the runtime runs, so
 * a stale handle can always be looked up and its generation compared.  A handle is generation << 32 | index +
 * 1.
 *
 * Who may touch what.  A running or ready thread belongs to the worker whose CPU runs or queues it; a waiting
 * one to whoever moves park.claim from WAITING to CLAIMED (wait.h).  Its end is an object like any other:
 * `lock` guards ended and joiner.  Words that others than the owner may change are atomic,
 * and plain in solo mode (solo.h).
 */
#ifndef MNI_THREAD_H
#define MNI_THREAD_H

#include <mn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fiber.h"
#include "wait/timer.h"
#include "wait/wait.h"

struct mni_cpu;
struct mn_scope;
struct mni_defer;
struct mni_proc;
struct mni_locals;

/* What a thread does, for dumps and statistics; the scheduler decides by the queues. */
enum mni_state {
    MNI_FREE = 0, /* the descriptor is in a free list */
    MNI_FRESH,    /* queued, never ran */
    MNI_READY,    /* queued */
    MNI_RUNNING,
    MNI_WAITING, /* parked: wait_on and wait_what say for what */
    MNI_DONE,    /* has ended, waits to be joined */
};

enum {
    MNI_PINNED = MN_PINNED,
    MNI_BOUND = MN_BOUND,
    MNI_NAMED = 1 << 8,
    MNI_CHILD = 1 << 9,    /* it was started child first */
    MNI_MAIN = 1 << 10,    /* the first thread of mn_run: UNTIDY, too */
    MNI_UNTIDY = 1 << 11,  /* mni_thread_cleanup has something to do */
    MNI_INT_RESULT = 1 << 12, /* fn returns an int: the scope's (scope.c) */
    MNI_EXECUTOR = 1 << 13, /* runs handlers, and is in a callback of one (proc/exec.c) */
};

/* How far the thread's end has come; guarded by its lock. */
enum mni_ended {
    MNI_LIVES = 0,
    MNI_DETACHED, /* it lives, and nobody will join it: its end frees the descriptor */
    MNI_ENDED,    /* it has ended and is off its stack: whoever joins it has the descriptor */
    MNI_JOINED,   /* a joiner was woken, or is about to release it */
};

/* What only the thread itself looks at: at the top of its stack, all zero when it starts. */
struct mni_own {
    struct mni_locals *locals;
    struct mni_defer *defers;
    struct mn_scope *scopes; /* that it opened, the innermost */
    void *select;            /* records of its last select */
    void *exceptions[2];     /* what __cxa_get_globals points to in this thread */
    void *unwind;            /* in its first frame, for mn_exit (entry.c) */
    struct mni_proc *proc;   /* the process that it is, or whose callback it runs (proc/proc.h) */
    struct mn_mutex *mutexes;  /* robust ones that it holds, the last one first (robust.h) */
    struct mn_rwlock *rwlocks; /* for writing */
};

/*
 * Three whole cache lines, in the order of how much is done with a thread: run and wake it; let it wait; start
 * and end it, or wait with a deadline.  What shares a line with a neighbour costs both: with 248 bytes, who
 * waited wrote into the line in which a waker of the next looked for its parker, and 16 senders and receivers
 * on two CPUs took 80 to 98 ns a message in place of 23.
 */
struct mni_thread {
    /* ---- running, waking, queueing */
    _Alignas(64) struct mni_parker park;  /* who waits: claimed by the one that wakes it (wait.h) */
    void *sp;                /* its saved stack pointer while it does not run; NULL: it never ran */
    struct mni_thread *next; /* in a run queue, an inbox, a free list */
    uint16_t flags;          /* MNI_*; written by the thread itself, or before it starts */
    uint16_t cpu;            /* with MNI_PINNED: where it belongs; otherwise where it last blocked */
    uint8_t state;           /* enum mni_state; relaxed: read by anyone as a hint */
    uint8_t priority;    /* relaxed: others may change it (priority.c) */
    uint8_t stack_class;
    uint8_t ended; /* enum mni_ended; written under the lock, relaxed: read without it as a hint */
    struct mni_olock lock;
    uint32_t permit; /* mn_park and mn_unpark: see park.c */
    uint32_t index; /* of this descriptor */
    uint32_t generation;
    struct mni_own *own; /* NULL: it has no stack */

    /* ---- waiting */
    const char *wait_what; /* "mutex", "channel", or what mn_park was given */
    const void *wait_on;
    int64_t since; /* when it began to wait; a recent time of its CPU */
    struct mni_waiter waiter; /* its place in the queue of the one object that it waits for */

    /* ---- beginning, end, deadlines */
    void *(*fn)(void *);
    void *arg;                 /* then the result */
    struct mni_parker *joiner; /* who waits for its end */
    struct mni_timer timer;
};

/* What few threads have.  A free descriptor belongs to no scope. */
struct mni_extra {
    const char *name;           /* with MNI_NAMED */
    struct mni_thread *spawner; /* with MNI_CHILD: who is to go on when it ends; compared, not followed */
    struct mn_scope *scope;     /* that it belongs to */
    struct list scope_link;     /* in it */
    struct mni_fiber fiber;     /* what tools call this thread */
    uint32_t slices;            /* that a process has used up since it became one; relaxed: others look */
};

/* Descriptors lie in segments, which are aligned: so each finds its other part, and its other part it.  As many
 * as make whole huge pages (3 of 2 MiB). */
enum { MNI_SEGMENT = 32768 };
struct mni_thread_segment {
    struct mni_thread thread[MNI_SEGMENT];
    struct mni_extra extra[MNI_SEGMENT];
};
#define MNI_SEGMENT_ALIGN ((uintptr_t)1 << (sizeof(struct mni_thread_segment) > (1 << 23) ? 24 : 23))

static inline struct mni_extra *mni_extra(const struct mni_thread *t) {
    struct mni_thread_segment *s = (struct mni_thread_segment *)((uintptr_t)t & -MNI_SEGMENT_ALIGN);
    return &s->extra[t->index % MNI_SEGMENT];
}

static inline struct mni_thread *mni_extra_thread(const struct mni_extra *e) {
    struct mni_thread_segment *s = (struct mni_thread_segment *)((uintptr_t)e & -MNI_SEGMENT_ALIGN);
    return &s->thread[e - s->extra];
}

/* Its name, or NULL.  Relaxed: dumps and reports look, too, in passing: the flags are not atomic. */
__attribute__((no_sanitize("thread"))) static inline const char *mni_thread_name(const struct mni_thread *t) {
    return *(const volatile uint16_t *)&t->flags & MNI_NAMED ? aptr_load(&mni_extra(t)->name) : NULL;
}

static inline void mni_thread_set_name(struct mni_thread *t, const char *name) {
    aptr_store(&mni_extra(t)->name, name); /* relaxed: as above */
    t->flags |= MNI_NAMED;
}

static inline mn_thread mni_thread_handle(const struct mni_thread *t) {
    return (uint64_t)a32_load(&t->generation) << 32 | (t->index + 1);
}

#endif
