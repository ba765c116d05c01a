/* Every way to join a thread, and what each says when it cannot. */
#include "life.h"
#include "asleep.h"

static struct event gate = EVENT_INIT;

static void *at_gate(void *arg) {
    event_wait(&gate);
    return arg;
}

static void reset_gate(void) {
    gate.set = 0;
}

static void try_and_timed(void) {
    int x;
    void *value = NULL;
    reset_gate();
    pthread_t t = must_create(NULL, at_gate, &x);
    is(pthread_tryjoin_np(t, &value), EBUSY, "tryjoin of a running thread: EBUSY");
    static const clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC};
    for (int i = 0; i < 2; i++) {
        double began = seconds();
        struct timespec limit = in_ms(clocks[i], 50);
        is(pthread_clockjoin_np(t, &value, clocks[i], &limit), ETIMEDOUT, "clockjoin on clock %d: ETIMEDOUT",
           i);
        double took = seconds() - began;
        ok(took > 0.045 && took < 2, "after its 50 ms (%.3f s)", took);
        limit = in_ms(clocks[i], -1000);
        is(pthread_clockjoin_np(t, &value, clocks[i], &limit), ETIMEDOUT, "a time in the past: ETIMEDOUT");
        struct timespec zero = {0, 0};
        is(pthread_clockjoin_np(t, &value, clocks[i], &zero), ETIMEDOUT, "time 0: ETIMEDOUT");
    }
    double began = seconds();
    struct timespec limit = in_ms(CLOCK_REALTIME, 50);
    is(pthread_timedjoin_np(t, &value, &limit), ETIMEDOUT, "timedjoin: ETIMEDOUT");
    ok(seconds() - began > 0.045, "after its 50 ms");
    if (under_ours()) { /* as the man page says; the libc (2.36) tries again and again until the thread ends */
        struct timespec bad = {limit.tv_sec + 100, 1000000000};
        is(pthread_timedjoin_np(t, &value, &bad), EINVAL, "timedjoin, nanoseconds of a whole second: EINVAL");
        bad.tv_nsec = -1;
        is(pthread_timedjoin_np(t, &value, &bad), EINVAL, "timedjoin, nanoseconds negative: EINVAL");
    }
    limit = in_ms(CLOCK_REALTIME, 100);
    is(pthread_clockjoin_np(t, &value, CLOCK_PROCESS_CPUTIME_ID, &limit), EINVAL,
       "clockjoin on a CPU clock: EINVAL");
    is(pthread_clockjoin_np(t, &value, 12345, &limit), EINVAL, "clockjoin on no clock: EINVAL");
    is(pthread_tryjoin_np(t, &value), EBUSY, "after all that it still runs");
    ok(value == NULL, "and no value was stored");
    event_set(&gate);
    limit = in_ms(CLOCK_MONOTONIC, 5000);
    is(pthread_clockjoin_np(t, &value, CLOCK_MONOTONIC, &limit), 0, "clockjoin of one that ends");
    ok(value == &x, "its value");

    t = must_create(NULL, do_nothing, &x);
    int r;
    value = NULL;
    while ((r = pthread_tryjoin_np(t, &value)) == EBUSY)
        usleep(100);
    is(r, 0, "tryjoin succeeds once it has ended");
    ok(value == &x, "its value");
    t = must_create(NULL, do_nothing, &x);
    limit = in_ms(CLOCK_REALTIME, -1000);
    while ((r = pthread_timedjoin_np(t, NULL, &limit)) == ETIMEDOUT)
        usleep(100);
    is(r, 0, "timedjoin of an ended thread succeeds after its time");
    t = must_create(NULL, do_nothing, &x);
    is(pthread_timedjoin_np(t, NULL, NULL), 0, "timedjoin without a time waits for good");
    t = must_create(NULL, do_nothing, &x);
    is(pthread_join(t, NULL), 0, "join without a place for the value");
}

/* Timed joins of threads that end at about the time: either way, once joined, once only. */
static void *short_sleep(void *arg) {
    usleep(1000);
    return arg;
}
static void close_call(void) {
    int joined = 0, late = 0, other = 0;
    for (int i = 0; i < 200; i++) {
        pthread_t t = must_create(NULL, short_sleep, &t);
        struct timespec limit = in_ms(CLOCK_REALTIME, 1);
        int r = pthread_timedjoin_np(t, NULL, &limit);
        joined += r == 0;
        late += r == ETIMEDOUT;
        other += r != 0 && r != ETIMEDOUT;
        if (r && pthread_join(t, NULL))
            other++;
    }
    is(other, 0, "200 timed joins at the very end: %d joined, %d were late and joined then", joined, late);
}

static void *join_self(void *arg) {
    (void)arg;
    void *v;
    int a = pthread_join(pthread_self(), &v);
    struct timespec limit = in_ms(CLOCK_REALTIME, 100);
    int b = pthread_timedjoin_np(pthread_self(), &v, &limit);
    limit = in_ms(CLOCK_MONOTONIC, 100);
    int c = pthread_clockjoin_np(pthread_self(), &v, CLOCK_MONOTONIC, &limit);
    return (void *)(uintptr_t)(a == EDEADLK && b == EDEADLK && c == EDEADLK);
}

struct pair {
    pthread_t other;
    struct event ready;
    int tid, result, back;
};
static void *join_other(void *arg) {
    struct pair *p = arg;
    event_wait(&p->ready);
    __atomic_store_n(&p->tid, (int)syscall(SYS_gettid), __ATOMIC_RELEASE);
    p->result = pthread_join(p->other, NULL);
    __atomic_store_n(&p->back, 1, __ATOMIC_RELEASE);
    return NULL;
}

