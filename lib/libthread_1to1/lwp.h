/*
 * lwp: where LWPs come from.  Three sources, each a fall-back of the next:
 *
 *   libc   lwp_libc.c   the libc's own pthread_create; works on every libc
 *   own    lwp_own.c    our clone3 (clone) on a stack and TLS block of ours; needs libc_abi.known
 *   reuse  lwp_reuse.c  an LWP of the second kind whose thread has exited, parked and given to a new thread
 *
 * ODONATA_LWP=libc|own|reuse forces one; by default the last that works.
 */
#ifndef THR_LWP_H
#define THR_LWP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attr.h"
#include "cpu_state.h"
#include "list.h"
#include "spinwait.h"
#include "thr.h"

enum lwp_source { LWP_LIBC, LWP_OWN, LWP_REUSE };
#define LWP_DEFAULT LWP_REUSE

extern enum lwp_source lwp_source __attribute__((visibility("hidden")));

struct lwp_identity {
    char name[16];
    int no_new_privs, filtered;
};

/*
 * The memory and the state of an LWP of our own; it lies at the upper end of its stack:
 *
 *   map                stack                                          tcb
 *   | guard            | stack grows down ...... | static TLS | struct pthread | struct lwp |
 *
 * The kernel clears the tid in struct pthread when the LWP is gone (CLONE_CHILD_CLEARTID): until then nothing
 * of this may be reused or unmapped.
 */
struct lwp {
    uintptr_t tcb;
    void *map; /* NULL: the stack is the user's */
    size_t map_size;
    void *stack; /* lowest usable byte */
    size_t stack_size;
    size_t guard_size;
    bool exec;    /* the stack is executable */
    bool has_tls; /* the loader has made its dtv */
    uintptr_t dtv_start; /* what the loader allocated for it at first; leak checkers look for this address */
    struct list link; /* in stack.c's cache or lwp_reuse.c's pool, guarded by that one's lock; or in neither */

    /* lwp_reuse.c */
    uint32_t work;  /* umtx word */
    bool parking;   /* will serve other threads; written before EXITED, then guarded by the pool's lock */
    bool pooled;    /* its owner has put it in the pool since its thread began; guarded by that lock */
    uint32_t breed; /* its creator's when it was cloned */
    uint32_t epoch;
    struct lwp_identity identity; /* when it was cloned */
    uint64_t active_ns; /* time its threads have existed: an upper bound of the CPU time on its clock */
    uint64_t started_ns;
    struct cpu_state cpu_state; /* the next thread's, from its creator */
    struct spinwait spin;
};

/* Kernel's id of the LWP; 0 once it is gone. */
uint32_t *lwp_tid_word(const struct lwp *lwp);

/* ---- stack.c: stack + TLS pairs */

/* A stack of at least this size and guard, with an initialised TLS block; -EAGAIN, -EINVAL (too small). */
int stack_get(const struct thr_attr *attr, struct lwp **out);

/* Gives it back; the LWP may still be on its way out.  A user's stack is only stripped of its TLS: it must
 * be gone. */
void stack_put(struct lwp *lwp);

void stack_trim(struct lwp *lwp);
bool stack_drain(void); /* unmaps all that is cached and free; whether there was any */

void stack_reset_in_child(void);
void stack_put_in_child(struct lwp *lwp); /* the pair of an LWP that the child does not have */
void stack_lock_for_fork(void);
void stack_unlock_after_fork(void);

/* ---- one source each */

/* A thread waiting for its go word, made by the libc. */
int lwp_libc_create(const struct thr_attr *attr, struct thr **out);
void lwp_libc_reap(struct thr *thr);

/* A descriptor with its stack, no LWP yet; then the LWP, which runs thr_main. */
int lwp_own_prepare(const struct thr_attr *attr, struct thr **out);
int lwp_own_clone(struct thr *thr);
void lwp_own_unprepare(struct thr *thr); /* lwp_own_clone was not called, or failed */
void lwp_own_reap(struct lwp *lwp);      /* waits for the LWP to be gone */

/* For an LWP that nobody will reap, as it ends: it releases what it has itself. */
void lwp_leave(struct lwp *lwp);

/* What is left of an exited thread's LWP: waits until it is gone, or parks it for reuse. */
void lwp_reap(struct thr *thr);

/* A parked LWP that fits, taken out of the pool, or NULL.  lwp_unpark gives it its thread. */
struct thr *lwp_parked_get(const struct thr_attr *attr);
void lwp_unpark(struct thr *thr);
void lwp_park_again(struct thr *thr); /* or puts it back */

/* At the end of a thread's last code: whether its LWP may serve another thread. */
bool lwp_reusable(struct thr *thr);

/* Parks the calling LWP, whose thread has said EXITED; true: the descriptor has a new thread; false: it is
 * to end. */
bool lwp_park(struct lwp *lwp, bool detached);

/* ---- lwp_identity.c: what the kernel says of the calling thread */

bool lwp_identity_init(void);               /* before the first thread; false: LWPs cannot be reused */
bool lwp_identity(struct lwp_identity *id); /* false: the kernel may not be asked, or filters: no reuse */
bool lwp_identity_same(const struct lwp_identity *a, const struct lwp_identity *b);
void lwp_identity_filtered(void); /* a system call filter is about to be installed */

/* From now on no LWP that exists is reused; what is cloned afterwards may be. */
void lwp_new_epoch(void);
uint32_t lwp_epoch(void);

/* Ends all parked LWPs and waits until they are gone; whether there were any. */
bool lwp_drain(void);

/* Before the first thread; false: LWPs cannot be reused, since a child could not be told from its parent. */
bool lwp_pool_init(void);

void lwp_pool_lock_for_fork(void);
void lwp_pool_unlock_after_fork(void);
void lwp_pool_reset_in_child(void);

/* The first function of ours in an LWP of our own. */
void *lwp_main(void *unused);

#endif
