/*
 * thr: what libthread_1to1 knows of one thread, and how its files find it.
 *
 * A thread is an LWP (a kernel thread).  Its descriptor, struct thr, is an initial-exec __thread variable of
 * this library, so it lies at the same distance from the thread pointer in every thread of the process, whoever
 * made the thread: pthread_t, the address of the libc's TCB, leads to it by an addition.  An all-zero
 * descriptor is a thread that this library did not make (main; the libc's own helpers for SIGEV_THREAD, aio,
 * getaddrinfo_a): everything works there too, or says so.
 *
 * A thread's life, file by file: create.c (allocate, prepare, start) -> lwp_*.c (where the LWP comes from) ->
 * start.c (first and last code that runs in it; exit) -> join.c (join, detach, reap).  registry.c knows all
 * threads; libc.c is everything that we know about the libc's inside; init.c starts us up.
 *
 * Order of locks: lib/base/lock.h.
 */
#ifndef THR_H
#define THR_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "atomic.h"
#include "ceiling.h"
#include "key.h"
#include "lock.h"
#include "tcb.h"

/* A symbol that programs bind to.  Calls from inside this library bind to it directly
 * (-Bsymbolic-functions). */
#define THR_EXPORT __attribute__((visibility("default")))

/* Another exported name for a function: THR_ALIAS(__pthread_mutex_lock, pthread_mutex_lock). */
#define THR_ALIAS(alias, name)                                                                               \
    extern __typeof__(name) alias THR_EXPORT THR_COPY(name) __attribute__((__alias__(THR_STRING(name))))
#if defined(__has_attribute) && __has_attribute(__copy__)
#define THR_COPY(name) __attribute__((__copy__(name))) /* nothrow and the like, which gcc wants to agree */
#else
#define THR_COPY(name)
#endif
#define THR_STRING(name) #name /* after macros: ThreadSanitizer builds rename */

/* An argument that the libc's header promises not to be NULL and that is checked all the same: the compiler takes
 * the header's word, and drops the check. */
#define thr_unpromised(p)                                                                                    \
    ({                                                                                                       \
        __typeof__(p) p_ = (p);                                                                              \
        __asm__("" : "+r"(p_));                                                                              \
        p_;                                                                                                  \
    })

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/*
 * life: who will release a thread's resources.
 *
 *   state      set by                        meaning
 *   FOREIGN    (zero)                        not made by us; never joined or reaped through us
 *   JOINABLE   creator                       runs, or will; a joiner reaps
 *   DETACHED   creator, detach (JOINABLE ->) runs, or will; reaps itself when it ends
 *   EXITED     the thread (JOINABLE ->)      has run its last user code; the word is woken; join or detach reaps
 *   REAPED     join, detach (EXITED ->), or the thread itself (DETACHED ->): the handle is dead
 */
enum thr_life { THR_FOREIGN, THR_JOINABLE, THR_DETACHED, THR_EXITED, THR_REAPED };

struct thr {
    uint32_t tid; /* thr_tid_word()'s, where the libc's is not known; 0: not asked yet */
    uint32_t life; /* enum thr_life; a umtx word */

    /* Written by the creator before the thread runs, then read by the thread. */
    void *(*start)(void *);
    int (*start_c11)(void *); /* thrd_create's, when start is NULL */
    void *arg;
    uint32_t go; /* umtx word: THR_GO_*; the creator's last word before the thread's first user code */

    uint64_t sigmask; /* the thread's first signal mask */

    /* pthread_getattr_np's (attr_np.c); written by the creator.  stack_base NULL: the libc knows the stack. */
    void *stack_base; /* lowest address above the guard */
    size_t stack_size, guard_size;
    bool sched_explicit;

    void *result;         /* written by the thread before EXITED, read after it */
    uint32_t owned;       /* owner-tracked locks that the thread holds; its own thread only */
    uint32_t join_sleeps; /* the joiner is, or is about to be, in the kernel */
    struct thr *joiner;   /* who waits in join: one at a time (EINVAL), never in a ring of two (EDEADLK) */

    /* registry.c; guarded by its lock */
    struct thr *all_next, *all_prev;
    bool registered;
    bool alive;       /* may be signalled: its LWP has not begun to end; guarded by hold */
    struct lock hold; /* taken by registry_get; signals are blocked while another thread's is held */
    uint64_t held_mask; /* the caller's signal mask while it holds another */

    struct lwp *lwp; /* its stack and LWP (lwp.h); NULL: the libc made it */

    uint32_t taint; /* enum thr_taint bits: why the LWP must not be reused (thr_taint) */
    /* Which state that a clone inherits the thread has: threads of one breed are alike (taint.c). */
    uint32_t breed;

    struct ceiling ceiling; /* ceiling.c: which priority ceilings it is under */
    struct key_values keys; /* key.c: thread-specific values */
};

enum { THR_GO_WAIT, THR_GO_RUN, THR_GO_ABORT };

/* Why an LWP is unfit for another thread: what the kernel keeps for it was changed, and a new one would not
 * have it. */
