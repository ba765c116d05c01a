/*
 * LWPs whose thread has exited, parked and given to new threads: a creation costs a wake-up.
 *
 * Guarantee: a new thread cannot tell that its LWP had another before it.  So an LWP is reused only if nothing
 * is left in it that the kernel keeps and we cannot put back (lwp_reusable), for a creator whose threads would
 * inherit just what the LWP has (breed, epoch: taint.c), with the same stack; and its memory is made as new
 * (tls_reset.c).
 *
 * A parked LWP is on the libc's list of threads (it takes part in setuid, and dlopen of initial-exec TLS fills
 * its block), is not counted as a thread of the process (the last thread's end exits it), blocks all signals,
 * and has no handle.  It spins for a moment, since who creates short threads creates many, then sleeps, and
 * ends after a while without work.
 *
 *   work      set by                            meaning
 *   NONE      the LWP before it says EXITED     busy with its thread, or parked
 *   RUN       creator, owner of a parked LWP    the descriptor has a new thread
 *   LEAVE     trimming                          end; the LWP releases its own stack
 *   REAPED    drain                             end; the setter waits for it and releases the stack
 *
 * Who owns an LWP: its thread until EXITED; then the reaper (joiner, or the thread itself if detached), who
 * puts it in the pool; whoever takes it out of the pool after that.  The LWP touches nothing but `work` and its
 * own TLS after EXITED; the descriptor is the owner's.  But it looks after a while whether it has been joined:
 * a thread that nobody joins, as sloppy programs leave them, must not keep an LWP.  It then ends like one that
 * was never fit for reuse; `parking`, under the pool's lock, tells the joiner.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "clock.h"
#include "cpu_state.h"
#include "fault.h"
#include "libc.h"
#include "lwp.h"
#include "sigmask.h"
#include "sys.h"
#include "tls_reset.h"
#include "umtx.h"

enum { WORK_NONE, WORK_RUN, WORK_LEAVE, WORK_REAPED };

enum {
    POOL_MAX = 128,         /* parked LWPs at most */
    LOOK_AT = 16,           /* of the newest in the pool, for one that fits */
    CPU_LIMIT_NS = 1000000, /* a thread's clock starts at most so far from zero */
};
#define IDLE_NS UINT64_C(2000000000)

static struct lock lock = {0, RANK_POOL};
static struct list pool = LIST_INIT(pool); /* newest first */
static unsigned count;
static uint32_t epoch; /* taint.c bumps it */

/*
 * 1 in the process whose LWPs are parked, on a page that the kernel makes 0 in a child: one of _Fork or of a
 * raw clone has run no handler of ours, and has a pool whose LWPs do not exist.
 */
static uint32_t *home;

bool lwp_pool_init(void) {
    if (!home) {
        size_t page = (size_t)getpagesize();
        long p = fault("mmap") || !thr_feature("wipeonfork")
                     ? -ENOMEM
                     : sys(SYS_mmap, NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p < 0)
            return false;
        if (sys(SYS_madvise, p, page, MADV_WIPEONFORK) != 0) {
            sys(SYS_munmap, p, page);
            return false;
        }
        home = (uint32_t *)p;
    }
    a32_store(home, 1); /* relaxed: no LWP has been parked in this process yet */
    return true;
}

void lwp_new_epoch(void) {
    a32_add_full(&epoch, 1); /* full: pairs with the loads in lwp_reusable and fits */
}

uint32_t lwp_epoch(void) {
    return a32_load_acquire(&epoch);
}

/* ---- the pool */

static struct lwp *lwp_of(struct list *link) {
    return list_entry(link, struct lwp, link);
}

static void take_locked(struct lwp *lwp) {
    list_remove(&lwp->link);
    count--;
}

/* The one that has been parked for longest; not of an empty pool. */
static struct lwp *oldest_locked(void) {
    return lwp_of(list_last(&pool));
}

static void tell(struct lwp *lwp, uint32_t what) {
    a32_store_release(&lwp->work, what); /* pairs with the acquire in park() */
    umtx_wake(&lwp->work, 1, UMTX_PRIVATE);
}