static void deadlocks(void) {
    is((long)(uintptr_t)must_join(must_create(NULL, join_self, NULL)), 1, "joining oneself: EDEADLK");

    is(pthread_join(pthread_self(), NULL), EDEADLK, "main joining itself: EDEADLK");

    /* From here on as the man page says; the libc (2.36) never notes down who joins, and lets both hang. */
    if (!under_ours())
        return;
    struct pair p[2] = {{.ready = EVENT_INIT}, {.ready = EVENT_INIT}};
    pthread_t t[2];
    for (int i = 0; i < 2; i++)
        t[i] = must_create(NULL, join_other, &p[i]);
    p[0].other = t[1];
    p[1].other = t[0];
    event_set(&p[0].ready);
    while (!__atomic_load_n(&p[0].tid, __ATOMIC_ACQUIRE))
        usleep(1000);
    wait_asleep(p[0].tid); /* the first waits for the second; now the second tries to wait for the first */
    event_set(&p[1].ready);
    while (!__atomic_load_n(&p[0].back, __ATOMIC_ACQUIRE) || !__atomic_load_n(&p[1].back, __ATOMIC_ACQUIRE))
        usleep(1000);
    is(p[1].result, EDEADLK, "two that join each other: the second gets EDEADLK");
    is(p[0].result, 0, "and the first is served");
    must_join(t[0]);
}

static int first_joiner; /* its kernel id */
static void *join_it(void *arg) {
    pthread_t *t = arg;
    __atomic_store_n(&first_joiner, (int)syscall(SYS_gettid), __ATOMIC_RELEASE);
    return (void *)(uintptr_t)(pthread_join(*t, NULL) + 1);
}

static void second_joiner(void) {
    if (!under_ours()) /* undefined in POSIX; the libc (2.36) lets two wait for one and release it twice */
        return;
    reset_gate();
    pthread_t t = must_create(NULL, at_gate, NULL);
    pthread_t joiner = must_create(NULL, join_it, &t);
    while (!__atomic_load_n(&first_joiner, __ATOMIC_ACQUIRE))
        usleep(1000);
    wait_asleep(first_joiner);
    is(pthread_join(t, NULL), EINVAL, "a second joiner: EINVAL");
    struct timespec limit = in_ms(CLOCK_REALTIME, 100);
    is(pthread_timedjoin_np(t, NULL, &limit), EINVAL, "by timedjoin, too");
    event_set(&gate);
    is((long)(uintptr_t)must_join(joiner), 1, "the first joins it");
}

static void not_joinable(void) {
    pthread_attr_t a;
    reset_gate();
    pthread_attr_init(&a);
    pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED);
    pthread_t t = must_create(&a, at_gate, NULL);
    is(pthread_join(t, NULL), EINVAL, "join of a thread created detached: EINVAL");
    int r = pthread_tryjoin_np(t, NULL);
    ok(r == EINVAL || r == EBUSY, "tryjoin of it: EINVAL, or EBUSY as it runs");
    struct timespec limit = in_ms(CLOCK_REALTIME, 100);
    is(pthread_timedjoin_np(t, NULL, &limit), EINVAL, "timedjoin of it: EINVAL");
    is(pthread_detach(t), EINVAL, "detach of it: EINVAL");
    pthread_t u = must_create(NULL, at_gate, NULL);
    is(pthread_detach(u), 0, "detach");
    is(pthread_join(u, NULL), EINVAL, "join of a detached thread: EINVAL");
    is(pthread_detach(u), EINVAL, "detach again: EINVAL");
    event_set(&gate);
    pthread_attr_destroy(&a);
    usleep(20000);
}

/* An interrupted join goes on. */
static volatile sig_atomic_t signals;
static void on_signal(int sig) {
    (void)sig;
    signals++;
}
static void *signal_main(void *arg) {
    for (int i = 0; i < 5; i++) {
        int before = signals;
        usleep(5000);
        pthread_kill(*(pthread_t *)arg, SIGUSR1);
        while (signals == before) /* two at once would be one */
            usleep(100);
    }
    return arg;
}
static void interrupted(void) {
    struct sigaction sa = {.sa_handler = on_signal}; /* no SA_RESTART */
    pthread_t me = pthread_self();
    sigaction(SIGUSR1, &sa, NULL);
    pthread_t t = must_create(NULL, signal_main, &me);
    is(pthread_join(t, NULL), 0, "join is not interrupted by signals");
    is(signals, 5, "whose handlers ran meanwhile");
    errno = 99;
    t = must_create(NULL, signal_main, &me);
    struct timespec limit = in_ms(CLOCK_REALTIME, 10000);
    is(pthread_timedjoin_np(t, NULL, &limit), 0, "nor is timedjoin");
    is(errno, 99, "errno is untouched");
}

/* What the thread wrote is there after the join. */
static int data[1000];
static void *fill(void *arg) {
    for (int i = 0; i < 1000; i++)
        data[i] = (int)(uintptr_t)arg;
    return NULL;
}
static void visibility(void) {
    int wrong = 0;
    for (int round = 1; round <= 50; round++) {
        must_join(must_create(NULL, fill, (void *)(uintptr_t)round));
        for (int i = 0; i < 1000; i++)
            wrong += data[i] != round;
    }
    is(wrong, 0, "what a thread wrote is seen after its join");
}

/* Any thread may join any other: one that its parent left behind. */
static pthread_t grandchild;
static void *parent(void *arg) {
    grandchild = must_create(NULL, short_sleep, arg);
    return NULL;
}
static void of_others(void) {
    int x;
    must_join(must_create(NULL, parent, &x));
    ok(must_join(grandchild) == &x, "a thread can be joined by another than its creator");
}

int main(void) {
    try_and_timed();
    close_call();
    deadlocks();
    second_joiner();
    not_joinable();
    interrupted();
    visibility();
    of_others();
    return done();
}
