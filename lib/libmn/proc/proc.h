/*
 * proc: a process's record, and the table of all of them.
 *
 * Records lie in segments that are mapped as they are needed and never unmapped while the runtime runs, so a
 * stale pid can always be looked up.  A pid is generation << 32 | index + 1.
 *
 * Who may touch what.  A record has one owner: the thread that the process is, or the executor that runs the
 * handler at this moment; while a handler is queued, the cpu that queues it; before the process starts, its
 * spawner.  Everything is the owner's, but for the words of the first part.  All others tell it what they
 * want by signals, pushed to `outer`:
 *
 *     outer                                  who may change it, and to what
 *     0               nothing there          anyone: to a signal.  The owner: to IDLE, to CLOSED
 *     a signal        the newest of a stack  anyone: to a newer one.  The owner takes all: to 0, or to CLOSED
 *     IDLE | wait     nothing there, and the owner sleeps (a thread, or a handler in a call: in that wait; any other
 *                     handler: is in no queue)
 *                                            anyone: to a signal, and then has to wake it.  The owner, awake again: to 0
 *     CLOSED          the record is free, or its process closes it for good: nobody pushes
 *
 * A signal carries the generation of the process that it is for.  Who looks up a pid and then pushes may hit
 * the record's next process; that one finds a foreign generation and treats the signal as if it had found the
 * process dead (mni_signal_bounce).
 */
#ifndef MNI_PROC_H
#define MNI_PROC_H

#include <mn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proc/msg.h"
#include "sched/enter.h"
#include "solo.h"

#define MNI_OUTER_IDLE ((uint64_t)1)
#define MNI_OUTER_CLOSED ((uint64_t)2)
enum { MNI_IDLE_THREAD = 2, MNI_IDLE_SEQ = 34 }; /* in IDLE: index + 1 of the thread, and which of its waits */

enum {
    MNI_PROC_TRAP = 1,
    MNI_PROC_HANDLER = 2,
    MNI_PROC_LIMITED = 4, /* its mailbox has a bound */
    MNI_PROC_CALLER = 8,  /* lent to a thread that is no process, for a call */
    MNI_PROC_INIT = 16,   /* a handler that was not initialised yet */
    MNI_PROC_DOOMED = 32, /* is to end, for reason */
    MNI_PROC_ENDING = 64, /* ends; exit signals do nothing any more */
    MNI_PROC_STRICT = 256, /* acts on signals that were sent before it began to trap exits */
    MNI_PROC_RING = 2048, /* it has a ring: its flag changes under the lock of limit.c */
    MNI_PROC_POLICY = 512, /* two bits: enum mn_mailbox */
    MNI_PROC_KILLED = 128, /* a handler's terminate is not called (any more) */
};

/* Something that is to be done when the process ends, before others learn of it: mni_proc_at_end. */
struct mni_hook {
    struct mni_hook *next, **prev;
    /* Inside the runtime; does not block. */
    void (*fn)(struct mni_cpu *c, struct mni_proc *p, struct mni_hook *hook);
};

/* What every thread needs, and few handlers do. */
struct mni_more {
    int (*fn)(void *);
    void *arg;
    struct mni_msg **mark; /* no message with mark_ref is before it in the mailbox */
    mn_ref mark_ref;
    mn_ref call_ref;       /* the call that it waits in; 0: none */
    mn_pid call_peer;
    struct mni_msg *held;  /* received, and not released yet; */
    size_t empty, empty_most; /* so many bytes of them are released, and may be before they are removed (recv.c) */
    struct mni_hook *hooks;
    struct mni_defer *defers; /* a handler's; a thread has its own */
    struct mni_rel **index; /* of rels, once there are many; index_mask + 1 chains */
    uint32_t index_mask;
    uint16_t classed;      /* the size class of this */
    bool timed;            /* it has a hook for timers */
    bool answered;         /* the answer to that call is in the mailbox: there is no second */
    struct mn_bin *detail; /* goes along with reason */
    int64_t reason;        /* why it ends */
    struct mni_latest *ring; /* where the oldest message goes for the newest: limit.c */
    struct mni_arena *arena;
    struct mni_owned *fds, *dict;
    struct mni_ptimer *timers; /* that it has set for itself: notes of so many, */
    uint32_t notes, notes_most; /* and how many it may have before some are dropped */
    mn_ref timeout;        /* of mn_timeout_at; 0: none */
};