/* In a child that no handler has run in, the LWPs that were parked in its parent end here. */
static void __attribute__((noinline, cold)) come_home_locked(void) {
    a32_store(home, 1); /* relaxed: under the lock */
    while (!list_empty(&pool)) {
        struct lwp *lwp = oldest_locked();
        take_locked(lwp);
        a32_store(lwp_tid_word(lwp), 0); /* relaxed: nobody else writes it */
        lwp_own_reap(lwp);
    }
}

static void pool_lock(void) {
    lock_take(&lock);
    if (unlikely(home && !a32_load(home))) /* relaxed: under the lock */
        come_home_locked();
}

/* The owner has done with an exited thread: its LWP may serve others.  False: it ends, or has ended. */
static bool pool_put(struct lwp *lwp) {
    struct lwp *drop = NULL;
    pool_lock();
    bool parking = lwp->parking;
    if (parking) {
        lwp->pooled = true;
        list_prepend(&pool, &lwp->link);
        count++;
    }
    if (count > POOL_MAX) {
        drop = oldest_locked();
        take_locked(drop);
    }
    lock_drop(&lock);
    if (drop)
        tell(drop, WORK_LEAVE);
    return parking;
}

static bool fits(const struct lwp *lwp, const struct thr_attr *attr, uint32_t breed,
                 const struct lwp_identity *id) {
    return lwp->breed == breed && lwp->epoch == a32_load_acquire(&epoch) && /* pairs with lwp_new_epoch */
           lwp->stack_size == attr->stack_size && lwp->guard_size == attr->guard_size &&
           lwp->exec == libc_stacks_executable() &&
           lwp_identity_same(id, &lwp->identity);
}

/* The newest that fits, taken out of the pool; it is looked for among a few only. */
static struct lwp *find_locked(const struct thr_attr *attr, uint32_t breed, const struct lwp_identity *id) {
    int looked = 0;
    list_each(l, &pool) {
        if (looked++ == LOOK_AT)
            break;
        if (fits(lwp_of(l), attr, breed, id)) {
            take_locked(lwp_of(l));
            return lwp_of(l);
        }
    }
    return NULL;
}

struct thr *lwp_parked_get(const struct thr_attr *attr) {
    /* Relaxed, a racy look: what it misses, it would have missed a moment ago. */
    if (attr->user_stack || aptr_load(&pool.next) == &pool)
        return NULL;
    struct lwp *drop = NULL;
    struct lwp_identity mine;
    if (!lwp_identity(&mine))
        return NULL;
    pool_lock();
    struct lwp *lwp = find_locked(attr, thr_self()->breed, &mine);
    /* Pairs with lwp_new_epoch. */
    if (!list_empty(&pool) && oldest_locked()->epoch != a32_load_acquire(&epoch)) {
        drop = oldest_locked();
        take_locked(drop);
    }
    lock_drop(&lock);
    if (drop)
        tell(drop, WORK_LEAVE);
    if (!lwp)
        return NULL;

    struct thr *thr = thr_of((pthread_t)lwp->tcb);
    memset(thr, 0, sizeof *thr);
    thr->lwp = lwp;
    thr->breed = lwp->breed;
    thr->go = THR_GO_RUN;
    return thr;
}

void lwp_unpark(struct thr *thr) {
    struct lwp *lwp = thr->lwp;
    /* The libc's cancellation state; bit 6 (a change of user ids is under way) is not ours to clear. */
    a32_and_full(libc_field(lwp->tcb, uint32_t, cancelhandling), 0x40); /* full: others set bits in it */
    cpu_state_save(&lwp->cpu_state);
    libc_count_up();
    tell(lwp, WORK_RUN);
}

void lwp_park_again(struct thr *thr) {
    pool_put(thr->lwp);
}

/* ---- the LWP's side */

static bool cpu_time_small(struct lwp *lwp) {
    lwp->active_ns += clock_now_ns() - lwp->started_ns;
    if (lwp->active_ns <= CPU_LIMIT_NS)
        return true;
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return used.tv_sec == 0 && used.tv_nsec <= CPU_LIMIT_NS;
}

/* Whether somebody changed the thread's name or sandbox behind our back. */
static bool same_identity(const struct lwp *lwp) {
    struct lwp_identity id;
    return lwp_identity(&id) && lwp_identity_same(&id, &lwp->identity);
}

