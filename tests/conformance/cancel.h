/* What the cancellation tests share. */
#ifndef TEST_CANCEL_H
#define TEST_CANCEL_H

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "asleep.h"
#include "tap.h"

/* Waits up to five seconds until *p is v; whether it is. */
static inline int wait_for(volatile int *p, int v) {
    for (int i = 0; i < 5000 && __atomic_load_n(p, __ATOMIC_ACQUIRE) != v; i++)
        usleep(1000);
    return __atomic_load_n(p, __ATOMIC_ACQUIRE) == v;
}

static inline void set(volatile int *p, int v) {
    __atomic_store_n(p, v, __ATOMIC_RELEASE);
}

/* Joins within five seconds: 0, or ETIMEDOUT. */
static inline int join_soon(pthread_t t, void **result) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 5;
    return pthread_timedjoin_np(t, result, &until);
}

#endif
