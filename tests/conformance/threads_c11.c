/* C11 <threads.h>. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <threads.h>
#include <time.h>

#include "tap.h"

static mtx_t mutex;
static cnd_t condition;
static tss_t key;
static int turn, destroyed;

static int plus_one(void *arg) {
    return *(int *)arg + 1;
}
static int leave(void *arg) {
    thrd_exit(*(int *)arg);
}
static int wait_turn(void *arg) {
    mtx_lock(&mutex);
    while (turn == 0)
        cnd_wait(&condition, &mutex);
    mtx_unlock(&mutex);
    return arg != NULL;
}
static int try_busy(void *arg) {
    struct timespec t;
    (void)arg;
    if (mtx_trylock(&mutex) != thrd_busy)
        return 1;
    timespec_get(&t, TIME_UTC);
    t.tv_nsec += 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_nsec -= 1000000000;
        t.tv_sec++;
    }
    return mtx_timedlock(&mutex, &t) == thrd_timedout ? 0 : 2;
}
static void destructor(void *value) {
    destroyed += *(int *)value;
}
static int with_value(void *arg) {
    if (tss_get(key) != NULL)
        return 1;
    if (tss_set(key, arg) != thrd_success)
        return 2;
    return tss_get(key) == arg ? 0 : 3;
}
static void handler(int sig) {
    (void)sig;
}
static int sleeper(void *arg) {
    struct timespec span = {10, 0}, rest = {0, 0};
    (void)arg;
    int r = thrd_sleep(&span, &rest);
    return r == -1 && rest.tv_sec >= 8 ? 0 : 1;
}

int main(void) {
    thrd_t t;
    int value = 41, r;
    is(thrd_create(&t, plus_one, &value), thrd_success, "create");
    is(thrd_join(t, &r), thrd_success, "join");
    is(r, 42, "the result is an int");
    value = -7;
    thrd_create(&t, leave, &value);
    is(thrd_join(t, &r), thrd_success, "join");
    is(r, -7, "thrd_exit, negative");
    thrd_create(&t, plus_one, &value);
    is(thrd_join(t, NULL), thrd_success, "join without a result");
    thrd_create(&t, plus_one, &value);
    is(thrd_detach(t), thrd_success, "detach");
    ok(thrd_equal(thrd_current(), thrd_current()), "equal");

    is(mtx_init(&mutex, mtx_plain), thrd_success, "mutex, plain");
    is(mtx_lock(&mutex), thrd_success, "lock");
    is(mtx_unlock(&mutex), thrd_success, "unlock");
    mtx_destroy(&mutex);
    is(mtx_init(&mutex, mtx_timed | mtx_recursive), thrd_success, "mutex, timed and recursive");
    is(mtx_lock(&mutex), thrd_success, "lock");
    is(mtx_lock(&mutex), thrd_success, "again");
    thrd_create(&t, try_busy, NULL);
    thrd_join(t, &r);
    is(r, 0, "another thread finds it busy, and times out");
    is(mtx_unlock(&mutex), thrd_success, "unlock");
    is(mtx_unlock(&mutex), thrd_success, "unlock");

    mtx_init(&mutex, mtx_timed);
    is(cnd_init(&condition), thrd_success, "condition");
    thrd_create(&t, wait_turn, NULL);
    struct timespec ms = {0, 10000000};
    is(thrd_sleep(&ms, NULL), 0, "sleep");
    mtx_lock(&mutex);
    turn = 1;
    is(cnd_signal(&condition), thrd_success, "signal");
    mtx_unlock(&mutex);
    thrd_join(t, &r);
    is(r, 0, "it woke up");
    is(cnd_broadcast(&condition), thrd_success, "broadcast");
    struct timespec soon;
    timespec_get(&soon, TIME_UTC);
    mtx_lock(&mutex);
    is(cnd_timedwait(&condition, &mutex, &soon), thrd_timedout, "timed wait");
    mtx_unlock(&mutex);
    cnd_destroy(&condition);
    mtx_destroy(&mutex);

    is(tss_create(&key, destructor), thrd_success, "tss");
    value = 5;
    thrd_create(&t, with_value, &value);
    thrd_join(t, &r);
    is(r, 0, "a value per thread");
    is(destroyed, 5, "its destructor ran");
    tss_delete(key);

    struct timespec bad = {0, -1};
    ok(thrd_sleep(&bad, NULL) < -1, "sleep, bad nanoseconds");
    struct sigaction sa = {.sa_handler = handler};
    sigaction(SIGUSR1, &sa, NULL);
    thrd_create(&t, sleeper, NULL);
    thrd_sleep(&(struct timespec){0, 100000000}, NULL);
    pthread_kill(t, SIGUSR1);
    thrd_join(t, &r);
    is(r, 0, "a signal handler ends the sleep: -1 and the rest");
    thrd_yield();
    return done();
}
