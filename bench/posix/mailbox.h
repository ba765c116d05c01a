/*
 * mailbox: how one POSIX thread hands a number to another: one place, a mutex and two condition variables. What
 * a channel of one place is to green threads.
 */
#ifndef BENCH_POSIX_MAILBOX_H
#define BENCH_POSIX_MAILBOX_H

#include "bench.h"

struct mailbox {
    BENCH_ALIGNED pthread_mutex_t mutex;
    pthread_cond_t changed;
    int full;
    long content;
};

#define MAILBOX_INIT                                                                                           \
    { .mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER }

/* One sender and one receiver: whoever waits, only the other can change anything. */
static inline void mailbox_put(struct mailbox *box, long content) {
    must(pthread_mutex_lock(&box->mutex));
    while (box->full)
        must(pthread_cond_wait(&box->changed, &box->mutex));
    box->content = content;
    box->full = 1;
    must(pthread_cond_signal(&box->changed));
    must(pthread_mutex_unlock(&box->mutex));
}

static inline long mailbox_take(struct mailbox *box) {
    must(pthread_mutex_lock(&box->mutex));
    while (!box->full)
        must(pthread_cond_wait(&box->changed, &box->mutex));
    long content = box->content;
    box->full = 0;
    must(pthread_cond_signal(&box->changed));
    must(pthread_mutex_unlock(&box->mutex));
    return content;
}

/* Binds the calling thread to the nth CPU of those that the process may use. */
static inline void bind_to(int nth) {
    cpu_set_t allowed, one;
    must(sched_getaffinity(0, sizeof allowed, &allowed));
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &allowed) && nth-- == 0)
            CPU_SET(cpu, &one);
    verify(CPU_COUNT(&one) == 1, "there are not that many CPUs");
    must(sched_setaffinity(0, sizeof one, &one));
}

#endif
