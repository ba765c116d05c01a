/* sem_*: what each call answers; the libc's layout; cancellation, signals, other processes, destruction. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "clocks.h"
#include "tap.h"

/* -1 and errno as one number. */
static int answer(int r) {
    return r == -1 ? errno : r;
}

static int value(sem_t *s) {
    int v = -1;
    sem_getvalue(s, &v);
    return v;
}

static void basics(void) {
    sem_t s;
    is(sem_init(&s, 0, 2), 0, "init");
    is(value(&s), 2, "value");
    is(sem_wait(&s), 0, "wait");
    is(sem_trywait(&s), 0, "trywait");
    is(value(&s), 0, "nothing left");
    is(answer(sem_trywait(&s)), EAGAIN, "trywait of nothing");
    struct timespec t = in_ms(CLOCK_REALTIME, 20);
    is(answer(sem_timedwait(&s, &t)), ETIMEDOUT, "timedwait");
    t = in_ms(CLOCK_MONOTONIC, 20);
    is(answer(sem_clockwait(&s, CLOCK_MONOTONIC, &t)), ETIMEDOUT, "clockwait, monotonic");
    t = in_ms(CLOCK_REALTIME, 20);
    is(answer(sem_clockwait(&s, CLOCK_REALTIME, &t)), ETIMEDOUT, "clockwait, real time");
    t = (struct timespec){-1, 0};
    is(answer(sem_timedwait(&s, &t)), ETIMEDOUT, "a deadline before the epoch");
    is(((uint64_t *)&s)[0], 0, "nobody is counted as waiting");
    is(sem_post(&s), 0, "post");
    is(sem_timedwait(&s, &t), 0, "a past deadline does not matter when there is something");
    is(sem_destroy(&s), 0, "destroy");
}

static void bad_input(void) {
    sem_t s;
    is(answer(sem_init(&s, 0, (unsigned)SEM_VALUE_MAX + 1)), EINVAL, "init beyond SEM_VALUE_MAX");
    is(sem_init(&s, 0, SEM_VALUE_MAX), 0, "init with SEM_VALUE_MAX");
    is(answer(sem_post(&s)), EOVERFLOW, "post at SEM_VALUE_MAX");
    is(value(&s), SEM_VALUE_MAX, "changes nothing");
    static const struct timespec bad[] = {{0, -1}, {0, 1000000000}};
    for (int i = 0; i < 2; i++) {
        is(answer(sem_timedwait(&s, &bad[i])), EINVAL, "timedwait, bad nanoseconds");
        is(answer(sem_clockwait(&s, CLOCK_MONOTONIC, &bad[i])), EINVAL, "clockwait, bad nanoseconds");
    }
    struct timespec t = in_ms(CLOCK_REALTIME, 100);
    is(answer(sem_clockwait(&s, CLOCK_PROCESS_CPUTIME_ID, &t)), EINVAL, "clockwait, bad clock");
    is(answer(sem_close(&s)), EINVAL, "close of one that is not named");
}

static void layout(void) {
    union {
        sem_t s;
        uint32_t word[8];
    } u;
    memset(&u, 0xee, sizeof u);
    sem_init(&u.s, 0, 7);
    ok(u.word[0] == 7 && u.word[1] == 0 && u.word[2] == 0, "private: value, waiters, flag");
    sem_init(&u.s, 1, 9);
    ok(u.word[0] == 9 && u.word[1] == 0 && u.word[2] == 128, "shared: value, waiters, flag");
}

static sem_t sem;
static void *wait_body(void *arg) {
    int r = answer(sem_wait(&sem));
    (void)arg;
    return (void *)(intptr_t)r;
}

static void wait_for_waiter(void) {
    while (((volatile uint32_t *)&sem)[1] == 0)
        usleep(1000);
}

static void handler(int sig) {
    (void)sig;
}
static void post_handler(int sig) {
    (void)sig;
    sem_post(&sem);
}

static void cancel_and_signals(void) {
    pthread_t t;
    void *r;
    sem_init(&sem, 0, 0);
    pthread_create(&t, NULL, wait_body, NULL);
    wait_for_waiter();
    pthread_cancel(t);
    pthread_join(t, &r);
    ok(r == PTHREAD_CANCELED, "sem_wait is a cancellation point");
    is(((uint32_t *)&sem)[1], 0, "a cancelled waiter is not counted any more");
    sem_post(&sem);
    is(value(&sem), 1, "it took nothing");

    pthread_create(&t, NULL, wait_body, NULL);
    pthread_join(t, &r);
    is((long)r, 0, "the next one takes it");

    struct sigaction sa = {.sa_handler = handler};
    sigaction(SIGUSR1, &sa, NULL);
    pthread_create(&t, NULL, wait_body, NULL);
    wait_for_waiter();
    do { /* one that comes when it is counted, but does not sleep yet, ends nothing */
        pthread_kill(t, SIGUSR1);
        usleep(20000);
    } while (pthread_tryjoin_np(t, &r) == EBUSY);
    is((long)r, EINTR, "a signal handler ends sem_wait");

    sa.sa_handler = post_handler;
    sa.sa_flags = SA_RESTART;
    sigaction(SIGUSR1, &sa, NULL);
    pthread_create(&t, NULL, wait_body, NULL);
    wait_for_waiter();
    usleep(20000);
    pthread_kill(t, SIGUSR1);
    pthread_join(t, &r);
    ok((long)r == 0 || (long)r == EINTR, "post from a handler of the waiter itself");
    if ((long)r == EINTR)
        sem_trywait(&sem);
    is(value(&sem), 0, "nothing is left");
}

static void *cancelled_before(void *arg) {
    sem_t one;
    sem_init(&one, 0, 1);
    pthread_cancel(pthread_self());
    sem_wait(&one);
    return arg;
}

static void between_processes(void) {
    sem_t *s = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    sem_init(&s[0], 1, 0);
    sem_init(&s[1], 1, 0);
    pid_t child = fork();
    int bad = 0;
    for (int i = 0; i < 2000; i++) {
        if (child == 0) {
            bad |= sem_wait(&s[0]);
            bad |= sem_post(&s[1]);
        } else {
            bad |= sem_post(&s[0]);
            bad |= sem_wait(&s[1]);
        }
    }
    if (child == 0)
        _exit(bad != 0);
    int status;
    waitpid(child, &status, 0);
    ok(bad == 0 && status == 0, "two processes take turns");
    munmap(s, 4096);
}

/* Who waits for the last post may release the memory. */
static sem_t *volatile passed;
static void *post_it(void *arg) {
    sem_post(passed);
    return arg;
}
static void destroyed_by_the_waiter(void) {
    for (int i = 0; i < 200; i++) {
        passed = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        sem_init(passed, 0, 0);
        pthread_t t;
        pthread_create(&t, NULL, post_it, NULL);
        if (sem_wait(passed) != 0)
            ok(0, "wait");
        sem_destroy(passed);
        munmap((void *)passed, 4096);
        pthread_join(t, NULL);
    }
    ok(1, "a semaphore is destroyed by who waited for it");
}

int main(void) {
    basics();
    bad_input();
    layout();
    cancel_and_signals();
    pthread_t t;
    void *r;
    pthread_create(&t, NULL, cancelled_before, NULL);
    pthread_join(t, &r);
    ok(r == PTHREAD_CANCELED, "sem_wait acts on a cancellation even if it need not wait");
    between_processes();
    destroyed_by_the_waiter();
    return done();
}
