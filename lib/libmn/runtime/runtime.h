/*
 * runtime: cpu, worker and what they belong to: what schedules threads.
 *
 * A cpu is one of the runtime's CPUs: run queue, timers, caches.  A worker is an LWP.  A worker that has a cpu
 * runs its threads; `inside` says whether it is in the runtime or in a thread's own code.  State is ownership:
 *
 *   - Everything in the cpu's first part belongs to its worker while that is inside, and is plain memory.
 *   - While the worker is not inside, another LWP may mark it (`taken`), and then owns the cpu until it clears the mark
 *     (to steal from it), or for good (to hand the cpu to another worker): enter.h and take.c.
 *   - Everybody else writes to the `remote` part only: the inbox, and the wish to be given work.
 *
 * So pushes and pops need no locked instruction, and a thread that was made ready on a cpu is seen by nobody
 * else before the pusher has left the runtime: it may be queued while it still stands on its own stack.  Except
 * by mn_go and mni_ready, which answer thieves in between: whoever queues itself calls neither before it has
 * left.
 */
#ifndef MNI_RUNTIME_H
#define MNI_RUNTIME_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "atomic.h"
#include "stack/stack.h"
#include "thread/ctx.h"
#include "thread/fiber.h"
#include "thread/thread.h"
#include "topo.h"

enum {
    MNI_RING = 1024,      /* run queue entries of a CPU, before the ring grows */
    MNI_GIFT = 256,       /* threads that a thief gets at most */
    MNI_RING_MOST = 1 << 24, /* the most that it grows to; then, and without memory, there is the overflow list */
    MNI_HELP_NS = 20000, /* between two calls for help of a CPU (idle.c) */
    MNI_BUDGET = 1000,   /* runtime calls of a slice */
    MNI_CHARGED = 1024,  /* bytes that a system call moves count as one */
    MNI_HOP = 60,        /* so many of them counts a switch by the hot slot, while others wait */
    MNI_STRAND = 64,     /* slices in a row of threads that start each other child first */
    MNI_LINE = 128,      /* two cache lines: the adjacent-line prefetcher makes neighbours out of pairs */
};

/* A FIFO of threads, linked through next. */
struct mni_fifo {
    struct mni_thread *head, *tail;
    uint64_t length;
};

/* Counted by the owner, read by anyone: relaxed words. */
struct mni_counts {
    uint64_t switches, spawns, ends, yields, parks, wakes, steals, stolen, searches, sleeps, rouses, handoffs,
        overflows, messages, solos;
};

/* Adds to a count of the caller's own cpu.  One writer: a plain addition where nobody looks for races. */
#ifdef OD_ATOMIC_BUILTINS
#define mni_count(c, what, n) a64_store(&(c)->count.what, (c)->count.what + (uint64_t)(n))
#else
#define mni_count(c, what, n) ((c)->count.what += (uint64_t)(n))
#endif

/* What a searcher remembers of its victims from one look to the next. */
struct mni_search {
    const struct mni_cpu *victim;
    uint64_t switches;
    int64_t since;
    int64_t least, most; /* for how long it leaves a queue alone: most, since it does not look for much longer */
};

/* What has been found out about sharing work (sched/throttle.c). */
struct mni_throttle {
    const struct mni_cpu *apart; /* the busy one, which keeps what it has; NULL: together.  Atomic: idle.c */
    bool alone_wins;             /* that got more done, the last time */
    int64_t span;                /* of who wins: its last phase; 0: the next one is its first */
    int64_t until;               /* apart: when the phase ends; together: how long it lasts at least */
    uint64_t together, alone;    /* progress in a ms, in the last phase of each kind */
    const struct mni_cpu *busy, *other;
    int64_t begun; /* the phase; together: when first something was shared, 0 before */
    uint64_t from; /* progress then */
    uint64_t idle; /* the busy one's count then of what must not happen meanwhile */
    int64_t peek;  /* apart: the last time it looked how far the busy one was */
    uint64_t peeked;
};

/* When it is the only one that runs threads (sched/solo_mode.c). */
struct mni_solo {
    int64_t since;    /* all others have slept; 0: they do not */
    int64_t wait;     /* ns, until solo mode begins */
    bool on;          /* it has begun; may have ended by now */
    uint32_t comings; /* of foreign LWPs, at the last look */
};

struct mni_cpu {
    /* ---- the owner's; hot first */
    /* Read by thieves as hints.  In a line of its own: budget changes with every call, and thieves look
     * often. */
    _Alignas(64) struct mni_thread *hot; /* runs next, and inherits the slice */
    uint32_t head, tail;                 /* of the ring */
    struct mni_thread **ring;            /* [mask + 1]: small, or a mapping */
    uint32_t mask;
    uint32_t cold;                       /* up to there the ring holds threads that have slept */
    uint32_t fetched;                    /* up to there they have been touched (runq.c) */
    uint32_t others;                     /* high, low or overflow hold threads: bits, see runq.h */