struct mni_proc {
    /* ---- read or written by others */
    _Alignas(128) uint64_t outer;
    uint32_t generation; /* 0: never used.  Changes when the process has ended */
    uint32_t index;
    uint32_t flags;      /* MNI_PROC_*; written by the owner, atomic since senders look at TRAP */
    uint32_t nrels;
    mn_thread thread;    /* whom a fatal signal has to wake; 0: nobody.  A handler's: poke.c */
    const struct mn_handler *handler;
    void *state;         /* a handler's */
    struct mni_more *more;
    const char *name;

    /* ---- the owner's */
    union {
        struct mni_proc *next; /* in a queue of ready handlers, a free list */
        struct mni_msg *now;   /* a handler that runs: the message of its callback */
    };
    struct mni_msg *head, **tail; /* the mailbox: what was taken out of outer and not received */
    struct mni_rel *rels;  /* links and monitors */
    uint32_t length;       /* of the mailbox */
    uint8_t priority;
    uint8_t state_class;
    uint16_t spare;
    uint64_t received;     /* messages; relaxed: others look at it */
    mn_pid parent;
    uint32_t bound;        /* LIMITED: so many messages may wait; relaxed: senders look at it */
    uint32_t counted;      /* atomic: messages that are, or are about to be, in the mailbox (limit.c) */
};

_Static_assert(sizeof(struct mni_proc) == 128, "a pair of cache lines");

enum { MNI_PROC_SEGMENT = 4096, MNI_PROC_MOST = 1 << 27 };

struct mni_procs {
    struct mni_proc **segments;
    uint32_t used; /* atomic */
};
extern struct mni_procs mni_procs __attribute__((visibility("hidden")));

/* Each cpu's part; the owner's, but for `remote` and `asleep`. */
enum { MNI_YOUNG = 128 };
struct mni_proc_fifo {
    struct mni_proc *head, *tail;
    uint32_t length;
};
struct mni_proc_cpu {
    struct mni_cache cache[MNI_MSG_CLASSES];
    struct mni_proc *free;
    uint32_t free_count;
    uint32_t young_top, young_bottom; /* handlers that have just been started, the last one first */
    uint32_t picks;
    struct mni_proc *hot;             /* was made ready last */
    uint32_t length;                  /* ready handlers in all; relaxed: others look at it */
    struct mni_proc_fifo ready[3];    /* by priority */
    struct mni_thread *executor;      /* who runs them; NULL: nobody yet */
    struct mni_thread *spares;        /* executors without work; linked through next */
    uint32_t spare_count;
    bool vacant;                      /* there was no memory for one */
    struct mni_throttle throttle;     /* of its giving handlers away */
    /* Counts; relaxed: others look at all but the first. */
    uint64_t refs, spawned, ended, handlers, handlers_ended;
    struct mni_proc *young[MNI_YOUNG];
    _Alignas(128) struct mni_proc *remote; /* handlers that others made ready: a stack */
    uint32_t begun;                   /* another cpu has started an executor here; atomic */
    uint32_t asleep;                  /* the executor is parked: whoever makes it 0 wakes it */
};

static inline mn_pid mni_pid(const struct mni_proc *p) {
    return (uint64_t)p->generation << 32 | (p->index + 1);
}

/* The record that a pid names or named; NULL: there is none.  Any caller. */
static inline struct mni_proc *mni_proc_at(mn_pid pid) {
    uint32_t index = (uint32_t)pid - 1;
    /* Acquire: pairs with the release of add_segment. */
    if (__builtin_expect(index / MNI_PROC_SEGMENT >= a32_load_acquire(&mni_procs.used) || pid >> 32 == 0, 0))
        return NULL;
    return &mni_procs.segments[index / MNI_PROC_SEGMENT][index % MNI_PROC_SEGMENT];
}

static inline bool mni_proc_is(const struct mni_proc *p, mn_pid pid) {
    /* Acquire: pairs with the release of mni_proc_give. */
    return a32_load_acquire(&p->generation) == (uint32_t)(pid >> 32);
}

/* The same; NULL: it has ended. */
static inline struct mni_proc *mni_proc_find(mn_pid pid) {
    struct mni_proc *p = mni_proc_at(pid);
    return __builtin_expect(p && mni_proc_is(p, pid), 1) ? p : NULL;
}

/* False from before anyone is told of its end. */
static inline bool mni_proc_lives(mn_pid pid) {
    const struct mni_proc *p = mni_proc_find(pid);
    /* Relaxed: who was told has seen the push of that, which comes after the swap of mni_proc_close. */
    return p && a64_load(&p->outer) != MNI_OUTER_CLOSED;
}

/* The caller's process, inside the runtime; NULL: it is none. */
static inline struct mni_proc *mni_proc_self(const struct mni_cpu *c) {
    return c->current->own->proc;
}

