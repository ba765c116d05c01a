/* Threads that do the same at once, with delays at random between their steps. */
#ifndef TSAN_CREW_H
#define TSAN_CREW_H

#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <time.h>

#include "random.h"
#include "tap.h"

enum { CREW_MAX = 16 };

struct crew_member {
    pthread_t thread;
    void (*body)(unsigned index, uint32_t *random);
    unsigned index;
};

static inline void delay(uint32_t *state) {
    uint32_t r = random_next(state) & 255;
    if (r < 4) {
        sched_yield();
    } else if (r < 6) {
        struct timespec t = {0, 20000};
        nanosleep(&t, NULL);
    }
}

static inline void *crew_main(void *arg) {
    struct crew_member *m = arg;
    uint32_t random = 0x9e3779b9u * (m->index + 1);
    m->body(m->index, &random);
    return NULL;
}

static inline void crew(unsigned n, void (*body)(unsigned index, uint32_t *random)) {
    struct crew_member members[CREW_MAX];
    for (unsigned i = 0; i < n; i++) {
        members[i].body = body;
        members[i].index = i;
        if (pthread_create(&members[i].thread, NULL, crew_main, &members[i]) != 0)
            abort();
    }
    for (unsigned i = 0; i < n; i++)
        pthread_join(members[i].thread, NULL);
}

#endif
