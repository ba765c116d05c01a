/* workers: 1 2 */
/*
 * Signal handlers that call while the runtime starts, on the LWP that starts it: they do not wait for the start
 * to go on, and the LWP, which becomes a worker, does not keep solo mode from beginning.
 */
#include <mn.h>

#include <signal.h>
#include <sys/time.h>

#include "mn/membarrier.h"
#include "mn/solos.h"
#include "tap.h"

enum { RUNS = 100, EVERY_US = 50 };

static struct mn_event shot = MN_EVENT_INIT;

static void on_signal(int signal) {
    (void)signal;
    mn_event_set(&shot);
}

static void shoot(int us) {
    const struct itimerval t = {{0, us}, {0, us}};
    setitimer(ITIMER_REAL, &t, NULL);
}

static int test(void *arg) {
    (void)arg;
    shoot(0);
    mn_event_set(&shot);
    return !solo_comes_back();
}

int main(void) {
    if (!has_membarrier()) {
        skip("there is no solo mode without membarrier");
        return done();
    }
    const struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    int failed = 0;
    for (int i = 0; i < RUNS && !failed; i++) {
        shoot(EVERY_US);
        failed = mn_run(test, NULL, NULL);
    }
    is(failed, 0, "solo mode begins in each runtime");
    return done();
}