/* The caller's pid; 0: it is no process.  c == NULL: a foreign LWP. */
static inline mn_pid mni_pid_self(const struct mni_cpu *c) {
    const struct mni_proc *p = c ? mni_proc_self(c) : NULL;
    return p ? mni_pid(p) : 0;
}

/* Its thread; 0: a handler.  If the generation is the process's afterwards, it was. */
static inline mn_thread mni_proc_thread(const struct mni_proc *p) {
    mn_thread t = a64_load_acquire(&p->thread); /* acquire: as in mni_proc_poke */
    return a32_load_acquire(&p->flags) & MNI_PROC_HANDLER ? 0 : t;
}

/* Only a thread's own process may block in mn_receive. */
static inline bool mni_proc_is_thread(const struct mni_proc *p) {
    return p && !(p->flags & MNI_PROC_HANDLER);
}

static inline void mni_proc_flag(struct mni_proc *p, uint32_t set, uint32_t clear) {
    a32_store(&p->flags, (p->flags & ~clear) | set); /* relaxed: one writer; mn_trap_exit adds what it needs */
}

/* ptab.c: records.  c == NULL: a foreign LWP's. */
int mni_procs_start(struct mni_runtime *rt);
/* The runtime, still mni_rt, has no process any more: no pid or reference of it will name another. */
void mni_procs_outlive(const struct mni_runtime *rt);
void mni_procs_end(struct mni_runtime *rt);
void mni_procs_forked(void);
struct mni_proc *mni_proc_take(struct mni_cpu *c, int *error);
void mni_proc_give(struct mni_cpu *c, struct mni_proc *p);
void mni_procs_each(bool (*visit)(struct mni_proc *p, void *arg), void *arg);
mn_ref mni_ref_make(struct mni_cpu *c);
uint64_t mni_procs_alive(const struct mni_runtime *rt);
/* Handlers that have started, or ended, wherever; how many there are. */
void mni_handlers_count(struct mni_cpu *c, bool started);
uint64_t mni_handlers_alive(const struct mni_runtime *rt);

/* A message that the process has taken. */
static inline void mni_msg_hold(struct mni_more *more, struct mni_msg *m) {
    m->bits |= MNI_MSG_HELD;
    m->next = more->held;
    more->held = m;
}

/* What a process needs beyond its record; NULL: no memory. */
struct mni_more *mni_more(struct mni_cpu *c, struct mni_proc *p);

/* spawn.c, end.c */
void mni_proc_at_end(struct mni_proc *p, struct mni_hook *hook); /* there is a `more` */
void mni_hook_drop(struct mni_hook *hook);
/* The process is over: all who have to know are told, the record is free.  By its owner, inside the runtime. */
void mni_proc_close(struct mni_cpu *c, struct mni_proc *p, int64_t reason, struct mn_bin *detail);
/* A thread's end, outside the runtime, after all that was deferred (defer.c). */
void mni_proc_thread_ends(struct mni_thread *t, void *result);
_Noreturn void mni_proc_unwind(struct mni_cpu *c, struct mni_proc *p);
/* The same, but the frames are left as they are. */
_Noreturn void mni_proc_abandon(struct mni_cpu *c, struct mni_proc *p);

/* defer.c: runs what a handler's callbacks have deferred.  There is a `more`.  Outside the runtime, as its
 * executor. */
void mni_handler_deferred(struct mni_proc *p);
static inline bool mni_handler_defers(const struct mni_proc *p) {
    return p->more && p->more->defers;
}

/* poke.c: inside the runtime. */
void mni_proc_poke(struct mni_proc *p, mn_pid pid);
void mni_proc_unpoke(struct mni_thread *t);
/* Acts on the signals that have come; does not return if the process is to end now. */
void mni_proc_check(struct mni_cpu *c, struct mni_proc *p);

/* ptimer.c */
void mni_ptimers_end(void);
void mni_ptimers_reset(void); /* also as the runtime starts */
void mni_timeout_off(struct mni_cpu *c, struct mni_proc *p); /* a handler's, which has one */

/* exec.c: a handler is ready: it was idle and got a signal.  c == NULL: any LWP. */
void mni_handler_ready(struct mni_cpu *c, struct mni_proc *p);
/* The runtime ends: every handler is told, and, late, every process; executors end when no handler is left.
 * Called again and again, after all threads have been cancelled. */
void mni_procs_drain(bool late);

/* Memory of the caller's cpu, or of a foreign LWP. */
static inline struct mni_proc_cpu *mni_part(struct mni_cpu *c) {
    return c ? c->proc : NULL;
}

#endif
