/* Mutexes: what each kind does when it is free, held by oneself, held by another; deadlines; errors. */
#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "clocks.h"
#include "tap.h"

static const struct timespec past = {1, 0}, before_epoch = {-1, 0};

/* Runs one call on the mutex in another thread. */
struct call {
    int (*fn)(pthread_mutex_t *);
    pthread_mutex_t *m;
    int result;
};

static void *in_thread(void *arg) {
    struct call *c = arg;
    c->result = c->fn(c->m);
    return NULL;
}

static int elsewhere(int (*fn)(pthread_mutex_t *), pthread_mutex_t *m) {
    struct call c = {fn, m, -1};
    pthread_t t;
    if (pthread_create(&t, NULL, in_thread, &c) != 0 || pthread_join(t, NULL) != 0)
        abort();
    return c.result;
}

static int try_and_release(pthread_mutex_t *m) {
    int r = pthread_mutex_trylock(m);
    if (r == 0)
        pthread_mutex_unlock(m);
    return r;
}

static int timed_past(pthread_mutex_t *m) {
    return pthread_mutex_timedlock(m, &past);
}

static int timed_before_epoch(pthread_mutex_t *m) {
    return pthread_mutex_timedlock(m, &before_epoch);
}

static int timed_soon(pthread_mutex_t *m) {
    struct timespec t = in_ms(CLOCK_REALTIME, 30);
    return pthread_mutex_timedlock(m, &t);
}

static int clock_soon(pthread_mutex_t *m) {
    struct timespec t = in_ms(CLOCK_MONOTONIC, 30);
    return pthread_mutex_clocklock(m, CLOCK_MONOTONIC, &t);
}

static int timed_invalid(pthread_mutex_t *m) {
    struct timespec t = {0, 1000000000};
    return pthread_mutex_timedlock(m, &t);
}

static int timed_negative(pthread_mutex_t *m) {
    struct timespec t = {0, -1};
    return pthread_mutex_timedlock(m, &t);
}

static int clock_invalid(pthread_mutex_t *m) {
    return pthread_mutex_clocklock(m, CLOCK_PROCESS_CPUTIME_ID, &past);
}

static void all_kinds(pthread_mutex_t *m, const char *name, int type) {
    is(pthread_mutex_lock(m), 0, "%s: lock", name);
    is(elsewhere(try_and_release, m), EBUSY, "%s: trylock by another", name);
    is(elsewhere(timed_past, m), ETIMEDOUT, "%s: timedlock by another, deadline passed", name);
    is(elsewhere(timed_before_epoch, m), ETIMEDOUT, "%s: timedlock, deadline before the epoch", name);
    is(elsewhere(timed_invalid, m), EINVAL, "%s: timedlock, nanoseconds too many", name);
    is(elsewhere(timed_negative, m), EINVAL, "%s: timedlock, nanoseconds negative", name);
    is(elsewhere(clock_invalid, m), EINVAL, "%s: clocklock, a clock of another kind", name);
    double t = seconds();
    is(elsewhere(timed_soon, m), ETIMEDOUT, "%s: timedlock by another waits", name);
    t = seconds() - t;
    ok(t > 0.029 && t < 5, "%s: ... until its deadline (%.3f s)", name, t);
    t = seconds();
    is(elsewhere(clock_soon, m), ETIMEDOUT, "%s: clocklock by another waits", name);
    t = seconds() - t;
    ok(t > 0.029 && t < 5, "%s: ... until its deadline (%.3f s)", name, t);
    switch (type) {
    case PTHREAD_MUTEX_RECURSIVE:
        is(pthread_mutex_lock(m), 0, "%s: lock again", name);
        is(pthread_mutex_trylock(m), 0, "%s: trylock again", name);
        is(timed_past(m), 0, "%s: timedlock again", name);
        is(elsewhere(pthread_mutex_unlock, m), EPERM, "%s: unlock by another", name);
        for (int i = 0; i < 3; i++)
            is(pthread_mutex_unlock(m), 0, "%s: unlock %d", name, i);
        is(elsewhere(try_and_release, m), EBUSY, "%s: still held", name);
        break;
    case PTHREAD_MUTEX_ERRORCHECK:
        is(pthread_mutex_lock(m), EDEADLK, "%s: lock again", name);
        is(pthread_mutex_trylock(m), EBUSY, "%s: trylock again", name);
        is(timed_past(m), EDEADLK, "%s: timedlock again", name);
        is(elsewhere(pthread_mutex_unlock, m), EPERM, "%s: unlock by another", name);
        break;
    default:
        is(pthread_mutex_trylock(m), EBUSY, "%s: trylock again", name);
        is(timed_soon(m), ETIMEDOUT, "%s: timedlock again", name);
        break;
    }
    is(pthread_mutex_destroy(m), EBUSY, "%s: destroy while held", name);
    is(pthread_mutex_unlock(m), 0, "%s: unlock", name);
    if (type == PTHREAD_MUTEX_RECURSIVE || type == PTHREAD_MUTEX_ERRORCHECK)
        is(pthread_mutex_unlock(m), EPERM, "%s: unlock while free", name);
    is(elsewhere(try_and_release, m), 0, "%s: free again", name);
    is(timed_past(m), 0, "%s: timedlock of a free mutex, deadline passed", name);
    is(pthread_mutex_unlock(m), 0, "%s: unlock", name);
    is(timed_invalid(m), 0, "%s: timedlock of a free mutex does not look at the deadline", name);
    is(pthread_mutex_unlock(m), 0, "%s: unlock", name);
    is(clock_invalid(m), EINVAL, "%s: clocklock of a free mutex looks at the clock", name);
    is(pthread_mutex_destroy(m), 0, "%s: destroy", name);
    is(pthread_mutex_lock(m), EINVAL, "%s: lock after destroy", name);
    is(pthread_mutex_trylock(m), EINVAL, "%s: trylock after destroy", name);
    is(timed_past(m), EINVAL, "%s: timedlock after destroy", name);
    is(pthread_mutex_unlock(m), EINVAL, "%s: unlock after destroy", name);
}

