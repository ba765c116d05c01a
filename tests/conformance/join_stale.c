/* models: 1to1 */
/*
 * A handle whose thread was joined, or was detached and has ended, names no thread: ESRCH from every function
 * that takes one, and no memory of the former thread is touched.  The libc reads memory it has unmapped there;
 * we promise.
 */
#include "life.h"

static pthread_t stale[4];

static void expect_all(pthread_t t, const char *what) {
    void *v;
    struct timespec limit = in_ms(CLOCK_REALTIME, 20), mono = in_ms(CLOCK_MONOTONIC, 20);
    struct sched_param p = {0};
    int policy;
    clockid_t clock;
    cpu_set_t cpus;
    pthread_attr_t a;
    char name[16];
    union sigval sv = {0};
    errno = 4242;
    is(pthread_join(t, &v), ESRCH, "pthread_join of %s", what);
    is(pthread_tryjoin_np(t, &v), ESRCH, "pthread_tryjoin_np of %s", what);
    is(pthread_timedjoin_np(t, &v, &limit), ESRCH, "pthread_timedjoin_np of %s", what);
    is(pthread_clockjoin_np(t, &v, CLOCK_MONOTONIC, &mono), ESRCH, "pthread_clockjoin_np of %s", what);
    is(pthread_detach(t), ESRCH, "pthread_detach of %s", what);
    is(pthread_cancel(t), ESRCH, "pthread_cancel of %s", what);
    is(pthread_kill(t, 0), ESRCH, "pthread_kill(0) of %s", what);
    is(pthread_kill(t, SIGUSR1), ESRCH, "pthread_kill of %s", what);
    is(pthread_sigqueue(t, SIGUSR1, sv), ESRCH, "pthread_sigqueue of %s", what);
    is(pthread_getschedparam(t, &policy, &p), ESRCH, "pthread_getschedparam of %s", what);
    is(pthread_setschedparam(t, SCHED_OTHER, &p), ESRCH, "pthread_setschedparam of %s", what);
    is(pthread_setschedprio(t, 0), ESRCH, "pthread_setschedprio of %s", what);
    is(pthread_getcpuclockid(t, &clock), ESRCH, "pthread_getcpuclockid of %s", what);
    is(pthread_getaffinity_np(t, sizeof cpus, &cpus), ESRCH, "pthread_getaffinity_np of %s", what);
    CPU_ZERO(&cpus);
    CPU_SET(0, &cpus);
    is(pthread_setaffinity_np(t, sizeof cpus, &cpus), ESRCH, "pthread_setaffinity_np of %s", what);
    is(pthread_getattr_np(t, &a), ESRCH, "pthread_getattr_np of %s", what);
    is(pthread_getname_np(t, name, sizeof name), ESRCH, "pthread_getname_np of %s", what);
    is(pthread_setname_np(t, "stale"), ESRCH, "pthread_setname_np of %s", what);
    is(errno, 4242, "errno is untouched");
}

static sem_t s;
static void *post(void *arg) {
    sem_post(&s);
    return arg;
}

int main(void) {
    signal(SIGUSR1, SIG_IGN);
    sem_init(&s, 0, 0);
    stale[0] = must_create(NULL, do_nothing, NULL);
    must_join(stale[0]);
    expect_all(stale[0], "a joined thread");

    pthread_attr_t a;
    pthread_attr_init(&a);
    pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED);
    stale[1] = must_create(&a, post, NULL);
    sem_wait(&s);
    for (int i = 0; i < 1000 && pthread_kill(stale[1], 0) != ESRCH; i++)
        usleep(1000);
    expect_all(stale[1], "a detached thread that has ended");

    /* On a user's stack, which is unmapped after the join: any access would be a fault. */
    size_t size = 256 << 10;
    void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pthread_attr_init(&a);
    pthread_attr_setstack(&a, mem, size);
    stale[2] = must_create(&a, do_nothing, NULL);
    must_join(stale[2]);
    munmap(mem, size);
    expect_all(stale[2], "a joined thread whose stack is unmapped");

    /* Garbage and null are no threads either. */
    expect_all((pthread_t)0, "a null handle");
    expect_all((pthread_t)0x5a5a5a5a5a5a5a00UL, "a handle of garbage");

    /* A handle may name a new thread once more (as a pid may); then it is that thread's. */
    pthread_t t = must_create(NULL, do_nothing, &t);
    ok(must_join(t) == &t, "threads are created and joined as before");

    /* A thread that has ended and is not joined yet is there. */
    t = must_create(NULL, do_nothing, &t);
    usleep(20000);
    is(pthread_kill(t, 0), 0, "pthread_kill(0) of an ended thread that is not joined");
    is(pthread_cancel(t), 0, "pthread_cancel of it");
    is(pthread_detach(t), 0, "pthread_detach of it");
    is(pthread_join(t, NULL), ESRCH, "which ends it");
    return done();
}
