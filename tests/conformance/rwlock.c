/* pthread_rwlock_*: what each call answers. */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "asleep.h"
#include "clocks.h"
#include "tap.h"

/* Runs a function in another thread and gives its answer. */
struct call {
    int (*function)(pthread_rwlock_t *);
    pthread_rwlock_t *lock;
};
static void *call_body(void *arg) {
    struct call *c = arg;
    return (void *)(intptr_t)c->function(c->lock);
}
static int elsewhere(int (*function)(pthread_rwlock_t *), pthread_rwlock_t *lock) {
    struct call c = {function, lock};
    pthread_t t;
    void *r;
    pthread_create(&t, NULL, call_body, &c);
    pthread_join(t, &r);
    return (int)(intptr_t)r;
}

static int rd_10ms(pthread_rwlock_t *l) {
    struct timespec t = in_ms(CLOCK_REALTIME, 10);
    return pthread_rwlock_timedrdlock(l, &t);
}
static int wr_10ms(pthread_rwlock_t *l) {
    struct timespec t = in_ms(CLOCK_REALTIME, 10);
    return pthread_rwlock_timedwrlock(l, &t);
}
static int rd_10ms_monotonic(pthread_rwlock_t *l) {
    struct timespec t = in_ms(CLOCK_MONOTONIC, 10);
    return pthread_rwlock_clockrdlock(l, CLOCK_MONOTONIC, &t);
}
static int wr_10ms_monotonic(pthread_rwlock_t *l) {
    struct timespec t = in_ms(CLOCK_MONOTONIC, 10);
    return pthread_rwlock_clockwrlock(l, CLOCK_MONOTONIC, &t);
}
static int rd_past(pthread_rwlock_t *l) {
    struct timespec t = {-5, 0};
    return pthread_rwlock_timedrdlock(l, &t);
}
static int wr_past(pthread_rwlock_t *l) {
    struct timespec t = {0, 0};
    return pthread_rwlock_timedwrlock(l, &t);
}
static int rd_and_unlock(pthread_rwlock_t *l) {
    int r = pthread_rwlock_tryrdlock(l);
    return r ? r : pthread_rwlock_unlock(l);
}
static int wr_and_unlock(pthread_rwlock_t *l) {
    int r = pthread_rwlock_trywrlock(l);
    return r ? r : pthread_rwlock_unlock(l);
}

static void basics(pthread_rwlock_t *l, const char *what) {
    is(pthread_rwlock_rdlock(l), 0, "%s: rdlock", what);
    is(pthread_rwlock_rdlock(l), 0, "%s: again", what);
    is(pthread_rwlock_tryrdlock(l), 0, "%s: and again", what);
    is(elsewhere(rd_and_unlock, l), 0, "%s: another reader gets in", what);
    is(pthread_rwlock_trywrlock(l), EBUSY, "%s: the reader cannot write", what);
    is(elsewhere(pthread_rwlock_trywrlock, l), EBUSY, "%s: nor can another thread", what);
    is(elsewhere(wr_10ms, l), ETIMEDOUT, "%s: nor by waiting", what);
    is(elsewhere(wr_10ms_monotonic, l), ETIMEDOUT, "%s: nor on the other clock", what);
    is(elsewhere(wr_past, l), ETIMEDOUT, "%s: a deadline that has passed", what);
    is(elsewhere(rd_and_unlock, l), 0, "%s: readers still get in", what);
    is(pthread_rwlock_unlock(l), 0, "%s: unlock", what);
    is(pthread_rwlock_unlock(l), 0, "%s: unlock", what);
    is(elsewhere(pthread_rwlock_trywrlock, l), EBUSY, "%s: one hold is left", what);
    is(pthread_rwlock_unlock(l), 0, "%s: the last unlock", what);

    is(elsewhere(wr_and_unlock, l), 0, "%s: now it is free", what);
    is(pthread_rwlock_wrlock(l), 0, "%s: wrlock", what);
    is(pthread_rwlock_wrlock(l), EDEADLK, "%s: again", what);
    is(pthread_rwlock_rdlock(l), EDEADLK, "%s: or for reading", what);
    is(wr_10ms(l), EDEADLK, "%s: or with a deadline", what);
    is(rd_10ms(l), EDEADLK, "%s: or both", what);
    is(wr_10ms_monotonic(l), EDEADLK, "%s: or on the other clock", what);
    is(pthread_rwlock_trywrlock(l), EBUSY, "%s: a try is busy", what);
    is(pthread_rwlock_tryrdlock(l), EBUSY, "%s: a try is busy", what);
    is(elsewhere(pthread_rwlock_tryrdlock, l), EBUSY, "%s: in another thread too", what);
    is(elsewhere(rd_10ms, l), ETIMEDOUT, "%s: readers time out", what);
    is(elsewhere(rd_10ms_monotonic, l), ETIMEDOUT, "%s: readers time out on the other clock", what);
    is(elsewhere(rd_past, l), ETIMEDOUT, "%s: a deadline before the epoch", what);
    is(elsewhere(wr_10ms, l), ETIMEDOUT, "%s: writers time out", what);
    is(pthread_rwlock_unlock(l), 0, "%s: unlock", what);
    is(elsewhere(rd_and_unlock, l), 0, "%s: free for readers", what);
    is(elsewhere(wr_and_unlock, l), 0, "%s: free for writers", what);
    is(wr_past(l), 0, "%s: a past deadline does not matter when it is free", what);
    is(pthread_rwlock_unlock(l), 0, "%s: unlock", what);
    is(pthread_rwlock_destroy(l), 0, "%s: destroy", what);
}

