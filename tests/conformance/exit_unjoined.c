/*
 * Threads that have exited, and that nobody has joined: their LWPs go away all the same, and they can still be
 * joined or detached afterwards.
 */
#include "life.h"

enum { THREADS = 40 };

static void *leave(void *arg) {
    return arg;
}

/* Parked LWPs wait for work for seconds. */
static int tasks_in_a_minute(int most) {
    int n = 0;
    for (int i = 0; i < 30 && (n = settle_tasks(most)) > most; i++)
        ;
    return n;
}

int main(void) {
    pthread_t t[THREADS];
    int wrong = 0, first = count_tasks();
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < THREADS; i++)
            if (pthread_create(&t[i], NULL, leave, (void *)(intptr_t)i) != 0)
                return 1;
        /* In the second round all are joined before that. */
        if (round == 0)
            is(tasks_in_a_minute(first), first, "the LWPs of threads that nobody joins go away");
        for (int i = 0; i < THREADS; i++) {
            void *r = (void *)(intptr_t)i;
            wrong += pthread_kill(t[i], 0) != 0;
            wrong += i % 4 == 0 ? pthread_detach(t[i]) : pthread_join(t[i], &r);
            wrong += r != (void *)(intptr_t)i;
        }
        is(wrong, 0, "they can be signalled, joined or detached");
    }
    return done();
}
