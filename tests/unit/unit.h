/* What unit tests share (include it first): many threads that start at once, and random delays that shake
 * the order of events. */
#ifndef UNIT_H
#define UNIT_H

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include "random.h"

/* Length of stress tests: ODONATA_TEST_SCALE. */
static inline long scaled(long n) {
    const char *s = getenv("ODONATA_TEST_SCALE");
    double v = s ? atof(s) * (double)n : (double)n;
    return v < 1 ? 1 : (long)v;
}

/* Mostly nothing, often a few hundred cycles, now and then the rest of the time slice. */
static inline void random_delay(uint32_t *state) {
    uint32_t r = random_next(state) & 255;
    if (r == 0) {
        sched_yield();
    } else if (r < 3) {
        struct timespec t = {0, 1000};
        nanosleep(&t, NULL);
    } else if (r < 64) {
        for (volatile uint32_t i = 0; i < r * 4; i++)
            ;
    }
}

struct crew_member {
    pthread_t thread;
    pthread_barrier_t *gate;
    void (*body)(unsigned index, uint32_t *random);
    unsigned index;
};

static inline void *crew_main(void *arg) {
    struct crew_member *m = arg;
    uint32_t random = 0x9e3779b9u * (m->index + 1);
    pthread_barrier_wait(m->gate);
    m->body(m->index, &random);
    return NULL;
}

/* Runs body(0 .. n-1) in n threads that start together; returns when all have ended. */
static inline void crew(unsigned n, void (*body)(unsigned index, uint32_t *random)) {
    struct crew_member members[64];
    pthread_barrier_t gate;
    cr_assert(n <= 64);
    pthread_barrier_init(&gate, NULL, n);
    for (unsigned i = 0; i < n; i++) {
        members[i] = (struct crew_member){.gate = &gate, .body = body, .index = i};
        cr_assert_eq(pthread_create(&members[i].thread, NULL, crew_main, &members[i]), 0);
    }
    for (unsigned i = 0; i < n; i++)
        pthread_join(members[i].thread, NULL);
    pthread_barrier_destroy(&gate);
}

#endif
