/* workers: 1 2 */
/*
 * A thread that was called for a mutex, and finds it held again, gets it in the end: the unlock that comes next
 * calls it again, or it looks by itself.  There is no foreign LWP, so that one worker is in solo mode.
 */
#include <mn.h>

#include "tap.h"

enum { YIELDS = 3 };

static struct mn_mutex mutex = MN_MUTEX_INIT;

static void *locks(void *arg) {
    mn_mutex_lock(&mutex);
    mn_mutex_unlock(&mutex);
    return arg;
}

static int run(void *arg) {
    mn_thread t = 0;
    mn_mutex_lock(&mutex);
    is(mn_go(&t, locks, NULL), 0, "a thread");
    for (int times = 0; times < 2; times++) {
        for (int i = 0; i < YIELDS; i++)
            mn_yield();
        mn_mutex_unlock(&mutex); /* calls it, the first time */
        if (times == 0)
            mn_mutex_lock(&mutex);
    }
    is(mn_join_until(t, NULL, mn_after(30000000000)), 0, "it has had the mutex");
    return arg != NULL;
}

int main(void) {
    is(mn_run(run, NULL, NULL), 0, "mn_run");
    return done();
}