    _Alignas(64) struct mni_thread *current; /* runs now; NULL: the worker's own loop */
    int32_t tick;               /* switches until the next look at clock and timers */
    int32_t budget;             /* runtime calls that are left of the slice */
    uint32_t ticks;             /* what tick is set to */
    uint32_t strand;            /* slices that child-first spawns have had in a row, see runq.h */
    struct mni_worker *worker;  /* whose cpu this is; changed by a hand-off only */
    int *err;                   /* errno of the worker's LWP */
    void **exceptions;          /* the worker's words of the C++ library, mostly NULL: exceptions.h */
    /* What the next stack does first, for the one left. */
    void (*after)(struct mni_cpu *c, struct mni_thread *from);
    struct mni_thread *after_thread;
    struct mni_olock *after_lock;
    int64_t after_deadline;
    struct mni_parker *after_parker;
    struct mni_thread *kept; /* free descriptors that have kept their stack (table.h) */
    uint32_t kept_count;
    uint32_t index;
    struct mni_thread *free; /* those without one */
    uint32_t free_count;
    /* Threads that began to wait for a descriptor here, less those that went on here (io/poller.c). */
    uint32_t polls;
    /* Mutex waits without a deadline that have a timer all the same, as polls counted; deadlock.c. */
    uint32_t looks;
    int64_t now; /* a recent time; written atomically */
    int64_t oldest_since; /* since then the ring's oldest thread is that at the index `oldest` */
    uint32_t oldest;
    struct mni_timers *timers;
    struct mni_proc_cpu *proc; /* its part of the processes (proc/proc.h) */
    struct mni_counts count;
    struct mni_stacks stacks;
    struct mni_fifo overflow, high, low;
    uint64_t helped, help_wait; /* when it last called for help, and how soon it may again; cpu_ticks */
    uint64_t stolen_then;       /* count.stolen at that time */
    int64_t stole;              /* since then it has had another's threads; 0: and has run dry since */
    int64_t young;              /* ns: it leaves a queue alone that it has seen for less (take.c) */
    int64_t gather; /* while it is idle: timers wait until then (idle.c) */
    int64_t credit; /* ns that it may spin (idle.c) */
    struct mni_search seen; /* by looks that do not spin */
    struct mni_throttle throttle; /* of its stealing */
    struct mni_solo solo;
    bool asked;             /* another cpu, whose answer may still come: `given` (take.c) */
    struct mni_thread *small[MNI_RING];

    /* ---- written by others */
    struct {
        /* A stack of threads to run; pushed by anyone, taken by the owner. */
        _Alignas(MNI_LINE) struct mni_thread *inbox;
        /* Index + 1 of a worker's cpu that would take threads off this one. */
        uint32_t want;
        /* The worker sleeps, or is about to: 1 or 2 (idle.c); whoever makes it 0 wakes it. */
        uint32_t idle;
        int64_t wakes; /* when the sleeper wakes by itself, at the latest; MN_FOREVER: it does not sleep.  Atomic */
        /* The answer of the cpu that was asked: 1 + how many threads are in gift, oldest first; 0: none
         * yet. */
        uint32_t given;
        struct mni_thread *gift[MNI_GIFT];
    } remote;
};

struct mni_worker {
    uint32_t inside; /* in the runtime: its cpu's state may be in motion.  Pairs with taken: enter.h */
    uint32_t taken;  /* MNI_TAKEN_* */
    uint32_t at_once;            /* a call that it makes; offload/quick.c */
    struct mni_cpu *cpu;         /* NULL: a spare, or one that lost its cpu */
    struct mni_thread *detached; /* what it runs without a cpu */
    struct mni_thread *lost;     /* given up by its detached worker, to be made ready */
    void *sp;                    /* its own loop's context */
    int *err;
    void **exceptions;
    uint32_t sleep; /* futex: changes when there is something to do */
    uint32_t index;
    pthread_t lwp;
    int tid;
    int64_t used;    /* of that clock; sysmon's */
    struct {
        const struct mni_thread *thread;
        uint64_t switches;
        int32_t budget;
        bool told;
        int64_t span; /* it has made no call for so long */
    } watch;          /* sysmon's (progress/stall.c) */
    clockid_t clock; /* of its LWP's CPU time; 0: not known yet */
    bool own_lwp; /* made by us: joined at the end */
    bool ends;    /* its LWP does, while the runtime goes on */
    struct mni_worker *next; /* in the list of spares */
    struct mni_worker *all;  /* in the list of all */
    struct mni_fiber fiber;  /* of its own loop */
};

enum {
    MNI_TAKEN_SEIZED = 1, /* for a moment: the worker waits before it enters */
    MNI_TAKEN_AWAY = 2,   /* its cpu has another worker now */
    MNI_TAKEN_FENCE = 4,  /* no membarrier here: entering needs a full fence */
    MNI_TAKEN_WAITED = 8, /* the worker sleeps until the mark is cleared, or its cpu is gone */
    MNI_TAKEN_TELL = 16, /* no mark: solo mode ends, and the worker is to say that it knows (solo_mode.c) */
    MNI_TAKEN_MARKS = MNI_TAKEN_SEIZED | MNI_TAKEN_AWAY | MNI_TAKEN_WAITED,
};

struct mni_runtime {
    unsigned ncpus;
    struct mni_cpu **cpus;
    struct mn_config config;
    struct mni_topo topo;
    bool membarrier;
    bool embedded; /* by mn_start */
    bool fixed;    /* the number of workers was configured */
    uint32_t ending; /* no more threads are started */
    uint32_t stop;   /* workers end */
    struct mni_runtime *older; /* in a fork's child: what its parent's parent had (run.c) */
    _Alignas(MNI_LINE) uint32_t idlers; /* workers that sleep */
    uint32_t searching;                 /* workers that look for work */
    uint32_t most_searching;            /* half of the workers; one, if they share CPUs */
    uint64_t help_ticks;                /* MNI_HELP_NS */
    uint32_t timekeeper;                /* index + 1 of a cpu; 0: none (timekeeper.c) */
    uint32_t inject;                    /* round robin of foreign LWPs */
    /* Cpus that take part, the first ones; the others rest (progress/quota_watch.c). */
    uint32_t active;
    uint64_t spin_ns;                   /* how long an idle worker looks for work; 0: not at all */
};

/* The runtime, NULL when there is none.  Written by start and stop only. */
extern struct mni_runtime *mni_rt __attribute__((visibility("hidden")));

#endif
