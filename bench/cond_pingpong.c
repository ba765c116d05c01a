/*
 * cond_pingpong: how long does it take to hand a turn to another thread by a condition variable?
 *
 * Two threads, one mutex, one condition variable each: set the turn, signal, wait for the turn to come back.
 * The figure is ns a hand-over (one way).
 *
 * Verified: each thread finds the turn its own whenever it moves (no two in a row), and the number of
 * hand-overs under the mutex is the sum of both threads' moves.
 */
#include "bench.h"

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t mine[2];
    int turn, stop;
    unsigned long handed;
} game BENCH_ALIGNED = {.mutex = PTHREAD_MUTEX_INITIALIZER,
                        .mine = {PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER}};

/* Waits for me's turn and passes it on; the mutex is held. */
static void move(int me) {
    while (game.turn != me)
        must(pthread_cond_wait(&game.mine[me], &game.mutex));
    game.turn = !me;
    game.handed++;
    must(pthread_cond_signal(&game.mine[!me]));
}

static void *second(void *moves) {
    must(pthread_mutex_lock(&game.mutex));
    while (!game.stop) {
        move(1);
        ++*(unsigned long *)moves;
    }
    must(pthread_mutex_unlock(&game.mutex));
    return NULL;
}

int main(int argc, char **argv) {
    bench_init(argc, argv, "pthread_cond_wait");
    double seconds = bench_seconds();
    bench_options_end();
    unsigned long mine = 0, others = 0, start = 0;
    pthread_t other;
    must(pthread_create(&other, NULL, second, &others));

    must(pthread_mutex_lock(&game.mutex));
    uint64_t from = 0, now = bench_now(), until = now + 20000000; /* warm-up, then the window */
    for (int window = 0; window < 2; window++, until = from + (uint64_t)(seconds * 1e9)) {
        from = now;
        start = mine;
        do {
            for (int i = 0; i < 64; i++, mine++)
                move(0);
            now = bench_now();
        } while (now < until);
    }
    unsigned long measured = 2 * (mine - start);
    /* The last exchange: the other one moves once more and then sees the flag. */
    while (game.turn != 0)
        must(pthread_cond_wait(&game.mine[0], &game.mutex));
    game.stop = 1;
    move(0);
    mine++;
    must(pthread_mutex_unlock(&game.mutex));
    must(pthread_join(other, NULL));

    verify(game.handed == mine + others, "%lu hand-overs, %lu moves", game.handed, mine + others);
    verify(mine == others || mine == others + 1, "%lu moves against %lu", mine, others);
    bench_result("cond_pingpong", (double)(now - from) / (double)measured, "ns", "threads=2");
    return 0;
}