/* Whether a signal waits that this thread has blocked: the next thread would get it. */
static bool signals_pending(void) {
    uint64_t pending = 0;
    return sys(SYS_rt_sigpending, &pending, sizeof pending) != 0 || pending != 0;
}

bool lwp_reusable(struct thr *thr) {
    struct lwp *lwp = thr->lwp;
    uintptr_t robust = (uintptr_t)libc_field(lwp->tcb, void *, robust_head);
    return lwp_source == LWP_REUSE && lwp->map &&
           a32_load_acquire(&thr->taint) == 0 &&            /* pairs with thr_taint */
           lwp->epoch == a32_load_acquire(&epoch) &&        /* pairs with lwp_new_epoch */
           thr->owned == 0 && *(uintptr_t *)robust == robust && /* no owner-tracked lock is held */
           !ceiling_in_force() &&
           cpu_time_small(lwp) && libc_state_resettable() && !signals_pending() && same_identity(lwp);
}

/* Waits for work; false: the LWP is to end. */
static bool park(struct lwp *lwp, uint32_t *work) {
    if (!spinwait_event(&lwp->spin, &lwp->work, WORK_NONE))
        stack_trim(lwp);
    struct timespec deadline = {0, 0};
    while ((*work = a32_load_acquire(&lwp->work)) == WORK_NONE) { /* pairs with the release in tell() */
        if (deadline.tv_sec == 0)
            deadline = clock_deadline(CLOCK_MONOTONIC, IDLE_NS);
        if (umtx_wait(&lwp->work, WORK_NONE, &deadline, CLOCK_MONOTONIC, UMTX_PRIVATE) != -ETIMEDOUT)
            continue;
        pool_lock();
        bool in_pool = list_linked(&lwp->link), joined = lwp->pooled;
        if (in_pool)
            take_locked(lwp);
        else if (!joined)
            lwp->parking = false;
        lock_drop(&lock);
        if (in_pool || !joined) {
            *work = in_pool ? WORK_LEAVE : WORK_REAPED;
            return false;
        }
        deadline.tv_sec = 0; /* somebody has taken it out of the pool, and is about to tell it */
    }
    return *work == WORK_RUN;
}

bool lwp_park(struct lwp *lwp, bool detached) {
    uint64_t mask = thr_of((pthread_t)lwp->tcb)->sigmask; /* the thread's last; only the last thread uses it */
    if (libc_count_down()) {
        sigmask_set(mask); /* what the program registered for exit runs so */
        exit(0);
    }
    tls_reset();
    if (detached)
        pool_put(lwp);
    uint32_t work;
    if (park(lwp, &work)) {
        a32_store(&lwp->work, WORK_NONE); /* relaxed: the next to set it is the next owner */
        lwp->pooled = false; /* not before: whoever takes it out of the pool is yet to tell it */
        lwp->started_ns = clock_now_ns();
        cpu_state_load(&lwp->cpu_state);
        return true;
    }
    /* The libc's start function counts it down once more, and at zero calls exit().  Where the last thread is
     * in exit() already, perhaps for long, that would be a second one beside it: end here then. */
    bool exiting = !libc_count_up();
    if (work == WORK_LEAVE)
        lwp_leave(lwp);
    if (exiting)
        sys(SYS_exit, 0);
    return false;
}

/* ---- the reaper's side */

void lwp_reap(struct thr *thr) {
    if (!pool_put(thr->lwp))
        lwp_own_reap(thr->lwp);
}

bool lwp_drain(void) {
    for (bool any = false;; any = true) {
        pool_lock();
        struct lwp *lwp = list_empty(&pool) ? NULL : oldest_locked();
        if (lwp)
            take_locked(lwp);
        lock_drop(&lock);
        if (!lwp)
            return any;
        tell(lwp, WORK_REAPED);
        lwp_own_reap(lwp);
    }
}

/* ---- fork */

void lwp_pool_lock_for_fork(void) {
    lock_take(&lock);
}

void lwp_pool_unlock_after_fork(void) {
    lock_drop(&lock);
}

void lwp_pool_reset_in_child(void) {
    struct list *l;
    while ((l = list_pop(&pool)) != NULL)
        stack_put_in_child(lwp_of(l));
    count = 0;
    if (home)
        a32_store(home, 1); /* relaxed: no other thread exists */
    lock_drop(&lock);
}
