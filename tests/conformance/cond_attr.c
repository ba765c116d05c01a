/* pthread_condattr_*. */
#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "../tap.h"

int main(void) {
    errno = 77;
    pthread_condattr_t a;
    int v;
    clockid_t clock;
    memset(&a, 0xff, sizeof a);
    is(pthread_condattr_init(&a), 0, "init");
    is((pthread_condattr_getpshared(&a, &v), v), PTHREAD_PROCESS_PRIVATE, "default pshared");
    is((pthread_condattr_getclock(&a, &clock), clock), CLOCK_REALTIME, "default clock");
    is(pthread_condattr_setpshared(&a, PTHREAD_PROCESS_SHARED), 0, "setpshared");
    is(pthread_condattr_setclock(&a, CLOCK_MONOTONIC), 0, "setclock");
    is(pthread_condattr_setpshared(&a, 2), EINVAL, "setpshared 2");
    is(pthread_condattr_setpshared(&a, -1), EINVAL, "setpshared -1");
    is(pthread_condattr_setclock(&a, CLOCK_PROCESS_CPUTIME_ID), EINVAL, "setclock, CPU time");
    is(pthread_condattr_setclock(&a, CLOCK_BOOTTIME), EINVAL, "setclock, another clock");
    is(pthread_condattr_setclock(&a, -1), EINVAL, "setclock -1");
    is((pthread_condattr_getpshared(&a, &v), v), PTHREAD_PROCESS_SHARED, "getpshared");
    is((pthread_condattr_getclock(&a, &clock), clock), CLOCK_MONOTONIC, "getclock");
    is(*(int *)(void *)&a, 3, "the libc's bits");
    is(pthread_condattr_setclock(&a, CLOCK_REALTIME), 0, "setclock back");
    is((pthread_condattr_getpshared(&a, &v), v), PTHREAD_PROCESS_SHARED, "... leaves pshared");
    is(pthread_condattr_destroy(&a), 0, "destroy");
    is(errno, 77, "errno untouched");
    return done();
}
