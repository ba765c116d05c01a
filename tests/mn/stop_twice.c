/* Two LWPs stop the runtime at once: the second one's deadline holds, though the first waits for a thread
 * that does not end. */
#include <errno.h>
#include <mn.h>
#include <pthread.h>
#include <unistd.h>

#include "tap.h"

static uint32_t let_go;

static void *stays(void *arg) {
    while (!__atomic_load_n(&let_go, __ATOMIC_ACQUIRE))
        mn_yield();
    return arg;
}

static void *stops(void *arg) {
    *(int *)arg = mn_stop(MN_FOREVER);
    return arg;
}

int main(void) {
    mn_thread t;
    pthread_t lwp;
    int first = 1;
    ok(mn_start(NULL) == 0 && mn_go(&t, stays, NULL) == 0, "a thread that stays");
    ok(pthread_create(&lwp, NULL, stops, &first) == 0, "an LWP that waits for its end");
    struct mn_attr none = {.flags = 0};
    while (mn_go_attr(NULL, &none, stays, NULL) != -EPERM)
        usleep(1000); /* until it has begun to */
    is(mn_stop(mn_after(20000000)), -ETIMEDOUT, "another stops waiting at its deadline");
    is(mn_stop(0), -ETIMEDOUT, "one that has passed");
    __atomic_store_n(&let_go, 1, __ATOMIC_RELEASE);
    pthread_join(lwp, NULL);
    is(first, 0, "the first ends the runtime");
    is(mn_stop(MN_FOREVER), -EPERM, "there is none any more");
    return done();
}
