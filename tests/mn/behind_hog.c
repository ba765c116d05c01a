/* A thread that was woken by one which then computes for long runs meanwhile, on another worker or another
 * LWP. */
#include <mn.h>
#include <time.h>

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

int main(void) {
    ok(mn_run(test, NULL, NULL) == 0, "the runtime ends");
    return done();
}
