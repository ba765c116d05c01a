/*
 * mutex_uncontended, mutex_uncontended_single: what does a lock cost that nobody else wants?
 *
 * One thread locks and unlocks a plain mutex.  By default another thread exists and sleeps, as in any threaded
 * program; with --single no thread was ever created, and a libc may leave out the atomic operations.  The
 * figure is ns a lock+unlock.
 *
 * Verified: in a second pass, which is not timed, trylock finds the held mutex busy and the free one free.
 */
#include "bench.h"

#include <errno.h>
#include <semaphore.h>

static pthread_mutex_t mutex BENCH_ALIGNED = PTHREAD_MUTEX_INITIALIZER;
static sem_t leave BENCH_ALIGNED;

static void *sleeper(void *arg) {
    while (sem_wait(&leave) != 0)
        ;
    return arg;
}

int main(int argc, char **argv) {
    bench_init(argc, argv, "pthread_mutex_lock");
    double seconds = bench_seconds();
    int single = bench_flag("--single");
    bench_options_end();
    pthread_t other;
    if (!single) {
        must(sem_init(&leave, 0, 0));
        must(pthread_create(&other, NULL, sleeper, NULL));
    }

    unsigned long pairs = 0, errors = 0;
    uint64_t from = 0, now = bench_now(), until = now + 10000000; /* warm-up, then the window */
    for (int window = 0; window < 2; window++, until = from + (uint64_t)(seconds * 1e9)) {
        from = now;
        pairs = 0;
        do {
            for (int i = 0; i < 4096; i++) {
                errors += pthread_mutex_lock(&mutex) != 0;
                errors += pthread_mutex_unlock(&mutex) != 0;
            }
            pairs += 4096;
            now = bench_now();
        } while (now < until);
    }
    verify(errors == 0, "%lu calls failed", errors);

    for (int i = 0; i < 1000; i++) {
        must(pthread_mutex_lock(&mutex));
        verify(pthread_mutex_trylock(&mutex) == EBUSY, "a held mutex was not busy");
        must(pthread_mutex_unlock(&mutex));
        must(pthread_mutex_trylock(&mutex));
        must(pthread_mutex_unlock(&mutex));
    }
    double ns = (double)(now - from) / (double)pairs;
    if (!single) {
        must(sem_post(&leave));
        must(pthread_join(other, NULL));
    }
    bench_result(single ? "mutex_uncontended_single" : "mutex_uncontended", ns, "ns", "");
    return 0;
}
