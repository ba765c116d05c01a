/* Mutexes of every kind under many threads with random delays; mutexes destroyed by whoever gets them last. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <sys/mman.h>
#include <time.h>

#include "../tap.h"
#include "shake.h"

/* ---- one mutex, many threads */

static struct {
    pthread_mutex_t m;
    int type;
    long count;
    int inside;
} g;

static long rounds;

static int get(unsigned how) {
    struct timespec t;
    switch (how) {
    case 0:
        return pthread_mutex_trylock(&g.m);
    case 1:
        clock_gettime(CLOCK_REALTIME, &t);
        break;
    case 2:
        clock_gettime(CLOCK_MONOTONIC, &t);
        break;
    default:
        return pthread_mutex_lock(&g.m);
    }
    t.tv_nsec += rnd(100000);
    if (t.tv_nsec >= 1000000000) {
        t.tv_nsec -= 1000000000;
        t.tv_sec++;
    }
    return how == 1 ? pthread_mutex_timedlock(&g.m, &t) : pthread_mutex_clocklock(&g.m, CLOCK_MONOTONIC, &t);
}

static void *worker(void *arg) {
    shake_start((uintptr_t)arg);
    long got = 0;
    for (long i = 0; i < rounds; i++) {
        int r = get(rnd(6));
        if (r != 0) {
            if (r != EBUSY && r != ETIMEDOUT)
                abort();
            continue;
        }
        unsigned again = g.type == PTHREAD_MUTEX_RECURSIVE ? rnd(3) : 0;
        for (unsigned k = 0; k < again; k++)
            if (pthread_mutex_lock(&g.m) != 0)
                abort();
        if (g.inside++ != 0)
            abort();
        got++;
        g.count++;
        delay();
        if (--g.inside != 0)
            abort();
        for (unsigned k = 0; k <= again; k++)
            if (pthread_mutex_unlock(&g.m) != 0)
                abort();
        delay();
    }
    return (void *)got;
}

static void many(int type, int pshared, int threads) {
    pthread_t t[16];
    pthread_mutexattr_t a;
    pthread_mutexattr_init(&a);
    pthread_mutexattr_settype(&a, type);
    pthread_mutexattr_setpshared(&a, pshared);
    pthread_mutex_init(&g.m, &a);
    g.type = type;
    g.count = 0;
    for (int i = 0; i < threads; i++)
        pthread_create(&t[i], NULL, worker, (void *)(uintptr_t)(i + 1));
    long got = 0;
    for (int i = 0; i < threads; i++) {
        void *r;
        pthread_join(t[i], &r);
        got += (long)r;
    }
    is(g.count, got, "type %d, pshared %d, %d threads", type, pshared, threads);
    is(pthread_mutex_destroy(&g.m), 0, "... and nobody is left on it");
}

/* ---- destroyed by the last */

/* Lies in a page of its own, which the last user unmaps: an unlock that touches the mutex too late crashes. */
struct object {
    pthread_mutex_t m;
    int users;
};

static pthread_barrier_t start;
static struct object *object;
enum { USERS = 4 };

static void *user(void *arg) {
    shake_start((uintptr_t)arg + 7);
    for (long i = 0; i < rounds / 20; i++) {
        if ((uintptr_t)arg == 1) {
            struct object *o = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            pthread_mutex_init(&o->m, NULL);
            o->users = USERS;
            object = o;
        }
        pthread_barrier_wait(&start);
        struct object *o = object;
        delay();
        pthread_mutex_lock(&o->m);
        delay();
        int last = --o->users == 0;
        pthread_mutex_unlock(&o->m);
        if (last && munmap(o, 4096) != 0)
            abort();
        pthread_barrier_wait(&start);
    }
    return NULL;
}

int main(void) {
    static const int types[] = {PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ERRORCHECK,
                                PTHREAD_MUTEX_ADAPTIVE_NP};
    rounds = (long)(10000 * scale());
    for (int i = 0; i < 4; i++) {
        many(types[i], 0, 3);
        many(types[i], 0, 16);
        many(types[i], 1, 4);
    }
    pthread_t t[USERS];
    pthread_barrier_init(&start, NULL, USERS);
    for (uintptr_t i = 0; i < USERS; i++)
        pthread_create(&t[i], NULL, user, (void *)(i + 1));
    for (int i = 0; i < USERS; i++)
        pthread_join(t[i], NULL);
    ok(1, "mutexes unmapped by their last users");
    return done();
}
