/* spawn_join with POSIX threads: ns to create one and join it.  Verified: each ran, and returned what is its
 * own. */
#include "bench.h"

static unsigned long ran;

static void *body(void *arg) {
    ran++; /* one at a time */
    return arg;
}

int main(int argc, char **argv) {
    bench_init(argc, argv, "pthread_create");
    double seconds = bench_seconds();
    bench_options_end();
    unsigned long done = 0, warm = 0;
    uint64_t from = bench_now(), now;
    for (;;) {
        for (int i = 0; i < 64; i++, done++) {
            pthread_t t;
            void *result;
            must(pthread_create(&t, NULL, body, (void *)done));
            must(pthread_join(t, &result));
            verify(result == (void *)done, "join returned another result");
        }
        now = bench_now();
        if (!warm) {
            warm = done;
            from = now;
        } else if (now - from >= (uint64_t)(seconds * 1e9)) {
            break;
        }
    }
    verify(ran == done, "%lu threads created, %lu ran", done, ran);
    bench_result("spawn_join", (double)(now - from) / (double)(done - warm), "ns", "");
    return 0;
}
