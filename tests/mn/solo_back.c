/* workers: 1 2 3 64 */
/*
 * Solo mode begins again after others have called that are no workers: when they sleep in a call, or have
 * ended, or make a call for a green thread.  Not while one that has called is elsewhere.
 */
#include <mn.h>

#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "mn/membarrier.h"
#include "mn/solos.h"
#include "tap.h"

enum { QUIET_NS = 30000000 };

static struct mn_sem green = MN_SEM_INIT(0), sleeper = MN_SEM_INIT(0);
static sem_t elsewhere;
static atomic_bool stop;

static void *calls_and_goes(void *arg) {
    mn_sem_post(&green);
    return arg;
}

static void *calls_and_sleeps(void *arg) {
    mn_sem_post(&green);
    mn_sem_wait(&sleeper);
    return arg;
}

static void *calls_and_stays(void *arg) {
    mn_sem_post(&green);
    while (sem_wait(&elsewhere) != 0)
        continue;
    return arg;
}

static pthread_t lwp(void *(*fn)(void *)) {
    pthread_t t;
    is(pthread_create(&t, NULL, fn, NULL), 0, "a foreign LWP");
    is(mn_sem_wait(&green), 0, "calls");
    return t;
}

static void sleeps(void *arg) {
    mn_sem_post(&green);
    sem_wait(arg);
}

static void *blocks(void *arg) {
    is(mn_block_call(sleeps, arg), 0, "an offloaded call");
    return NULL;
}

static pthread_key_t late;

static void calls_at_its_end(void *arg) {
    (void)arg;
    mn_sem_post(&green);
}

static void *calls_late(void *arg) {
    pthread_setspecific(late, &late);
    mn_sem_post(&green);
    return arg;
}

static struct mn_event shots = MN_EVENT_INIT;

static void on_signal(int signal) {
    (void)signal;
    mn_event_set(&shots);
}

/* A handler that calls, at any moment of a call. */
static void *is_shot_at(void *arg) {
    sigset_t none; /* its creator blocks signals */
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
    while (!atomic_load(&stop))
        mn_sem_wait_until(&sleeper, mn_after(1000));
    return arg;
}

static int test(void *arg) {
    (void)arg;
    struct mn_attr bound = {.flags = MN_BOUND};
    mn_thread t;
    pthread_t other;
    char name[256];
    ok(solo_comes_back(), "after a bound thread");

    other = lwp(calls_and_goes);
    pthread_join(other, NULL);
    ok(solo_comes_back(), "after a foreign LWP has ended");

    other = lwp(calls_and_sleeps);
    ok(solo_comes_back(), "while one sleeps in a call");
    mn_sem_post(&sleeper);
    pthread_join(other, NULL);

    other = lwp(calls_and_stays);
    ok(!solo_begins(QUIET_NS), "not while one has called, and is elsewhere");
    sem_post(&elsewhere);
    pthread_join(other, NULL);
    ok(solo_comes_back(), "but then");

    is(mn_go_attr(&t, &bound, calls_and_sleeps, NULL), 0, "a bound thread");
    is(mn_sem_wait(&green), 0, "calls");
    ok(solo_comes_back(), "while it sleeps in a call");
    mn_sem_post(&sleeper);
    mn_join(t, NULL);

    is(mn_getnameinfo((const struct sockaddr *)&(struct sockaddr_in){.sin_family = AF_INET},
                      sizeof(struct sockaddr_in), name, sizeof name, NULL, 0, NI_NUMERICHOST),
       0, "an offloaded look-up");
    ok(solo_comes_back(), "after it");

    is(mn_go(&t, blocks, &elsewhere), 0, "a thread");
    is(mn_sem_wait(&green), 0, "has a call made by another LWP, which calls");
    ok(!solo_begins(QUIET_NS), "not while that makes the rest of its call");
    sem_post(&elsewhere);
    mn_join(t, NULL);
    ok(solo_comes_back(), "but then");

    pthread_key_create(&late, calls_at_its_end);
    other = lwp(calls_late);
    pthread_join(other, NULL);
    is(mn_sem_wait(&green), 0, "an LWP calls as it ends");
    ok(solo_comes_back(), "after it");

    const struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &action, NULL);
    pthread_create(&other, NULL, is_shot_at, NULL);
    for (int i = 0; i < 20000; i++) {
        mn_event_reset(&shots);
        pthread_kill(other, SIGUSR1);
        if (i % 16 == 0)
            mn_yield();
    }
    is(mn_event_wait(&shots), 0, "the last signal has come");
    atomic_store(&stop, true);
    pthread_join(other, NULL);
    ok(solo_comes_back(), "after one whose signal handler called");
    return 0;
}

/* ---- the end of the runtime */

enum { LIVES = 300 };

static void nothing(void *arg) {
    (void)arg;
}

static void *yields(void *arg) {
    while (mn_yield() == 0)
        continue;
    return arg;
}

/* Beside one that runs, until the cpu may be another LWP's. */
static int life(void *arg) {
    mn_thread t;
    mn_go(&t, yields, arg);
    mn_detach(t);
    mn_block_call(nothing, arg);
    mn_sleep(300000);
    return 0;
}

/* Cpus change hands at random, also as the workers stop: the pool's LWPs wait for the end of solo mode, and the
 * runtime for theirs. */
static void lives(void) {
    const int all = (int)(LIVES * (scale() < 1 ? scale() : 1));
    int ended = 0;
    setenv("MN_SHAKE", "50", 1);
    for (int i = 0; i < all; i++)
        ended += mn_run(life, NULL, NULL) == 0;
    is(ended, all, "runtimes that end in solo mode");
}

int main(void) {
    if (!has_membarrier()) {
        skip("there is no solo mode without membarrier");
        return done();
    }
    sem_init(&elsewhere, 0, 0);
    /* The caller has called before. */
    mn_sem_post(&sleeper);
    is(mn_sem_wait(&sleeper), 0, "a call before there is a runtime");
    for (int i = 0; i < 2; i++) {
        atomic_store(&stop, false);
        is(mn_run(test, NULL, NULL), 0, "mn_run");
    }
    lives();
    return done();
}
