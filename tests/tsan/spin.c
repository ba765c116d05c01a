/* A spin lock excludes, and its holder sees what the one before wrote. */
#include "crew.h"

enum { CREW = 3, ROUNDS = 3000 };
static pthread_spinlock_t lock;
static long counter;

static void body(unsigned index, uint32_t *random) {
    for (int i = 0; i < ROUNDS; i++) {
        if (index == 0)
            while (pthread_spin_trylock(&lock) != 0)
                delay(random);
        else
            pthread_spin_lock(&lock);
        counter++;
        pthread_spin_unlock(&lock);
        delay(random);
    }
}

int main(void) {
    pthread_spin_init(&lock, 0);
    crew(CREW, body);
    is(counter, CREW * ROUNDS, "excludes");
    is(pthread_spin_destroy(&lock), 0, "destroy");
    return done();
}
