/* Condition variables: waits and what ends them, deadlines on both clocks, errors, reuse of the memory. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <time.h>

#include "clocks.h"
#include "tap.h"

static const struct timespec past = {1, 0}, before_epoch = {-1, 0};

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t *c;
static int waiting, tickets, woken;

/* Waits for a ticket; a deadline far away turns a lost wake-up into a failure that says so. */
static void *taker(void *arg) {
    struct timespec t = in_ms(CLOCK_REALTIME, 20000);
    (void)arg;
    pthread_mutex_lock(&m);
    waiting++;
    int r = 0;
    while (tickets == 0 && r == 0)
        r = pthread_cond_timedwait(c, &m, &t);
    if (r == 0) {
        tickets--;
        woken++;
    }
    waiting--;
    pthread_mutex_unlock(&m);
    return (void *)(long)r;
}

/* Returns with the mutex held, when n threads wait. */
static void lock_when_waiting(int n) {
    for (;;) {
        pthread_mutex_lock(&m);
        if (waiting == n)
            return;
        pthread_mutex_unlock(&m);
        sched_yield();
    }
}

static void signals(const char *name, pthread_cond_t *cond) {
    enum { N = 6 };
    pthread_t t[N];
    void *r;
    c = cond;
    woken = waiting = tickets = 0;
    for (int i = 0; i < N; i++)
        pthread_create(&t[i], NULL, taker, NULL);
    lock_when_waiting(N);
    tickets = 1;
    is(pthread_cond_signal(c), 0, "%s: signal, mutex held", name);
    pthread_mutex_unlock(&m);
    lock_when_waiting(N - 1);
    is(woken, 1, "%s: one woke", name);
    tickets = 1;
    pthread_mutex_unlock(&m);
    is(pthread_cond_signal(c), 0, "%s: signal, mutex free", name);
    lock_when_waiting(N - 2);
    is(woken, 2, "%s: one woke", name);
    tickets = N - 2;
    is(pthread_cond_broadcast(c), 0, "%s: broadcast", name);
    pthread_mutex_unlock(&m);
    int late = 0;
    for (int i = 0; i < N; i++)
        late += (pthread_join(t[i], &r), r != NULL);
    is(late, 0, "%s: nobody was left", name);

    /* Two rounds of broadcast with the mutex free. */
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < N; i++)
            pthread_create(&t[i], NULL, taker, NULL);
        lock_when_waiting(N);
        tickets = N;
        pthread_mutex_unlock(&m);
        pthread_cond_broadcast(c);
        for (int i = 0; i < N; i++)
            late += (pthread_join(t[i], &r), r != NULL);
        is(late, 0, "%s: broadcast, mutex free", name);
    }

    pthread_mutex_lock(&m);
    pthread_cond_signal(c);
    pthread_cond_broadcast(c);
    is(pthread_cond_timedwait(c, &m, &past), ETIMEDOUT, "%s: a signal to nobody is not kept", name);
    pthread_mutex_unlock(&m);
}

static void deadlines(const char *name, pthread_cond_t *cond, clockid_t clock) {
    struct timespec t = in_ms(clock, 30), bad1 = {0, 1000000000}, bad2 = {0, -1};
    pthread_mutex_lock(&m);
    double start = seconds();
    is(pthread_cond_timedwait(cond, &m, &t), ETIMEDOUT, "%s: timedwait", name);
    ok(seconds() - start > 0.029, "%s: ... not before its deadline", name);
    is(pthread_mutex_trylock(&m), EBUSY, "%s: ... with the mutex held", name);
    for (clockid_t other = CLOCK_REALTIME; other <= CLOCK_MONOTONIC; other++) {
        t = in_ms(other, 30);
        start = seconds();
        is(pthread_cond_clockwait(cond, &m, other, &t), ETIMEDOUT, "%s: clockwait, clock %d", name, other);
        ok(seconds() - start > 0.029 && seconds() - start < 5, "%s: ... at its deadline", name);
    }
    is(pthread_cond_timedwait(cond, &m, &past), ETIMEDOUT, "%s: deadline passed", name);
    is(pthread_cond_timedwait(cond, &m, &before_epoch), ETIMEDOUT, "%s: deadline before the epoch", name);
    is(pthread_cond_timedwait(cond, &m, &bad1), EINVAL, "%s: nanoseconds too many", name);
    is(pthread_cond_timedwait(cond, &m, &bad2), EINVAL, "%s: nanoseconds negative", name);
    is(pthread_cond_clockwait(cond, &m, CLOCK_MONOTONIC, &bad1), EINVAL, "%s: clockwait, nanoseconds", name);
    is(pthread_cond_clockwait(cond, &m, CLOCK_BOOTTIME, &past), EINVAL, "%s: clockwait, another clock", name);
    pthread_mutex_unlock(&m);
}

