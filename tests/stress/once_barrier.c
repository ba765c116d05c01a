/* Barriers and once-controls under random delays: reuse at once, destruction at once, routines left early. */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "tap.h"

static void dawdle(unsigned *s) {
    unsigned r = random_next(s) % 512;
    if (r < 8)
        sched_yield();
    else
        for (volatile unsigned i = 0; i < r; i++)
            ;
}

/* Each barrier is used for a few rounds, then destroyed and overwritten by the serial thread of the last. */
enum { THREADS = 4, REUSED = 3 };
static pthread_barrier_t *barriers;
static long *counts;
static int rounds;
static long bad;

static void *member(void *arg) {
    unsigned s = (unsigned)(long)arg + 1;
    for (int i = 0; i < rounds; i++) {
        int serial = 0;
        for (int j = 1; j <= REUSED; j++) {
            dawdle(&s);
            __sync_fetch_and_add(&counts[i], 1);
            serial = pthread_barrier_wait(&barriers[i]);
            if (__atomic_load_n(&counts[i], __ATOMIC_RELAXED) < (long)THREADS * j)
                __sync_fetch_and_add(&bad, 1);
        }
        if (serial) {
            pthread_barrier_destroy(&barriers[i]);
            memset(&barriers[i], 0x5a, sizeof barriers[i]);
        }
    }
    return NULL;
}

static void barrier_stress(void) {
    rounds = (int)(2000 * scale());
    barriers = calloc((size_t)rounds, sizeof *barriers);
    counts = calloc((size_t)rounds, sizeof *counts);
    for (int i = 0; i < rounds; i++)
        pthread_barrier_init(&barriers[i], NULL, THREADS);
    pthread_t t[THREADS];
    for (long i = 0; i < THREADS; i++)
        pthread_create(&t[i], NULL, member, (void *)i);
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    int touched = 0;
    for (int i = 0; i < rounds; i++) {
        for (size_t b = 0; b < sizeof barriers[i]; b++)
            touched += ((unsigned char *)&barriers[i])[b] != 0x5a;
    }
    is(bad, 0, "nobody leaves a barrier before all have come");
    is(touched, 0, "nobody touches a barrier after destroy has returned");
}

/* Each control's routine is left by pthread_exit at times; it must complete exactly once in the end. */
static pthread_once_t *controls;
static int *completed, controls_n;
static __thread int current;
static __thread unsigned seed;
static void routine(void) {
    dawdle(&seed);
    if (random_next(&seed) % 4 == 0)
        pthread_exit(NULL);
    __sync_fetch_and_add(&completed[current], 1);
}
static int next_control; /* atomic */
static void *runner(void *arg) {
    seed = (unsigned)(long)arg * 31 + 5;
    for (int i = __atomic_load_n(&next_control, __ATOMIC_RELAXED); i < controls_n; i++) {
        current = i;
        pthread_once(&controls[i], routine);
        if (completed[i] != 1) /* plain: once orders it */
            __sync_fetch_and_add(&bad, 1);
        __atomic_store_n(&next_control, i, __ATOMIC_RELAXED);
    }
    return (void *)1;
}
static void once_stress(void) {
    controls_n = (int)(3000 * scale());
    controls = calloc((size_t)controls_n, sizeof *controls);
    completed = calloc((size_t)controls_n, sizeof *completed);
    int left = 0;
    bad = 0;
    pthread_t t[THREADS];
    for (long i = 0; i < THREADS; i++)
        pthread_create(&t[i], NULL, runner, (void *)i);
    for (int finished = 0; finished < THREADS;) {
        for (int i = 0; i < THREADS; i++) {
            void *r;
            if (!t[i])
                continue;
            pthread_join(t[i], &r);
            if (r) {
                finished++;
                t[i] = 0;
            } else { /* left by pthread_exit: another takes its place */
                left++;
                pthread_create(&t[i], NULL, runner, (void *)(long)(left + 100));
            }
        }
    }
    is(bad, 0, "%d routines are complete when once returns; %d were left early", controls_n, left);
}

int main(void) {
    barrier_stress();
    once_stress();
    return done();
}
