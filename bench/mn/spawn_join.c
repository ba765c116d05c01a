/*
 * spawn_join: what does a thread cost that does nothing?
 *
 * Starts one, joins it, again and again: ns from start to join.  The policy is the default one, parent first.
 *
 * Verified: every thread ran once, and every join returned what its own thread returned.
 */
#include "job.h"

static unsigned long ran; /* atomic */
static double seconds;

static void *body(void *arg) {
    __atomic_store_n(&ran, __atomic_load_n(&ran, __ATOMIC_RELAXED) + 1, __ATOMIC_RELAXED); /* one at a time */
    return arg;
}

static void some(unsigned long n) {
    for (unsigned long i = 0; i < n; i++) {
        mn_thread t;
        void *result;
        must(mn_go(&t, body, (void *)i));
        must(mn_join(t, &result));
        verify(result == (void *)i, "join returned another result");
    }
}

static int job(void *arg) {
    (void)arg;
    unsigned long done = 0;
    some(10000);
    uint64_t from = bench_now(), now;
    do {
        some(256);
        done += 256;
        now = bench_now();
    } while (now - from < (uint64_t)(seconds * 1e9));
    verify(ran == done + 10000, "%lu threads started, %lu ran", done + 10000, ran);
    job_result("spawn_join", (double)(now - from) / (double)done, "ns", "threads=%lu", done);
    return 0;
}

int main(int argc, char **argv) {
    return job_main(argc, argv, "mn_go", &seconds, job);
}