static void owners(int type) {
    pthread_mutexattr_t a;
    pthread_mutex_t e;
    pthread_cond_t x = PTHREAD_COND_INITIALIZER;
    pthread_mutexattr_init(&a);
    pthread_mutexattr_settype(&a, type);
    pthread_mutex_init(&e, &a);
    is(pthread_cond_timedwait(&x, &e, &past), EPERM, "type %d: wait without the mutex", type);
    is(pthread_cond_clockwait(&x, &e, CLOCK_MONOTONIC, &past), EPERM, "type %d: clockwait without it", type);
    is(pthread_cond_wait(&x, &e), EPERM, "type %d: wait without deadline", type);
    pthread_mutex_lock(&e);
    is(pthread_cond_timedwait(&x, &e, &past), ETIMEDOUT, "type %d: with the mutex", type);
    is(pthread_mutex_unlock(&e), 0, "type %d: which is held once", type);
    is(pthread_mutex_unlock(&e), EPERM, "type %d: and no more", type);
    is(pthread_cond_destroy(&x), 0, "type %d: destroy", type);
}

/* A thread that begins to wait after a signal must not take it from one that waited before. */
static int first_woken;

static void *first(void *arg) {
    (void)arg;
    pthread_mutex_lock(&m);
    waiting = 1;
    while (tickets == 0)
        pthread_cond_wait(c, &m);
    first_woken = 1;
    pthread_mutex_unlock(&m);
    return NULL;
}

static void *later(void *arg) {
    struct timespec t = in_ms(CLOCK_REALTIME, 10000);
    (void)arg;
    pthread_mutex_lock(&m);
    int r = 0;
    while (!first_woken && r == 0)
        r = pthread_cond_timedwait(c, &m, &t);
    pthread_mutex_unlock(&m);
    return (void *)(long)r;
}

static void no_stealing(pthread_cond_t *cond) {
    int stolen = 0;
    c = cond;
    for (int i = 0; i < 200 && !stolen; i++) {
        pthread_t a, b;
        first_woken = waiting = tickets = 0;
        pthread_create(&a, NULL, first, NULL);
        lock_when_waiting(1);
        tickets = 1;
        pthread_mutex_unlock(&m);
        pthread_cond_signal(c);
        pthread_create(&b, NULL, later, NULL);
        struct timespec t = in_ms(CLOCK_REALTIME, 10000);
        if (pthread_timedjoin_np(a, NULL, &t) != 0) {
            stolen = 1;
            pthread_cond_broadcast(c);
            pthread_join(a, NULL);
        }
        lock_when_waiting(1);
        pthread_mutex_unlock(&m);
        pthread_cond_broadcast(c);
        pthread_join(b, NULL);
    }
    is(stolen, 0, "a later waiter does not steal the signal");
}

/* POSIX: safe to destroy, and to use the memory for something else, as soon as all waiters have been woken. */
static void destroy_after_broadcast(int pshared) {
    enum { N = 4 };
    pthread_condattr_t a;
    pthread_condattr_init(&a);
    pthread_condattr_setpshared(&a, pshared);
    for (int i = 0; i < 100; i++) {
        pthread_t t[N];
        long late = 0;
        void *r;
        pthread_cond_t *x = malloc(sizeof *x);
        pthread_cond_init(x, &a);
        c = x;
        woken = waiting = tickets = 0;
        for (int j = 0; j < N; j++)
            pthread_create(&t[j], NULL, taker, NULL);
        lock_when_waiting(N);
        tickets = N;
        pthread_cond_broadcast(x);
        int d = pthread_cond_destroy(x);
        memset(x, 0xa5, sizeof *x);
        free(x);
        pthread_mutex_unlock(&m);
        for (int j = 0; j < N; j++)
            late += (pthread_join(t[j], &r), (long)r);
        if (d != 0 || late != 0 || i == 99)
            ok(d == 0 && late == 0, "destroy after broadcast, pshared %d: %d, %ld", pshared, d, late);
    }
}

int main(void) {
    errno = 77;
    static pthread_cond_t zero;
    pthread_cond_t plain = PTHREAD_COND_INITIALIZER, mono, shared;
    pthread_condattr_t a;
    pthread_condattr_init(&a);
    pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    memset(&mono, 0xff, sizeof mono);
    is(pthread_cond_init(&mono, &a), 0, "init, monotonic clock");
    pthread_condattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
    memset(&shared, 0xff, sizeof shared);
    is(pthread_cond_init(&shared, &a), 0, "init, shared");
    signals("all zero", &zero);
    signals("plain", &plain);
    signals("monotonic", &mono);
    signals("shared", &shared);
    no_stealing(&plain);
    no_stealing(&shared);
    deadlines("plain", &plain, CLOCK_REALTIME);
    deadlines("monotonic", &mono, CLOCK_MONOTONIC);
    deadlines("shared", &shared, CLOCK_MONOTONIC);
    owners(PTHREAD_MUTEX_ERRORCHECK);
    owners(PTHREAD_MUTEX_RECURSIVE);

    c = &plain;
    waiting = tickets = 0;
    pthread_t t;
    pthread_create(&t, NULL, taker, NULL);
    lock_when_waiting(1);
    pthread_mutex_unlock(&m);
    is(pthread_mutex_destroy(&m), EBUSY, "a mutex that a waiter will come back to is in use");
    lock_when_waiting(1);
    tickets = 1;
    pthread_cond_signal(c);
    pthread_mutex_unlock(&m);
    pthread_join(t, NULL);

    destroy_after_broadcast(0);
    destroy_after_broadcast(1);
    is(pthread_cond_destroy(&zero), 0, "destroy");
    is(pthread_cond_destroy(&shared), 0, "destroy, shared");
    is(pthread_cond_init(&plain, NULL), 0, "init again");
    is(errno, 77, "errno untouched");
    return done();
}
