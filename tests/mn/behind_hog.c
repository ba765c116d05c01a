/* A thread that was woken by one which then computes for long runs meanwhile, on another worker or another
 * LWP. */
#include <mn.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "tap.h"

enum { ROUNDS = 3, PATIENCE_S = 10 };
static uint32_t runs;

static void *wait_and_count(void *arg) {
    (void)arg;
    while (mn_park("test") == 0)
        __atomic_add_fetch(&runs, 1, __ATOMIC_RELEASE);
    return NULL;
}

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000l + t.tv_nsec;
}

static int test(void *arg) {
    (void)arg;
    mn_thread t;
    ok(mn_go(&t, wait_and_count, NULL) == 0, "a thread is started");
    for (uint32_t i = 0; i < ROUNDS; i++) {
        mn_sleep_until(now() + 5000000); /* it parks meanwhile, and the other workers go to sleep */
        mn_unpark(t);
        int64_t end = now() + PATIENCE_S * 1000000000l;
        while (__atomic_load_n(&runs, __ATOMIC_ACQUIRE) == i && now() < end)
            continue; /* without a call of libmn */
        ok(__atomic_load_n(&runs, __ATOMIC_ACQUIRE) == i + 1, "it ran while its waker computed");
    }
    mn_cancel(t);
    ok(mn_join(t, NULL) == 0, "and ended");
    return 0;
}

/* ---- while a slice is longer than any patience: a worker that sleeps gets it, not another LWP */

static struct mn_sem begin;
static uint32_t asked, over;

static void *from_elsewhere(void *arg) {
    (void)arg;
    while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE)) {
        usleep(20000); /* all workers sleep, and nobody watches */
        if (__atomic_exchange_n(&asked, 0, __ATOMIC_ACQ_REL))
            mn_sem_post(&begin);
    }
    return NULL;
}

static int in_long_slices(void *arg) {
    (void)arg;
    for (int priority = MN_NORMAL; priority <= MN_HIGH; priority++) {
        struct mn_attr attr = {.priority = (enum mn_priority)priority};
        mn_thread t;
        ok(mn_go_attr(&t, &attr, wait_and_count, NULL) == 0, "a thread of priority %d is started", priority);
        __atomic_store_n(&runs, 0, __ATOMIC_RELEASE);
        uint32_t i = 0;
        for (bool ran = true; ran && i < ROUNDS; i += ran) {
            mn_sleep_until(now() + 1000000); /* it parks */
            __atomic_store_n(&asked, 1, __ATOMIC_RELEASE);
            mn_sem_wait(&begin);
            mn_unpark(t);
            int64_t end = now() + PATIENCE_S * 1000000000l;
            while (!(ran = __atomic_load_n(&runs, __ATOMIC_ACQUIRE) != i) && now() < end)
                continue;
        }
        ok(i == ROUNDS, "it ran while its waker, woken from elsewhere, computed: %u of %d times", i, ROUNDS);
        mn_cancel(t);
        mn_join(t, NULL);
    }
    return 0;
}

int main(void) {
    ok(mn_run(test, NULL, NULL) == 0, "the runtime ends");
    pthread_t foreign;
    ok(pthread_create(&foreign, NULL, from_elsewhere, NULL) == 0, "an LWP of its own is started");
    ok(mn_run(in_long_slices, NULL, &(struct mn_config){.workers = 2, .slice_us = 60000000}) == 0,
       "the runtime ends");
    __atomic_store_n(&over, 1, __ATOMIC_RELEASE);
    pthread_join(foreign, NULL);
    return done();
}
