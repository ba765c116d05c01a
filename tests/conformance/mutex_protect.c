/* models: 1to1 */
/* Mutexes with a priority ceiling are refused, however they come about. */
#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "../tap.h"

int main(void) {
    pthread_mutexattr_t a;
    pthread_mutex_t m;
    pthread_mutexattr_init(&a);
    pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_PROTECT);
    is(pthread_mutex_init(&m, &a), ENOTSUP, "init");
    pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
    is(pthread_mutex_init(&m, &a), ENOTSUP, "init, robust as well");
    pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_NONE);
    is(pthread_mutex_init(&m, &a), 0, "init, protected no more");

    static const struct timespec past = {1, 0};
    static const int bits[] = {0x40, 0x40 | 0x10, 0x40 | 1, 0x80 | 0x40, 0x80 | 0x40 | 0x10 | 2};
    for (int i = 0; i < 5; i++) {
        pthread_mutex_t other;
        pthread_cond_t c = PTHREAD_COND_INITIALIZER;
        int v;
        memset(&other, 0, sizeof other);
        ((int *)(void *)&other)[4] = bits[i];
        is(pthread_mutex_lock(&other), ENOTSUP, "kind %#x: lock", bits[i]);
        is(pthread_mutex_trylock(&other), ENOTSUP, "kind %#x: trylock", bits[i]);
        is(pthread_mutex_timedlock(&other, &past), ENOTSUP, "kind %#x: timedlock", bits[i]);
        is(pthread_mutex_clocklock(&other, CLOCK_MONOTONIC, &past), ENOTSUP, "kind %#x: clocklock", bits[i]);
        is(pthread_mutex_unlock(&other), ENOTSUP, "kind %#x: unlock", bits[i]);
        is(pthread_mutex_consistent(&other), ENOTSUP, "kind %#x: consistent", bits[i]);
        is(pthread_mutex_getprioceiling(&other, &v), ENOTSUP, "kind %#x: getprioceiling", bits[i]);
        is(pthread_mutex_setprioceiling(&other, 1, &v), ENOTSUP, "kind %#x: setprioceiling", bits[i]);
        is(pthread_cond_timedwait(&c, &other, &past), ENOTSUP, "kind %#x: cond_timedwait", bits[i]);
    }
    return done();
}