static void bad_input(void) {
    pthread_rwlock_t l = PTHREAD_RWLOCK_INITIALIZER;
    static const struct timespec bad[] = {{0, -1}, {0, 1000000000}, {1L << 40, 1L << 40}};
    errno = 12345;
    for (int i = 0; i < 3; i++) {
        is(pthread_rwlock_timedrdlock(&l, &bad[i]), EINVAL, "timedrdlock, bad nanoseconds %d", i);
        is(pthread_rwlock_timedwrlock(&l, &bad[i]), EINVAL, "timedwrlock, bad nanoseconds %d", i);
        is(pthread_rwlock_clockrdlock(&l, CLOCK_MONOTONIC, &bad[i]), EINVAL, "clockrdlock, bad nanoseconds %d",
           i);
        is(pthread_rwlock_clockwrlock(&l, CLOCK_REALTIME, &bad[i]), EINVAL, "clockwrlock, bad nanoseconds %d",
           i);
    }
    struct timespec t = in_ms(CLOCK_REALTIME, 1000);
    is(pthread_rwlock_clockrdlock(&l, CLOCK_PROCESS_CPUTIME_ID, &t), EINVAL, "clockrdlock, bad clock");
    is(pthread_rwlock_clockwrlock(&l, CLOCK_PROCESS_CPUTIME_ID, &t), EINVAL, "clockwrlock, bad clock");
    is(pthread_rwlock_clockwrlock(&l, 77, &t), EINVAL, "clockwrlock, no clock");

    pthread_rwlockattr_t attr;
    int v;
    is(pthread_rwlockattr_init(&attr), 0, "attr init");
    is(pthread_rwlockattr_getkind_np(&attr, &v), 0, "getkind");
    is(v, PTHREAD_RWLOCK_DEFAULT_NP, "default kind");
    is(pthread_rwlockattr_getpshared(&attr, &v), 0, "getpshared");
    is(v, PTHREAD_PROCESS_PRIVATE, "private");
    is(pthread_rwlockattr_setkind_np(&attr, -1), EINVAL, "kind -1");
    is(pthread_rwlockattr_setkind_np(&attr, 3), EINVAL, "kind 3");
    is(pthread_rwlockattr_setpshared(&attr, 2), EINVAL, "pshared 2");
    is(pthread_rwlockattr_setpshared(&attr, -1), EINVAL, "pshared -1");
    is(pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP), 0, "set kind");
    is(pthread_rwlockattr_setpshared(&attr, PTHREAD_PROCESS_SHARED), 0, "set shared");
    pthread_rwlockattr_getkind_np(&attr, &v);
    is(v, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP, "kind kept");
    pthread_rwlockattr_getpshared(&attr, &v);
    is(v, PTHREAD_PROCESS_SHARED, "pshared kept");
    pthread_rwlock_init(&l, &attr);
    is(((int *)&l)[12], 2, "the lock has the kind at byte 48");
    is(((int *)&l)[7], 1, "and pshared at byte 28");
    is(pthread_rwlockattr_destroy(&attr), 0, "attr destroy");
    is(errno, 12345, "errno is left alone");
}

