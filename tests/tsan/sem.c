/* What is written before sem_post is visible after the sem_wait that takes it. */
#include "crew.h"

#include <errno.h>
#include <semaphore.h>

enum { SLOTS = 8, ROUNDS = 4000 };
static sem_t lock, full, empty;
static long counter, slots[SLOTS], in, out, sum;

static void exclude(unsigned index, uint32_t *random) {
    for (int i = 0; i < ROUNDS * scale(); i++) {
        if (index == 0) {
            while (sem_trywait(&lock) != 0)
                delay(random);
        } else if (index == 1) {
            struct timespec t = {INT32_MAX, 0};
            while (sem_timedwait(&lock, &t) != 0)
                ;
        } else {
            while (sem_wait(&lock) != 0)
                ;
        }
        counter++;
        delay(random);
        sem_post(&lock);
    }
}

static void pass_on(unsigned index, uint32_t *random) {
    for (int i = 0; i < ROUNDS * scale(); i++) {
        if (index == 0) {
            sem_wait(&empty);
            slots[in++ % SLOTS] = i;
            sem_post(&full);
        } else {
            sem_wait(&full);
            sum += slots[out++ % SLOTS] == i;
            sem_post(&empty);
        }
        delay(random);
    }
}

int main(void) {
    sem_init(&lock, 0, 1);
    sem_init(&full, 0, 0);
    sem_init(&empty, 0, SLOTS);
    crew(4, exclude);
    long rounds = 0;
    while (rounds < ROUNDS * scale())
        rounds++;
    is(counter, 4 * rounds, "a binary semaphore excludes");
    crew(2, pass_on);
    is(sum, rounds, "a ring between two semaphores");
    is(sem_destroy(&lock), 0, "destroy");
    return done();
}
