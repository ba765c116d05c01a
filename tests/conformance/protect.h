/* What the tests of mutexes with a priority ceiling share. */
#ifndef PROTECT_H
#define PROTECT_H

#include "life.h"

#include "asleep.h"

static const int types[] = {PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ERRORCHECK,
                            PTHREAD_MUTEX_ADAPTIVE_NP};
static const char *const type_names[]
    __attribute__((unused)) = {"normal", "recursive", "errorcheck", "adaptive"};

/* Ceiling 0: none is asked for. */
static inline int protect_init(pthread_mutex_t *m, int type, int ceiling, int shared, int robust) {
    pthread_mutexattr_t a;
    pthread_mutexattr_init(&a);
    pthread_mutexattr_settype(&a, type);
    pthread_mutexattr_setpshared(&a, shared ? PTHREAD_PROCESS_SHARED : PTHREAD_PROCESS_PRIVATE);
    pthread_mutexattr_setrobust(&a, robust ? PTHREAD_MUTEX_ROBUST : PTHREAD_MUTEX_STALLED);
    pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_PROTECT);
    if (ceiling != 0 && pthread_mutexattr_setprioceiling(&a, ceiling) != 0)
        abort();
    memset(m, 0xa5, sizeof *m);
    return pthread_mutex_init(m, &a);
}

/* Policy * 1000 + priority: what the kernel applies to a thread (0: the caller), */
static inline long kernel(long tid) {
    struct sched_param p = {-1};
    sched_getparam((pid_t)tid, &p);
    return (long)sched_getscheduler((pid_t)tid) * 1000 + p.sched_priority;
}

/* and what the thread's own is. */
static inline long own(pthread_t t) {
    struct sched_param p = {-1};
    int policy = -1;
    return pthread_getschedparam(t, &policy, &p) ? -1 : (long)policy * 1000 + p.sched_priority;
}

enum { OTHER = SCHED_OTHER * 1000, FIFO = SCHED_FIFO * 1000, RR = SCHED_RR * 1000 };

static inline int set_own(pthread_t t, long schedule) {
    struct sched_param p = {.sched_priority = (int)(schedule % 1000)};
    return pthread_setschedparam(t, (int)(schedule / 1000), &p);
}

/* A thread with a schedule of its own: the libc goes by what it was created with. */
static inline pthread_t start(long schedule, void *(*fn)(void *), void *arg) {
    pthread_attr_t a;
    struct sched_param p = {.sched_priority = (int)(schedule % 1000)};
    pthread_attr_init(&a);
    pthread_attr_setinheritsched(&a, PTHREAD_EXPLICIT_SCHED);
    pthread_attr_setschedpolicy(&a, (int)(schedule / 1000));
    pthread_attr_setschedparam(&a, &p);
    pthread_t t = must_create(&a, fn, arg);
    pthread_attr_destroy(&a);
    return t;
}

/* Runs fn in such a thread. */
static inline void as(long schedule, void *(*fn)(void *), void *arg) {
    must_join(start(schedule, fn, arg));
}

/* Whether threads of this process may have real-time priorities up to 99. */
static inline int privileged(void) {
    long before = own(pthread_self());
    if (set_own(pthread_self(), FIFO + 99) != 0)
        return 0;
    set_own(pthread_self(), before);
    return 1;
}

#endif
