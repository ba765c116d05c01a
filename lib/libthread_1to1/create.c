/*
 * pthread_create.
 *
 * The creator prepares the descriptor, registers the handle, and starts the LWP.  What can be refused after the
 * LWP exists (scheduling, affinity) is asked for while it waits for its go word; refused, it ends without
 * having run any of the program's code, and nothing is left of it.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <errno.h>
#include <sched.h>

#include "attr.h"
#include "lwp.h"
#include "sigmask.h"
#include "stats.h"
#include "sys.h"
#include "umtx.h"

static int apply_sched(struct thr *thr, const struct thr_attr *a, uint32_t tid) {
    long r = 0;
    if (a->cpus)
        r = sys(SYS_sched_setaffinity, tid, a->cpus_size, a->cpus);
    if (r >= 0 && a->sched_set) {
        struct sched_param p = {.sched_priority = a->priority};
        r = sys(SYS_sched_setscheduler, tid, a->policy, &p);
    }
    thr_taint(thr, TAINT_SCHED);
    return r < 0 ? (int)r : 0;
}

static void go(struct thr *thr, uint32_t how) {
    a32_store_release(&thr->go, how); /* pairs with the acquire in start.c: the descriptor is complete */
    umtx_wake(&thr->go, 1, UMTX_PRIVATE);
}

struct wanted {
    void *(*start)(void *);
    int (*start_c11)(void *);
    void *arg;
    uint64_t sigmask;
};

static void fill(struct thr *thr, const struct thr_attr *a, const struct wanted *wanted) {
    thr->start = wanted->start;
    thr->start_c11 = wanted->start_c11;
    thr->arg = wanted->arg;
    thr->sigmask = wanted->sigmask;
    thr->sched_explicit = a->sched_explicit;
    thr->life = a->detached ? THR_DETACHED : THR_JOINABLE;
    thr->stack_base = a->stack;
    thr->stack_size = a->stack_size;
    thr->guard_size = a->guard_size;
    if (thr->lwp) {
        thr->stack_base = thr->lwp->stack;
        thr->stack_size = thr->lwp->stack_size;
        thr->guard_size = thr->lwp->guard_size;
    }
}

/* A descriptor with the memory for an LWP, or with an LWP that waits. */
static int obtain(const struct thr_attr *a, bool ask, struct thr **out, bool *parked) {
    if (lwp_source == LWP_LIBC)
        return lwp_libc_create(a, out);
    if (lwp_source == LWP_REUSE && !ask && (*out = lwp_parked_get(a)) != NULL) {
        *parked = true;
        return 0;
    }
    return lwp_own_prepare(a, out);
}

/* Takes back a thread that waits for its go word. */
static void abort_waiting(struct thr *thr) {
    a32_store(&thr->life, THR_JOINABLE); /* relaxed: it has not looked yet; we reap it */
    go(thr, THR_GO_ABORT);
    thr_reap(thr);
}

/* Scheduling and affinity, while the thread waits for its go word; then lets it go. */
static int apply_and_go(struct thr *thr, const struct thr_attr *a) {
    /* The kernel has stored the id of an LWP of ours by now; one of the libc's says it itself. */
    uint32_t tid = thr->lwp ? a32_load(lwp_tid_word(thr->lwp)) : 0; /* relaxed: the clone has returned */
    uint32_t *word = thr_tid_word(thr);
    while (tid == 0 && (tid = a32_load_acquire(word)) == 0) /* pairs with the release in thr_main */
        umtx_wait(word, 0, NULL, CLOCK_MONOTONIC, UMTX_PRIVATE);
    int err = apply_sched(thr, a, tid);
    if (err)
        abort_waiting(thr);
    else
        go(thr, THR_GO_RUN);
    return err;
}

/* From a registered descriptor to a running thread.  On failure nothing is left of either. */
static int launch(struct thr *thr, const struct thr_attr *a, bool ask, bool parked) {
    if (parked) {
        lwp_unpark(thr);
        return 0;
    }
    if (thr->lwp) {
        thr->go = ask ? THR_GO_WAIT : THR_GO_RUN;
        int err = lwp_own_clone(thr);
        if (err) {
            registry_remove(thr);
            lwp_own_unprepare(thr);
            return err;
        }
    } else if (!ask) {
        go(thr, THR_GO_RUN);
    }
    return ask ? apply_and_go(thr, a) : 0;
}

/* The table of threads has no room: gives back what obtain() gave. */
static void unobtain(struct thr *thr, bool parked) {
    if (parked)
        lwp_park_again(thr);
    else if (thr->lwp)
        lwp_own_unprepare(thr);
    else
        abort_waiting(thr);
}

/* One attempt: 0, or a negative errno and nothing left behind. */
static int try_create(pthread_t *out, const struct thr_attr *a, const struct wanted *wanted, bool *parked) {
    struct thr *thr = NULL;
    bool ask = a->cpus || a->sched_set;
    *parked = false;
    int err = obtain(a, ask, &thr, parked);
    if (err)
        return err;
    fill(thr, a, wanted);
    err = registry_add(thr);
    if (err) {
        unobtain(thr, *parked);
        return err;
    }
    *out = thr_handle(thr); /* before the thread runs: it may look there */
    return launch(thr, a, ask, *parked);
}

int thr_create(pthread_t *out, const pthread_attr_t *attr, void *(*start)(void *), int (*start_c11)(void *),
               void *arg) {
    struct thr_attr a;
    int saved_errno = errno;
    int err = thr_init_threads();
    if (!err)
        err = thr_attr_resolve(attr, &a);
    if (err)
        return err;

    /* No signal is handled in a thread that is half made, nor by us while we hold what a handler could want. */
    uint64_t mask = sigmask_block();
    struct wanted wanted = {.start = start, .start_c11 = start_c11, .arg = arg, .sigmask = mask};
    if (a.sigmask_set)
        wanted.sigmask = *(const uint64_t *)(const void *)&a.sigmask & ~SIGMASK_KEPT;
    bool parked;
    err = try_create(out, &a, &wanted, &parked);
    /* What we keep for later threads must not be what this one lacks: parked LWPs count against the limits. */
    if (err == -EAGAIN && lwp_source != LWP_LIBC) {
        bool lwps = lwp_drain(), stacks = stack_drain();
        if (lwps || stacks)
            err = try_create(out, &a, &wanted, &parked);
    }
    sigmask_set(mask);
    if (err)
        stats_refused();
    else
        stats_created(parked);
    errno = saved_errno;
    return err;
}

THR_EXPORT int pthread_create(pthread_t *out, const pthread_attr_t *attr, void *(*start)(void *), void *arg) {
    return -thr_create(out, attr, start, NULL, arg);
}
