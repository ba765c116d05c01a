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

/* Waits up to five seconds until the thread with this kernel id sleeps; seen twice, so that it has settled. */
static inline int wait_asleep(int tid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
    int seen = 0;
    for (int i = 0; i < 5000 && seen < 2; i++) {
        char buf[256] = "";
        int fd = open(path, O_RDONLY);
        if (fd < 0)
            return 0;
        ssize_t n = read(fd, buf, sizeof buf - 1);
        close(fd);
        const char *state = n > 0 ? strrchr(buf, ')') : NULL;
        seen = state && state[2] == 'S' ? seen + 1 : 0;
        usleep(1000);
    }
    return seen >= 2;
}

/* Joins within five seconds: 0, or ETIMEDOUT. */
static inline int join_soon(pthread_t t, void **result) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 5;
    return pthread_timedjoin_np(t, result, &until);
}

#endif