/* A reader that comes while another reads and a writer waits. */
static pthread_rwlock_t contended;
static sem_t writer_began;
static int writer; /* its id in the kernel */
static void *write_once(void *arg) {
    writer = (int)syscall(SYS_gettid);
    sem_post(&writer_began);
    int r = pthread_rwlock_wrlock(&contended);
    if (r == 0)
        r = pthread_rwlock_unlock(&contended);
    return (void *)(intptr_t)(r + 0 * (arg != NULL));
}
static void preference(int kind, int want, const char *what) {
    pthread_rwlockattr_t attr;
    pthread_t w;
    void *r;
    pthread_rwlockattr_init(&attr);
    pthread_rwlockattr_setkind_np(&attr, kind);
    pthread_rwlock_init(&contended, &attr);
    pthread_rwlock_rdlock(&contended);
    sem_init(&writer_began, 0, 0);
    pthread_create(&w, NULL, write_once, NULL);
    sem_wait(&writer_began);
    ok(wait_asleep(writer), "%s: the writer waits", what);
    int got = elsewhere(rd_10ms, &contended);
    is(got, want, "%s: a reader that comes while a writer waits", what);
    if (got == 0)
        pthread_rwlock_unlock(&contended);
    pthread_rwlock_unlock(&contended);
    pthread_join(w, &r);
    is((long)r, 0, "%s: the writer got it", what);
    /* A writer that gives up lets them in again. */
    pthread_rwlock_rdlock(&contended);
    is(elsewhere(wr_10ms, &contended), ETIMEDOUT, "%s: a writer gives up", what);
    is(elsewhere(rd_and_unlock, &contended), 0, "%s: and readers get in again", what);
    pthread_rwlock_unlock(&contended);
    pthread_rwlock_destroy(&contended);
}

/* A reader that waits behind a waiting writer that gives up gets in then. */
static void *wr_300ms(void *arg) {
    struct timespec t = in_ms(CLOCK_REALTIME, 300);
    return (void *)(intptr_t)(pthread_rwlock_timedwrlock(&contended, &t) + 0 * (arg != NULL));
}
static void *rd_forever(void *arg) {
    double from = seconds();
    int r = pthread_rwlock_rdlock(&contended);
    *(double *)arg = seconds() - from;
    pthread_rwlock_unlock(&contended);
    return (void *)(intptr_t)r;
}
static void given_up(void) {
    pthread_rwlockattr_t attr;
    pthread_t w, rd;
    void *r;
    double waited = 0;
    pthread_rwlockattr_init(&attr);
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&contended, &attr);
    pthread_rwlock_rdlock(&contended);
    pthread_create(&w, NULL, wr_300ms, NULL);
    usleep(100000);
    pthread_create(&rd, NULL, rd_forever, &waited);
    pthread_join(rd, &r);
    is((long)r, 0, "a reader gets in when the writer before it gives up");
    pthread_join(w, &r);
    is((long)r, ETIMEDOUT, "which it did");
    pthread_rwlock_unlock(&contended);
    is(pthread_rwlock_trywrlock(&contended), 0, "nobody is left");
}

static void handler(int sig) {
    (void)sig;
}
static void *hold_write(void *arg) {
    pthread_rwlock_wrlock(&contended);
    usleep(200000);
    pthread_rwlock_unlock(&contended);
    return arg;
}
static void *read_through_signals(void *arg) {
    (void)arg;
    int r = pthread_rwlock_rdlock(&contended);
    pthread_rwlock_unlock(&contended);
    return (void *)(intptr_t)r;
}
static void signals(void) {
    struct sigaction sa = {.sa_handler = handler};
    sigaction(SIGUSR1, &sa, NULL);
    pthread_rwlock_init(&contended, NULL);
    pthread_t w, rd;
    void *r;
    pthread_create(&w, NULL, hold_write, NULL);
    usleep(50000);
    pthread_create(&rd, NULL, read_through_signals, NULL);
    for (int i = 0; i < 5; i++) {
        usleep(10000);
        pthread_kill(rd, SIGUSR1);
    }
    pthread_join(rd, &r);
    is((long)r, 0, "a signal handler does not end a rdlock");
    pthread_join(w, NULL);
}

