/* pthread_barrier_*, pthread_barrierattr_*. */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "tap.h"

enum { ROUNDS = 2000, MOST = 5 };

static pthread_barrier_t barrier;
static unsigned members;
static volatile int serials[ROUNDS], arrived[ROUNDS];
static int wrong;

static void *member(void *arg) {
    for (int i = 0; i < ROUNDS; i++) {
        __sync_fetch_and_add(&arrived[i], 1);
        int r = pthread_barrier_wait(&barrier);
        if (r == PTHREAD_BARRIER_SERIAL_THREAD)
            __sync_fetch_and_add(&serials[i], 1);
        else if (r != 0)
            __sync_fetch_and_add(&wrong, 1);
        if (arrived[i] != (int)members)
            __sync_fetch_and_add(&wrong, 1);
    }
    return arg;
}

static void rounds(unsigned n) {
    pthread_t t[MOST];
    members = n;
    wrong = 0;
    memset((void *)serials, 0, sizeof serials);
    memset((void *)arrived, 0, sizeof arrived);
    is(pthread_barrier_init(&barrier, NULL, n), 0, "init %u", n);
    for (unsigned i = 0; i < n; i++)
        pthread_create(&t[i], NULL, member, NULL);
    for (unsigned i = 0; i < n; i++)
        pthread_join(t[i], NULL);
    int bad = wrong;
    for (int i = 0; i < ROUNDS; i++)
        bad += serials[i] != 1;
    is(bad, 0, "%u threads: all wait for all, one is the serial one", n);
    is(pthread_barrier_destroy(&barrier), 0, "destroy");
}

/* More threads than the count: rounds are made of whoever comes. */
static int serial_count, tickets;
static void *passer(void *arg) {
    while (__sync_add_and_fetch(&tickets, 1) <= 1200) {
        if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
            __sync_fetch_and_add(&serial_count, 1);
    }
    return arg;
}
static void more_than_count(void) {
    pthread_t t[4];
    pthread_barrier_init(&barrier, NULL, 2);
    for (int i = 0; i < 4; i++)
        pthread_create(&t[i], NULL, passer, NULL);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    is(serial_count, 1200 / 2, "four threads at a barrier for two");
    is(pthread_barrier_destroy(&barrier), 0, "destroy");
}

/* Destroyed and unmapped by whoever comes out first. */
static pthread_barrier_t *volatile gone;
static void *destroyer(void *arg) {
    if (pthread_barrier_wait(gone) == PTHREAD_BARRIER_SERIAL_THREAD) {
        pthread_barrier_destroy(gone);
        munmap((void *)gone, 4096);
    }
    return arg;
}
static void destroyed_at_once(void) {
    for (int i = 0; i < 300; i++) {
        pthread_t t[3];
        gone = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        pthread_barrier_init(gone, NULL, 3);
        for (int j = 0; j < 3; j++)
            pthread_create(&t[j], NULL, destroyer, NULL);
        for (int j = 0; j < 3; j++)
            pthread_join(t[j], NULL);
    }
    ok(1, "destroyed by the first who comes out");
}

static void handler(int sig) {
    (void)sig;
}
static void *interrupted(void *arg) {
    (void)arg;
    return (void *)(intptr_t)pthread_barrier_wait(&barrier);
}
static void signals(void) {
    struct sigaction sa = {.sa_handler = handler};
    sigaction(SIGUSR1, &sa, NULL);
    pthread_barrier_init(&barrier, NULL, 2);
    pthread_t t;
    void *r;
    pthread_create(&t, NULL, interrupted, NULL);
    for (int i = 0; i < 5; i++) {
        usleep(10000);
        pthread_kill(t, SIGUSR1);
    }
    is(pthread_barrier_wait(&barrier), PTHREAD_BARRIER_SERIAL_THREAD, "the last one is the serial one");
    pthread_join(t, &r);
    is((long)r, 0, "a signal handler does not end the wait");
    pthread_barrier_destroy(&barrier);
}

static void between_processes(void) {
    struct {
        pthread_barrier_t barrier;
        volatile int count, bad, serial;
    } *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_barrierattr_t attr;
    pthread_barrierattr_init(&attr);
    pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init(&shared->barrier, &attr, 2);
    pid_t child = fork();
    for (int i = 1; i <= 500; i++) {
        __sync_fetch_and_add(&shared->count, 1);
        if (pthread_barrier_wait(&shared->barrier))
            __sync_fetch_and_add(&shared->serial, 1);
        if (shared->count != 2 * i)
            shared->bad = 1;
        pthread_barrier_wait(&shared->barrier);
    }
    if (child == 0)
        _exit(0);
    waitpid(child, NULL, 0);
    ok(!shared->bad && shared->serial == 500, "two processes meet");
    is(pthread_barrier_destroy(&shared->barrier), 0, "destroy");
    munmap(shared, 4096);
}

int main(void) {
    int v;
    pthread_barrierattr_t attr;
    is(pthread_barrier_init(&barrier, NULL, 0), EINVAL, "count 0");
    is(pthread_barrier_init(&barrier, NULL, INT_MAX), EINVAL, "a count that is too large");
    is(pthread_barrier_init(&barrier, NULL, INT_MAX - 1), 0, "the largest count");
    is(pthread_barrierattr_init(&attr), 0, "attr init");
    is(pthread_barrierattr_getpshared(&attr, &v), 0, "getpshared");
    is(v, PTHREAD_PROCESS_PRIVATE, "private");
    is(pthread_barrierattr_setpshared(&attr, 2), EINVAL, "setpshared 2");
    is(pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED), 0, "setpshared");
    pthread_barrierattr_getpshared(&attr, &v);
    is(v, PTHREAD_PROCESS_SHARED, "kept");
    is(pthread_barrierattr_destroy(&attr), 0, "attr destroy");
    for (unsigned n = 1; n <= MOST; n++)
        rounds(n);
    more_than_count();
    destroyed_at_once();
    signals();
    between_processes();
    return done();
}
