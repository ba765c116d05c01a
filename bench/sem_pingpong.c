/*
 * sem_pingpong: how long does it take to hand a turn to another thread by a semaphore?
 *
 * Two threads, two semaphores: post the other's, wait for mine.  The figure is ns a hand-over (one way).
 *
 * Verified: a plain counter, which only the semaphores protect, is what each thread expects at each of its
 * turns.
 */
#include "bench.h"

#include <semaphore.h>

static struct {
    sem_t turn[2];
    int stop;
    unsigned long handed; /* even: the first one's turn */
} game BENCH_ALIGNED;

static void take(sem_t *s) {
    while (sem_wait(s) != 0) /* a signal handler ran */
        ;
}

static void *second(void *arg) {
    for (unsigned long expected = 1;; expected += 2) {
        take(&game.turn[1]);
        verify(game.handed == expected, "turn %lu came at %lu", game.handed, expected);
        if (game.stop)
            return arg;
        game.handed++;
        must(sem_post(&game.turn[0]));
    }
}

int main(int argc, char **argv) {
    bench_init(argc, argv, "sem_wait");
    double seconds = bench_seconds();
    bench_options_end();
    must(sem_init(&game.turn[0], 0, 0));
    must(sem_init(&game.turn[1], 0, 0));
    pthread_t other;
    must(pthread_create(&other, NULL, second, NULL));

    unsigned long expected = 0, start = 0;
    uint64_t from = 0, now = bench_now(), until = now + 20000000; /* warm-up, then the window */
    for (int window = 0; window < 2; window++, until = from + (uint64_t)(seconds * 1e9)) {
        from = now;
        start = expected;
        do {
            for (int i = 0; i < 64; i++) {
                game.handed++;
                must(sem_post(&game.turn[1]));
                take(&game.turn[0]);
                expected += 2;
                verify(game.handed == expected, "turn %lu came at %lu", game.handed, expected);
            }
            now = bench_now();
        } while (now < until);
    }
    game.stop = 1;
    game.handed++;
    must(sem_post(&game.turn[1]));
    must(pthread_join(other, NULL));
    bench_result("sem_pingpong", (double)(now - from) / (double)(expected - start), "ns", "threads=2");
    return 0;
}
