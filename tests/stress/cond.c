/* timeout: 180 */
/* Condition variables under many threads: no token is left while somebody waits for one. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <time.h>

#include "../tap.h"
#include "shake.h"

static pthread_mutex_t m;
static pthread_cond_t c, idle;
static long produced, consumed, target;
static int stop;

/* ---- a signal for each token */

static void *consumer(void *arg) {
    shake_start((uintptr_t)arg);
    pthread_mutex_lock(&m);
    for (;;) {
        while (produced == consumed && !stop) {
            if (rnd(4) == 0) {
                struct timespec t;
                clock_gettime(CLOCK_MONOTONIC, &t);
                t.tv_nsec += rnd(50000);
                if (t.tv_nsec >= 1000000000) {
                    t.tv_nsec -= 1000000000;
                    t.tv_sec++;
                }
                int r = pthread_cond_clockwait(&c, &m, CLOCK_MONOTONIC, &t);
                if (r != 0 && r != ETIMEDOUT)
                    abort();
            } else if (pthread_cond_wait(&c, &m) != 0) {
                abort();
            }
        }
        if (produced == consumed)
            break;
        if (++consumed == produced)
            pthread_cond_signal(&idle);
        if (rnd(2)) {
            pthread_mutex_unlock(&m);
            delay();
            pthread_mutex_lock(&m);
        }
    }
    pthread_mutex_unlock(&m);
    return NULL;
}

static void *producer(void *arg) {
    shake_start((uintptr_t)arg + 3);
    for (long i = 0; i < target; i++) {
        int inside = (int)rnd(2);
        pthread_mutex_lock(&m);
        produced++;
        if (inside)
            pthread_cond_signal(&c);
        pthread_mutex_unlock(&m);
        if (!inside) {
            delay();
            pthread_cond_signal(&c);
        }
        delay();
        if (rnd(64) == 0) { /* let everybody fall asleep: from here on each signal counts */
            struct timespec t;
            clock_gettime(CLOCK_REALTIME, &t);
            t.tv_sec += 20;
            pthread_mutex_lock(&m);
            while (produced != consumed)
                if (pthread_cond_timedwait(&idle, &m, &t) == ETIMEDOUT) {
                    stop = 1; /* tokens, consumers that wait, and nothing happens */
                    pthread_cond_broadcast(&c);
                    pthread_mutex_unlock(&m);
                    return (void *)1;
                }
            pthread_cond_signal(&idle); /* for the other producers */
            pthread_mutex_unlock(&m);
        }
    }
    return NULL;
}

static void tokens(int pshared, int producers, int consumers) {
    pthread_t p[8], q[16];
    long lost = 0;
    void *r;
    pthread_mutexattr_t ma;
    pthread_condattr_t ca;
    pthread_mutexattr_init(&ma);
    pthread_mutexattr_setpshared(&ma, pshared);
    pthread_mutex_init(&m, &ma);
    pthread_condattr_init(&ca);
    pthread_condattr_setpshared(&ca, pshared);
    pthread_cond_init(&c, &ca);
    pthread_cond_init(&idle, &ca);
    produced = consumed = stop = 0;
    for (int i = 0; i < consumers; i++)
        pthread_create(&q[i], NULL, consumer, (void *)(uintptr_t)(i + 1));
    for (int i = 0; i < producers; i++)
        pthread_create(&p[i], NULL, producer, (void *)(uintptr_t)(i + 1));
    for (int i = 0; i < producers; i++)
        lost += (pthread_join(p[i], &r), (long)r);
    pthread_mutex_lock(&m);
    stop = 1;
    pthread_cond_broadcast(&c);
    pthread_mutex_unlock(&m);
    for (int i = 0; i < consumers; i++)
        pthread_join(q[i], NULL);
    is(lost, 0, "no wake-up lost: pshared %d, %d producers, %d consumers", pshared, producers, consumers);
    is(consumed, produced, "... every token consumed");
    is(pthread_cond_destroy(&c), 0, "... and nobody is left");
    pthread_cond_destroy(&idle);
    pthread_mutex_destroy(&m);
}

/* ---- generations: broadcast, then destroy at once */

static pthread_cond_t *now;
static int arrived, generation, members;

static void *member(void *arg) {
    shake_start((uintptr_t)arg + 5);
    for (long i = 0; i < target; i++) {
        delay();
        pthread_mutex_lock(&m);
        if (++arrived == members) {
            arrived = 0;
            generation++;
            pthread_cond_t *old = now;
            now = malloc(sizeof *now);
            pthread_cond_init(now, NULL);
            int outside = (int)rnd(2);
            if (outside)
                pthread_mutex_unlock(&m);
            pthread_cond_broadcast(old);
            if (pthread_cond_destroy(old) != 0)
                abort();
            memset(old, 0xa5, sizeof *old);
            free(old);
            if (!outside)
                pthread_mutex_unlock(&m);
        } else {
            int g = generation;
            pthread_cond_t *mine = now;
            while (generation == g)
                pthread_cond_wait(mine, &m);
            pthread_mutex_unlock(&m);
        }
    }
    return NULL;
}

static void generations(int n, int type) {
    pthread_t t[16];
    pthread_mutexattr_t ma;
    pthread_mutexattr_init(&ma);
    pthread_mutexattr_settype(&ma, type);
    pthread_mutex_init(&m, &ma);
    now = malloc(sizeof *now);
    pthread_cond_init(now, NULL);
    members = n;
    arrived = generation = 0;
    for (int i = 0; i < n; i++)
        pthread_create(&t[i], NULL, member, (void *)(uintptr_t)(i + 1));
    for (int i = 0; i < n; i++)
        pthread_join(t[i], NULL);
    is(generation, target, "%d threads, generation after generation, mutex type %d", n, type);
    pthread_cond_destroy(now);
    free(now);
    pthread_mutex_destroy(&m);
}

int main(void) {
    target = (long)(5000 * scale());
    tokens(0, 1, 1);
    tokens(0, 1, 8);
    tokens(0, 4, 4);
    tokens(1, 2, 4);
    target = (long)(1000 * scale());
    generations(2, PTHREAD_MUTEX_NORMAL);
    generations(8, PTHREAD_MUTEX_NORMAL);
    generations(4, PTHREAD_MUTEX_RECURSIVE);
    return done();
}