enum thr_taint {
    TAINT_NAME = 1,        /* pthread_setname_np, prctl(PR_SET_NAME) */
    TAINT_SCHED = 2,       /* affinity, policy, priority, nice, timer slack */
    TAINT_SIGNAL = 4,      /* alternate stack, pending signals */
    TAINT_TIMER = 8,       /* SIGEV_THREAD_ID timers, timers on its clock */
    TAINT_CREDENTIAL = 16, /* prctl, capset, setfsuid, unshare, setns, raw syscall() */
};

/* Records that the kernel's state for this thread was changed: its LWP is not reused, and what it creates is of
 * a new breed.  Contexts: any thread, for any thread that is held by registry_get or is the caller. */
void thr_taint(struct thr *thr, uint32_t bits);

/* Before such a change to another thread, which may be creating one at this moment; thr_taint follows it. */
void thr_taint_begin(struct thr *thr, uint32_t bits);

extern __thread struct thr thr_tls __attribute__((tls_model("initial-exec"), visibility("hidden")));

static inline struct thr *thr_self(void) {
    return &thr_tls;
}

/* Distance from a thread's pthread_t to its descriptor: one constant per process. */
static inline intptr_t thr_distance(void) {
    return (intptr_t)((uintptr_t)&thr_tls - tcb_self());
}

static inline struct thr *thr_of(pthread_t t) {
    return (struct thr *)((uintptr_t)t + (uintptr_t)thr_distance());
}

static inline pthread_t thr_handle(const struct thr *thr) {
    return (pthread_t)((uintptr_t)thr - (uintptr_t)thr_distance());
}

/*
 * A thread's kernel id, which mutexes keep as their owner, is remembered in one place: the libc's, since a
 * child of a raw clone mends it there.  Chromium's sandbox does, whose children have an id in a namespace of
 * their own, and wants to see the owner of a mutex follow.
 *
 * thr_tid_offset: from the pthread_t to the libc's word; 0: not known, or not yet.  The constructor writes it.
 */
extern intptr_t thr_tid_offset __attribute__((visibility("hidden")));

/* Where it is remembered: written by the kernel, the libc or the thread itself as it starts; 0 before. */
static inline uint32_t *thr_tid_word(struct thr *thr) {
    return thr_tid_offset ? (uint32_t *)((uintptr_t)thr_handle(thr) + (uintptr_t)thr_tid_offset) : &thr->tid;
}

/* The calling thread's. */
uint32_t thr_tid_slow(void);
static inline uint32_t thr_tid(void) {
    intptr_t offset = thr_tid_offset;
    return likely(offset != 0) ? tcb_word(offset) : thr_tid_slow();
}

/* ---- registry.c: all threads that have a handle */

int registry_add(struct thr *thr); /* 0, or -EAGAIN: no memory */
void registry_remove(struct thr *thr);

/* Whether the handle names a thread that has not been reaped.  Never touches the memory it points to. */
bool registry_has(pthread_t t);

/*
 * The descriptor of a thread that is not reaped, held so: until registry_put() it is not reaped, and while
 * thr->alive its LWP stays and its id is its own.  NULL: no such thread (ESRCH).  Signals are blocked between
 * the two and the thread's own exit waits: do little.  Contexts: any, signal handlers included (pthread_kill
 * is).
 */
struct thr *registry_get(pthread_t t);
void registry_put(struct thr *thr);

/* Calls fn for every thread, under the registry's lock, until it returns non-zero; returns that. */
int registry_each(int (*fn)(struct thr *thr, void *arg), void *arg);

/* At start-up: main's place. */
void registry_init(void);

/* Gives a thread that this library did not make a place in the registry, until it ends. */
void registry_adopt(struct thr *self);

/* fork.c */
void registry_lock_for_fork(void);
void registry_unlock_after_fork(void);
void registry_each_in_child(int (*fn)(struct thr *thr, void *arg), void *arg);
void registry_reset(void); /* in the child: only the calling thread is left */

/* ---- cancel.c */

/* Acts on a cancellation: unwinds the stack and ends the thread with PTHREAD_CANCELED. */
_Noreturn void thr_cancel_act(void);

/* From the constructor: finds the libc's cancel word.  Points called before are plain system calls. */
void thr_cancel_init(void);

/* ---- create.c */

/* pthread_create's work and thrd_create's: the start function is `start`, or `start_c11` if that is NULL.
 * 0 or a negative errno. */
int thr_create(pthread_t *out, const pthread_attr_t *attr, void *(*start)(void *), int (*start_c11)(void *),
               void *arg);

/* ---- join.c */

/* Releases all that a thread had; it has EXITED, and the caller alone knows its handle. */
void thr_reap(struct thr *thr);

/* ---- start.c */

/* The first function of ours in a new LWP, whoever made it; returns when the thread has ended. */
void *thr_main(void *thr);

/* ---- init.c */

/* Everything that the first pthread_create needs (the libc primed, its inside looked up); 0 or a negative
 * errno. */
int thr_init_threads(void);

/* ODONATA_VERBOSE: 0 quiet, 1 says at exit and at start what runs and why. */
extern int thr_verbose __attribute__((visibility("hidden")));

/* Whether a kernel feature may be used: false when ODONATA_DISABLE lists its name (tests force fall-backs
 * so). */
bool thr_feature(const char *name);

#endif
