/* workers: 2 3 64 */
/*
 * Solo mode with several workers: it begins while all but one sleep, and ends when another gets work, or a
 * foreign LWP calls.  Two threads pass a token on one cpu; others, each pinned to its cpu, come now and then
 * and change what those two change.  Nothing is lost.
 */
#include <mn.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "mn/membarrier.h"
#include "mn/solos.h"
#include "tap.h"

enum { GUESTS = 3, VISITS = 400, FIGHTS = 5, FIGHTERS = 3 };

static struct mn_mutex mutex = MN_MUTEX_INIT;
static struct mn_sem tokens[2] = {MN_SEM_INIT(0), MN_SEM_INIT(0)}, visits = MN_SEM_INIT(0);
static struct mn_chan *chan;
static long changes;             /* guarded by the mutex */
static atomic_long passed, sent; /* by all together */
static atomic_bool stop;

static void change(void) {
    mn_mutex_lock(&mutex);
    changes++;
    mn_mutex_unlock(&mutex);
    atomic_fetch_add(&passed, 1);
    long one = 1;
    if (mn_chan_try_send(chan, &one) == 0)
        atomic_fetch_add(&sent, 1);
}

static void *passes(void *arg) {
    const int me = arg != NULL;
    while (!atomic_load(&stop)) {
        mn_sem_wait(&tokens[me]);
        change();
        mn_sem_post(&tokens[!me]);
    }
    mn_sem_post(&tokens[!me]);
    return NULL;
}

static void *receives(void *arg) {
    long *got = arg, one;
    while (mn_chan_recv(chan, &one) == 0)
        *got += one;
    return NULL;
}

static void *visit(void *arg) {
    for (int i = 0; i < VISITS; i++) {
        mn_sleep_until(mn_after(50000 + (i * 7919 + (long)arg * 31337) % 400000));
        change();
        mn_sem_post(&visits);
    }
    return NULL;
}

static mn_thread pinned(void *(*fn)(void *), void *arg, unsigned cpu) {
    const struct mn_attr a = {.flags = MN_PINNED | MN_CPU, .cpu = cpu};
    mn_thread t = 0;
    is(mn_go_attr(&t, &a, fn, arg), 0, "a thread on cpu %u", cpu);
    return t;
}

/* Sections that follow each other quickly, with threads that wait for the mutex in and out of solo mode. */
static void *fights(void *arg) {
    for (int i = 0; i < 100000; i++) {
        mn_mutex_lock(&mutex);
        changes++;
        mn_mutex_unlock(&mutex);
    }
    atomic_fetch_add(&passed, 100000);
    return arg;
}

static void fight(void) {
    mn_thread t[FIGHTERS];
    int gone = 0;
    for (int i = 0; i < FIGHTERS; i++)
        mn_go(&t[i], fights, NULL);
    for (int i = 0; i < FIGHTERS; i++)
        gone += mn_join_until(t[i], NULL, mn_after(60000000000)) == 0;
    is(gone, FIGHTERS, "all have had the mutex");
}

/* Who wakes waits until the one that runs threads is outside the runtime.  It is held inside by a test of a
 * message, while a thread's time comes on another cpu. */
static atomic_bool woke;

static void *wakes(void *arg) {
    mn_sleep_until(*(const int64_t *)arg);
    atomic_store(&woke, true);
    return NULL;
}

static bool held(const struct mn_msg *m, void *early) {
    (void)m;
    usleep(40000);
    *(bool *)early = atomic_load(&woke);
    return true;
}

static void *holds(void *arg) {
    const struct mn_attr there = {.flags = MN_PINNED | MN_CPU, .cpu = 1};
    bool early = true;
    mn_attach();
    for (int i = 0; i < 50 && early; i++) { /* something else may have ended it */
        int64_t time = mn_after(10000000);
        mn_thread t;
        struct mn_msg *m;
        const struct mn_match match = {.fields = MN_MATCH_TEST, .test = held, .arg = &early};
        atomic_store(&woke, false);
        mn_go_attr(&t, &there, wakes, &time);
        for (uint64_t before = solos(); solos() == before && mn_now() < time - 2000000;)
            mn_yield();
        mn_post(mn_pid_self(), 1, NULL, 0);
        mn_receive_match(&m, &match);
        mn_msg_free(m);
        mn_join(t, NULL);
    }
    ok(!early, "who wakes waits");
    return arg;
}

static void *foreign(void *arg) {
    for (int i = 0; i < VISITS; i++)
        change();
    return arg;
}

static int run(void *arg) {
    const bool shaken = arg != NULL;
    const unsigned n = mn_workers();
    long got = 0;
    atomic_store(&stop, false);
    changes = 0;
    atomic_store(&passed, 0);
    atomic_store(&sent, 0);
    is(mn_chan_create(&chan, sizeof(long), 100), 0, "a channel");
    for (int i = 0; i < FIGHTS; i++)
        fight();
    if (!shaken)
        mn_join(pinned(holds, NULL, 0), NULL);
    mn_thread token[2], receiver, guest[GUESTS];
    token[0] = pinned(passes, NULL, 0);
    token[1] = pinned(passes, &stop, 0);
    receiver = pinned(receives, &got, 0);
    mn_sem_post(&tokens[0]);
    while (solos() == 0)
        mn_sleep(1000000);
    ok(true, "it begins");
    for (int i = 0; i < GUESTS; i++)
        guest[i] = pinned(visit, (void *)(long)i, 1 + (unsigned)i % (n - 1));
    for (int i = 0; i < GUESTS; i++)
        mn_join(guest[i], NULL);
    for (int i = 0; i < GUESTS * VISITS; i++)
        mn_sem_wait(&visits);
    is(mn_sem_trywait(&visits), -EAGAIN, "each visit was counted once");
    uint64_t before = solos();
    while (solos() < before + 3)
        mn_sleep(1000000);
    ok(true, "it began %lu times, and again without guests", (unsigned long)before);
    if (shaken) {
        pthread_t lwp;
        is(pthread_create(&lwp, NULL, foreign, NULL), 0, "a foreign LWP");
        long then = atomic_load(&passed) + 2 * VISITS;
        while (atomic_load(&passed) < then)
            mn_sleep(1000000);
        pthread_join(lwp, NULL);
        before = solos();
        while (solos() == before)
            mn_sleep(1000000);
        ok(true, "it begins again when that has gone");
    }
    atomic_store(&stop, true);
    mn_join(token[0], NULL);
    mn_join(token[1], NULL);
    mn_chan_close(chan);
    mn_join(receiver, NULL);
    is(changes, atomic_load(&passed), "no change under the mutex is lost");
    is(got, atomic_load(&sent), "no message is lost");
    while (mn_sem_trywait(&tokens[0]) == 0 || mn_sem_trywait(&tokens[1]) == 0)
        continue;
    is(mn_chan_destroy(chan), 0, "the channel is free");
    return 0;
}

int main(void) {
    if (!has_membarrier()) {
        skip("there is no solo mode without membarrier");
        return done();
    }
    is(mn_run(run, NULL, NULL), 0, "mn_run");
    setenv("MN_SHAKE", "200", 1);
    is(mn_run(run, &stop, NULL), 0, "mn_run, shaken");
    return done();
}
