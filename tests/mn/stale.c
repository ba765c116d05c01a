/* not under: tsan.  A million rounds take it minutes; tests/model/mn_park.c walks through the orders */
/*
 * A thread is woken by a handle as it ends, and its descriptor is another's at once: the other has no permit
 * from that, and is not cancelled.
 */
#include <mn.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "tap.h"

enum { ROUNDS = 1000000 };

static _Atomic mn_thread known; /* of one that may have ended */
static atomic_bool stop;
static atomic_long stale, hit;

static void *wakes(void *arg) {
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        mn_thread t = atomic_load_explicit(&known, memory_order_relaxed);
        if (t && mn_unpark(t) == 0)
            atomic_fetch_add_explicit(&hit, 1, memory_order_relaxed);
        else
            atomic_fetch_add_explicit(&stale, 1, memory_order_relaxed);
    }
    return arg;
}

static void *ends(void *arg) {
    return arg;
}

/* Nobody knows its handle. */
static void *parks(void *arg) {
    return mn_park_until("test", mn_now() - 1) == -ETIMEDOUT ? arg : NULL;
}

static int test(void *arg) {
    pthread_t lwp[2];
    long woken = 0, n = (long)(ROUNDS * (scale() < 1 ? scale() : 1));
    for (int i = 0; i < 2; i++)
        pthread_create(&lwp[i], NULL, wakes, arg);
    for (long i = 0; i < n; i++) {
        mn_thread t;
        void *result = NULL;
        mn_go(&t, ends, NULL);
        atomic_store_explicit(&known, t, memory_order_relaxed);
        mn_join(t, NULL);
        mn_go(&t, parks, &t);
        mn_join(t, &result);
        woken += result != &t;
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 2; i++)
        pthread_join(lwp[i], NULL);
    ok(woken == 0, "%ld threads had a permit that nobody gave them; %ld were hit, %ld handles were stale",
       woken, atomic_load(&hit), atomic_load(&stale));
    return 0;
}

int main(void) {
    is(mn_run(test, NULL, NULL), 0, "mn_run");
    return done();
}
