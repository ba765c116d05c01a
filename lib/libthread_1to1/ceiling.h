/*
 * A thread's scheduling, and what the priority ceilings of the mutexes that it owns make of it (ceiling.c).
 *
 * What the kernel applies and what is the thread's own differ only while it owns mutexes with
 * PTHREAD_PRIO_PROTECT.  Whoever asks for a thread's scheduling, or changes it, does so here.
 */
#ifndef THR_CEILING_H
#define THR_CEILING_H

#include <stdbool.h>
#include <stdint.h>

#include "lock.h"

struct thr;

/* What sched_setscheduler takes: the policy with SCHED_RESET_ON_FORK. */
struct schedule {
    int policy, priority;
};

/* In the thread's descriptor.  All zero: it owns no such mutex. */
struct ceiling {
    struct lock lock;      /* guards the rest; taken by the thread, and by others that hold the thread */
    int highest;           /* of the ceilings that the kernel knows of; 0: none, the rest means nothing */
    struct schedule own;   /* without any ceiling */
    struct schedule given; /* what the kernel was told */
    long slack;            /* timer slack, ns, from before it became a real-time thread; 0: it always was */
};

/*
 * The calling thread is about to own a mutex with the ceiling `to`, and owns one with `from` no more (0: none);
 * its priority follows.
 *
 *   0
 *   -EINVAL   with `obey`: its own priority is above `to`; or there is no such priority
 *   -EPERM    it may not have the priority of `to`
 *   -EAGAIN   it owns 65535 mutexes with this ceiling
 *
 * After an error with a `to`, all is as before.  Without, the mutex is counted as given up all the same, and
 * the next call tries again to lower the priority.
 */
int ceiling_change(int from, int to, bool obey);

/* A thread's own scheduling: of the caller (tid 0), or of one that is held.  0, or a negative errno. */
int ceiling_own(struct thr *thr, uint32_t tid, struct schedule *own);

/* Changes it, or its priority alone; a ceiling that is higher stays in force. */
int ceiling_set_own(struct thr *thr, uint32_t tid, const struct schedule *own);
int ceiling_set_own_priority(struct thr *thr, uint32_t tid, int priority);

/* Whether the calling thread's scheduling may not be its own. */
bool ceiling_in_force(void);

/* Around a fork: nobody is changing the caller's scheduling at this moment. */
void ceiling_lock_for_fork(void);
void ceiling_unlock_after_fork(void);

#endif
