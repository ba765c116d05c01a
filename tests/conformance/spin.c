/* pthread_spin_*. */
#include <errno.h>
#include <pthread.h>

#include "tap.h"

enum { ROUNDS = 50000, THREADS = 3 };
static pthread_spinlock_t lock;
static long counter;

static void *body(void *arg) {
    for (int i = 0; i < ROUNDS; i++) {
        if (i % 16 == 0) {
            while (pthread_spin_trylock(&lock) != 0)
                sched_yield();
        } else {
            pthread_spin_lock(&lock);
        }
        counter++;
        pthread_spin_unlock(&lock);
    }
    return arg;
}

int main(void) {
    pthread_t t[THREADS];
    is(pthread_spin_init(&lock, PTHREAD_PROCESS_PRIVATE), 0, "init");
#ifdef __x86_64__
    is(*(volatile int *)&lock, 1, "the libc's value for free");
#endif
    is(pthread_spin_lock(&lock), 0, "lock");
    ok(*(volatile int *)&lock <= 0, "taken");
    is(pthread_spin_trylock(&lock), EBUSY, "trylock of a taken one");
    is(pthread_spin_unlock(&lock), 0, "unlock");
    is(pthread_spin_trylock(&lock), 0, "trylock of a free one");
    is(pthread_spin_unlock(&lock), 0, "unlock");
    for (int i = 0; i < THREADS; i++)
        pthread_create(&t[i], NULL, body, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    is(counter, (long)ROUNDS * THREADS, "nothing is lost");
    is(pthread_spin_destroy(&lock), 0, "destroy");
    return done();
}