static void between_processes(void) {
    struct {
        pthread_rwlock_t lock;
        volatile int turns;
    } *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_rwlockattr_t attr;
    pthread_rwlockattr_init(&attr);
    pthread_rwlockattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_rwlock_init(&shared->lock, &attr);
    pid_t child = fork();
    for (int i = 0; i < 20000; i++) {
        pthread_rwlock_wrlock(&shared->lock);
        shared->turns++;
        pthread_rwlock_unlock(&shared->lock);
        pthread_rwlock_rdlock(&shared->lock);
        pthread_rwlock_unlock(&shared->lock);
    }
    if (child == 0)
        _exit(0);
    int status;
    waitpid(child, &status, 0);
    is(shared->turns, 40000, "two processes write under one lock");
    munmap(shared, 4096);
}

/* A lock that is held for reading at a fork by a thread that the child lacks, and is made anew there. */
static pthread_rwlock_t remade;
static pthread_barrier_t two;
static void *hold_read(void *arg) {
    for (int i = 0; i < 1000; i++) {
        pthread_rwlock_rdlock(&remade);
        sched_yield();
        pthread_rwlock_unlock(&remade);
    }
    pthread_rwlock_rdlock(&remade);
    pthread_barrier_wait(&two);
    pthread_barrier_wait(&two);
    pthread_rwlock_unlock(&remade);
    return arg;
}
static void fork_and_make_anew(void) {
    pthread_t t[2];
    pthread_rwlock_init(&remade, NULL);
    pthread_barrier_init(&two, NULL, 3);
    for (int i = 0; i < 2; i++)
        pthread_create(&t[i], NULL, hold_read, NULL);
    pthread_barrier_wait(&two);
    pid_t child = fork();
    if (child == 0) {
        alarm(10);
        pthread_rwlock_init(&remade, NULL);
        _exit(pthread_rwlock_wrlock(&remade) || pthread_rwlock_unlock(&remade));
    }
    int status;
    waitpid(child, &status, 0);
    is(status, 0, "a child makes a lock anew that was held");
    is(pthread_rwlock_trywrlock(&remade), EBUSY, "in the parent it is held still");
    pthread_barrier_wait(&two);
    for (int i = 0; i < 2; i++)
        pthread_join(t[i], NULL);
    is(pthread_rwlock_trywrlock(&remade), 0, "until it is dropped");
    is(pthread_rwlock_unlock(&remade), 0, "unlock");
}

/* The next owner may destroy the lock and release its memory. */
static pthread_rwlock_t *volatile passed;
static void *use_and_destroy(void *arg) {
    pthread_rwlock_wrlock(passed);
    pthread_rwlock_unlock(passed);
    pthread_rwlock_destroy(passed);
    munmap((void *)passed, 4096);
    return arg;
}
static void destroyed_by_the_next(void) {
    for (int i = 0; i < 200; i++) {
        passed = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        pthread_rwlock_init(passed, NULL);
        pthread_t t;
        if (i % 2)
            pthread_rwlock_wrlock(passed);
        else
            pthread_rwlock_rdlock(passed);
        pthread_create(&t, NULL, use_and_destroy, NULL);
        if (i % 4 < 2)
            usleep(200);
        pthread_rwlock_unlock(passed);
        pthread_join(t, NULL);
    }
    ok(1, "a lock is destroyed by its next owner");
}

int main(void) {
    pthread_rwlock_t zero = PTHREAD_RWLOCK_INITIALIZER, made;
    pthread_rwlock_t nonrecursive = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;
    pthread_rwlockattr_t shared;
    basics(&zero, "static");
    is(pthread_rwlock_init(&made, NULL), 0, "init");
    basics(&made, "made");
    pthread_rwlockattr_init(&shared);
    pthread_rwlockattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
    pthread_rwlock_init(&made, &shared);
    basics(&made, "shared");
    basics(&nonrecursive, "prefers writers");
    bad_input();
    preference(PTHREAD_RWLOCK_PREFER_READER_NP, 0, "prefer readers");
    preference(PTHREAD_RWLOCK_PREFER_WRITER_NP, 0, "prefer writers, but recursive");
    preference(PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP, ETIMEDOUT, "prefer writers");
    given_up();
    signals();
    between_processes();
    fork_and_make_anew();
    destroyed_by_the_next();
    return done();
}
