/* workers: 1 */
/*
 * The end of solo mode: the first foreign LWPs that call wait, all of them, until the one worker has been
 * outside the runtime.  It is held there by a test of a message, which is called inside.
 */
#include <mn.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <unistd.h>

#include "mn/membarrier.h"
#include "tap.h"

static struct mn_sem posted = MN_SEM_INIT(0);
static atomic_int turn, began, back; /* who may call; how many have begun to; how many have returned */

static void *calls(void *arg) {
    while (atomic_load(&turn) < (int)(intptr_t)arg)
        usleep(100);
    atomic_fetch_add(&began, 1);
    mn_sem_post(&posted);
    atomic_fetch_add(&back, 1);
    return arg;
}

static bool held(const struct mn_msg *m, void *early) {
    (void)m;
    for (int i = 1; i <= 2; i++) {
        atomic_store(&turn, i);
        while (atomic_load(&began) < i)
            usleep(100);
        usleep(20000); /* a second one that does not wait would be back by then */
    }
    *(int *)early = atomic_load(&back);
    return true;
}

static int receives(void *arg) {
    struct mn_msg *m;
    const struct mn_match match = {.fields = MN_MATCH_TEST, .test = held, .arg = arg};
    is(mn_post(mn_pid_self(), 1, NULL, 0), 0, "a message");
    is(mn_receive_match(&m, &match), 0, "is tested, and received");
    mn_msg_free(m);
    return 0;
}

static int test(void *arg) {
    pthread_t lwp[2];
    int early = -1;
    for (intptr_t i = 0; i < 2; i++)
        pthread_create(&lwp[i], NULL, calls, (void *)(i + 1));
    mn_pid pid;
    is(mn_spawn(&pid, receives, &early), 0, "a process");
    for (int i = 0; i < 2; i++)
        is(mn_sem_wait(&posted), 0, "both have called");
    is(early, 0, "and none went on while the worker was inside");
    for (int i = 0; i < 2; i++)
        pthread_join(lwp[i], NULL);
    (void)arg;
    return 0;
}

int main(void) {
    if (!has_membarrier()) {
        skip("there is no solo mode without membarrier");
        return done();
    }
    is(mn_run(test, NULL, NULL), 0, "mn_run");
    return done();
}
