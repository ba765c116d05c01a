/* not under: asan */ /* a child of a fork may find the tool's allocator locked */
/* timeout: 120 */
/*
 * Threads that begin and end in every way at random moments: joined, timed-joined, detached before and after
 * their end, signalled, exiting from deep frames, creating others, with random delays; while another thread
 * forks.  Every thread's result arrives, every `__thread` variable is fresh, and nothing is left in the end.
 */
#include "random.h"
#include "tap.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <sys/wait.h>
#include <time.h>

enum { CREATORS = 4, ALIVE = 24 };

static __thread int fresh = 7;
static unsigned long created, ended, wrong, signals, forks;
static int stop;

static void delay(unsigned *seed) {
    unsigned r = random_next(seed) % 16;
    if (r < 8)
        return;
    if (r < 12)
        for (volatile unsigned i = random_next(seed) % 500; i > 0; i--)
            ;
    else if (r < 15)
        sched_yield();
    else
        usleep(random_next(seed) % 200);
}

static void on_signal(int sig) {
    (void)sig;
    __sync_add_and_fetch(&signals, 1);
}

/* So that the compiler takes the recursion for one that ends. */
static void (*volatile leave)(void *) = pthread_exit;

static void leave_from(int depth, void *result) {
    volatile char frame[100];
    frame[0] = (char)depth;
    if (depth > 0)
        leave_from(depth - 1, result);
    else
        leave(result);
    frame[1] = frame[0];
}

static void *body(void *arg) {
    unsigned seed = (unsigned)(uintptr_t)arg;
    if (fresh != 7 || errno != 0)
        __sync_add_and_fetch(&wrong, 1);
    fresh = (int)seed;
    errno = EIO;
    delay(&seed);
    if (fresh != (int)(unsigned)(uintptr_t)arg)
        __sync_add_and_fetch(&wrong, 1);
    __sync_add_and_fetch(&ended, 1);
    if (random_next(&seed) % 4 == 0)
        leave_from((int)(random_next(&seed) % 20), arg);
    return arg;
}

static void join_checked(pthread_t t, uintptr_t want, unsigned *seed) {
    void *result = NULL;
    int err;
    if (random_next(seed) % 3 == 0) {
        do {
            struct timespec deadline;
            clock_gettime(CLOCK_MONOTONIC, &deadline);
            deadline.tv_nsec += random_next(seed) % 20000;
            if (deadline.tv_nsec >= 1000000000)
                deadline.tv_nsec -= 1000000000, deadline.tv_sec++;
            err = pthread_clockjoin_np(t, &result, CLOCK_MONOTONIC, &deadline);
        } while (err == ETIMEDOUT);
    } else if (random_next(seed) % 3 == 0) {
        while ((err = pthread_tryjoin_np(t, &result)) == EBUSY)
            sched_yield();
    } else {
        err = pthread_join(t, &result);
    }
    if (err || (uintptr_t)result != want)
        __sync_add_and_fetch(&wrong, 1);
}

static void *creator(void *arg) {
    unsigned seed = (unsigned)(uintptr_t)arg;
    pthread_t alive[ALIVE];
    uintptr_t value[ALIVE];
    int n = 0;
    pthread_attr_t detached, small;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 64 << 10);
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        pthread_t t;
        uintptr_t v = random_next(&seed) | 1;
        unsigned how = random_next(&seed) % 8;
        int err = pthread_create(&t, how == 0 ? &detached : how < 3 ? &small : NULL, body, (void *)v);
        if (err) {
            __sync_add_and_fetch(&wrong, err != EAGAIN);
            continue;
        }
        __sync_add_and_fetch(&created, 1);
        delay(&seed);
        if (how == 0)
            continue;
        if (how == 1) {
            if (pthread_detach(t))
                __sync_add_and_fetch(&wrong, 1);
            continue;
        }
        if (how == 2 && pthread_kill(t, SIGUSR1))
            __sync_add_and_fetch(&wrong, 1);
        alive[n] = t;
        value[n++] = v;
        while (n == ALIVE || (n > 0 && random_next(&seed) % 3 == 0)) {
            int i = (int)(random_next(&seed) % (unsigned)n);
            join_checked(alive[i], value[i], &seed);
            alive[i] = alive[--n];
            value[i] = value[n];
        }
    }
    while (n-- > 0)
        join_checked(alive[n], value[n], &seed);
    pthread_attr_destroy(&detached);
    pthread_attr_destroy(&small);
    return NULL;
}

static void *forker(void *arg) {
    unsigned seed = 99;
    (void)arg;
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        pid_t pid = fork();
        if (pid == 0) {
            alarm(20);
            int bad = 0;
            for (uintptr_t i = 1; i < 8; i++) {
                pthread_t t;
                void *result = NULL;
                if (pthread_create(&t, NULL, body, (void *)i) || pthread_join(t, &result) ||
                    (uintptr_t)result != i)
                    bad = 1;
            }
            _exit(bad || wrong);
        }
        int status = -1;
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
        if (status != 0)
            __sync_add_and_fetch(&wrong, 1);
        __sync_add_and_fetch(&forks, 1);
        usleep(1000 + random_next(&seed) % 3000);
    }
    return NULL;
}

int main(void) {
    struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &sa, NULL);
    pthread_t t[CREATORS], f;
    for (int i = 0; i < CREATORS; i++)
        pthread_create(&t[i], NULL, creator, (void *)(uintptr_t)(i + 1000));
    pthread_create(&f, NULL, forker, NULL);
    double seconds = 4 * scale();
    struct timespec nap = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    while (nanosleep(&nap, &nap) < 0 && errno == EINTR)
        ;
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < CREATORS; i++)
        pthread_join(t[i], NULL);
    pthread_join(f, NULL);
    for (int i = 0; i < 500 && __atomic_load_n(&ended, __ATOMIC_ACQUIRE) != created; i++)
        usleep(10000);
    is((long)wrong, 0, "every thread was fresh and every result arrived");
    is((long)ended, (long)created, "every thread that was created has run (%lu, %lu forks, %lu signals)",
       created, forks, signals);
    ok(created > 100 && forks > 3, "there was something to see");
    return done();
}
