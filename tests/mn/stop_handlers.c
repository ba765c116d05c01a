/* Handlers that foreign LWPs start while the runtime ends: each was refused, or has begun and ended. */
#include <errno.h>
#include <mn.h>
#include <pthread.h>
#include <sched.h>
#include <time.h>

#include "tap.h"

enum { CALLERS = 6 };
static int over;
static long accepted, begun, ended, refused, bad;

static void count(long *p) {
    __atomic_add_fetch(p, 1, __ATOMIC_RELAXED);
}

static int begins(void *state) {
    (void)state;
    count(&begun);
    return 0;
}

static int takes(void *state, struct mn_msg *m) {
    (void)state;
    (void)m;
    return 0;
}

static void ends(void *state, int64_t reason) {
    (void)state;
    (void)reason;
    count(&ended);
}

static const struct mn_handler handler = {
    .state_size = 8, .init = begins, .handle_message = takes, .terminate = ends};

static void *caller(void *arg) {
    unsigned n = 0;
    while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE)) {
        mn_pid pid;
        int r = mn_spawn_handler(&pid, &handler, "state...", 8, NULL);
        count(r == 0 ? &accepted : r == -EPERM ? &refused : &bad);
        if (r == 0 && mn_post(pid, 1, NULL, 0) < 0 && mn_workers())
            sched_yield();
        if (r < 0 || ++n % 8 == 0)
            nanosleep(&(struct timespec){0, 20000}, NULL);
    }
    return arg;
}

int main(void) {
    const int rounds = (int)(60 * scale()) + 1;
    pthread_t lwp[CALLERS];
    for (int i = 0; i < CALLERS; i++)
        if (pthread_create(&lwp[i], NULL, caller, NULL))
            abort();
    for (int i = 0; i < rounds; i++) {
        if (mn_start(NULL) < 0)
            abort();
        nanosleep(&(struct timespec){0, 200000 + i % 7 * 200000}, NULL);
        if (mn_stop(MN_FOREVER) < 0)
            abort();
    }
    __atomic_store_n(&over, 1, __ATOMIC_RELEASE);
    for (int i = 0; i < CALLERS; i++)
        pthread_join(lwp[i], NULL);
    ok(begun == accepted && accepted > 0, "%ld handlers begun of %ld that were accepted; %ld refused", begun, accepted, refused);
    is(ended, accepted, "each has ended");
    is(bad, 0, "none for another reason");
    return done();
}
