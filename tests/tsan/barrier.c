/* What any thread wrote before pthread_barrier_wait is visible to all after it. */
#include "crew.h"

enum { CREW = 4, ROUNDS = 500 };
static pthread_barrier_t barrier;
static long cells[CREW];
static int wrong[CREW], serial[CREW];

static void body(unsigned index, uint32_t *random) {
    for (long i = 1; i <= ROUNDS * scale(); i++) {
        cells[index] = i;
        delay(random);
        if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
            serial[index]++;
        for (int k = 0; k < CREW; k++)
            wrong[index] += cells[k] != i;
        pthread_barrier_wait(&barrier);
    }
}

int main(void) {
    pthread_barrier_init(&barrier, NULL, CREW);
    crew(CREW, body);
    long rounds = 0;
    while (rounds + 1 <= ROUNDS * scale())
        rounds++;
    is(wrong[0] + wrong[1] + wrong[2] + wrong[3], 0, "all see all");
    is(serial[0] + serial[1] + serial[2] + serial[3], rounds, "one serial thread a round");
    is(pthread_barrier_destroy(&barrier), 0, "destroy");
    return done();
}