static long counter;
static pthread_mutex_t counted;

static void *count(void *arg) {
    (void)arg;
    for (int i = 0; i < 20000; i++) {
        if (pthread_mutex_lock(&counted) != 0)
            abort();
        counter++;
        if (pthread_mutex_unlock(&counted) != 0)
            abort();
    }
    return NULL;
}

static void excludes(int type, int pshared) {
    pthread_mutexattr_t a;
    pthread_mutexattr_init(&a);
    pthread_mutexattr_settype(&a, type);
    pthread_mutexattr_setpshared(&a, pshared);
    pthread_mutex_init(&counted, &a);
    counter = 0;
    pthread_t t[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&t[i], NULL, count, NULL);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    is(counter, 80000, "four threads count: type %d, pshared %d", type, pshared);
    is(pthread_mutex_destroy(&counted), 0, "... and nobody is left on the mutex");
}

int main(void) {
    static const struct {
        int type;
        const char *name;
    } kinds[] = {
        {PTHREAD_MUTEX_NORMAL, "normal"},
        {PTHREAD_MUTEX_RECURSIVE, "recursive"},
        {PTHREAD_MUTEX_ERRORCHECK, "errorcheck"},
        {PTHREAD_MUTEX_ADAPTIVE_NP, "adaptive"},
    };
    errno = 77;

    /* Before the first thread: the path without atomic operations. */
    pthread_mutex_t solo = PTHREAD_MUTEX_INITIALIZER;
    is(pthread_mutex_lock(&solo), 0, "alone: lock");
    is(pthread_mutex_trylock(&solo), EBUSY, "alone: trylock");
    is(pthread_mutex_timedlock(&solo, &past), ETIMEDOUT, "alone: timedlock");
    is(pthread_mutex_unlock(&solo), 0, "alone: unlock");
    is(pthread_mutex_lock(&solo), 0, "alone: lock, held when the first thread starts");
    is(elsewhere(try_and_release, &solo), EBUSY, "... and then");
    is(pthread_mutex_unlock(&solo), 0, "... unlock");
    is(elsewhere(try_and_release, &solo), 0, "... trylock");

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        for (int pshared = 0; pshared < 2; pshared++) {
            pthread_mutexattr_t a;
            pthread_mutexattr_init(&a);
            pthread_mutexattr_settype(&a, kinds[i].type);
            pthread_mutexattr_setpshared(&a, pshared ? PTHREAD_PROCESS_SHARED : PTHREAD_PROCESS_PRIVATE);
            pthread_mutex_t m;
            memset(&m, 0xff, sizeof m);
            is(pthread_mutex_init(&m, &a), 0, "%s: init", kinds[i].name);
            char name[64];
            snprintf(name, sizeof name, "%s%s", kinds[i].name, pshared ? ", shared" : "");
            all_kinds(&m, name, kinds[i].type);
            excludes(kinds[i].type, pshared);
        }
    }
    pthread_mutex_t n = PTHREAD_MUTEX_INITIALIZER, r = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP,
                    e = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP, a = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP, d;
    all_kinds(&n, "static", PTHREAD_MUTEX_NORMAL);
    all_kinds(&r, "static recursive", PTHREAD_MUTEX_RECURSIVE);
    all_kinds(&e, "static errorcheck", PTHREAD_MUTEX_ERRORCHECK);
    all_kinds(&a, "static adaptive", PTHREAD_MUTEX_ADAPTIVE_NP);
    is(pthread_mutex_init(&d, NULL), 0, "init without attributes");
    all_kinds(&d, "default", PTHREAD_MUTEX_DEFAULT);

    /* The counter of a recursive mutex stands at byte 4. */
    pthread_mutex_t full = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
    pthread_mutex_lock(&full);
    ((unsigned *)(void *)&full)[1] = ~0u;
    is(pthread_mutex_lock(&full), EAGAIN, "recursive: lock once too often");
    is(pthread_mutex_trylock(&full), EAGAIN, "recursive: trylock once too often");
    ((unsigned *)(void *)&full)[1] = 1;
    is(pthread_mutex_unlock(&full), 0, "recursive: unlock after that");

    int old;
    is(pthread_mutex_getprioceiling(&solo, &old), EINVAL, "getprioceiling of a mutex without one");
    is(pthread_mutex_setprioceiling(&solo, 1, &old), EINVAL, "setprioceiling of a mutex without one");
    is(pthread_mutex_consistent(&solo), EINVAL, "consistent of a mutex that is not robust");
    is(errno, 77, "errno untouched");
    return done();
}
