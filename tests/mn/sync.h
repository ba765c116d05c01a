/* What tests of mn/sync.h share: two threads that meet at known points, and time. */
#ifndef TEST_SYNC_H
#define TEST_SYNC_H

#include <errno.h>

#include "kinds.h"
#include "random.h"

/* Atomic, so that a thread can wait for what another did without any of the objects under test. */
static inline int get(const int *p) {
    return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}
static inline void set(int *p, int value) {
    __atomic_store_n(p, value, __ATOMIC_RELEASE);
}
static inline int add(int *p, int n) {
    return __atomic_add_fetch(p, n, __ATOMIC_SEQ_CST);
}

/* Waits until *p is at least value. */
static inline void until(const int *p, int value) {
    while (get(p) < value)
        nap_ms(1);
}

/* Runs fn(arg) as a green thread that is cancelled when it waits, which it is about to do when *begun is 1. */
static inline void cancel_in(void *(*fn)(void *), void *arg, const int *begun) {
    mn_thread t;
    if (mn_go(&t, fn, arg) < 0)
        abort();
    until(begun, 1);
    until_thread_waits(t);
    mn_cancel(t);
    mn_join(t, NULL);
}

static inline bool late(int64_t deadline) {
    return now() >= deadline;
}

#endif
