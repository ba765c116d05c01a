/* lib/base/umtx.h */
#include "unit.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "atomic.h"
#include "clock.h"
#include "umtx.h"

static uint32_t word, other;

static void sleep_ms(long ms) {
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

TestSuite(umtx, .timeout = 60);

Test(umtx, other_value) {
    errno = 99;
    cr_assert_eq(umtx_wait(&word, 1, NULL, CLOCK_MONOTONIC, UMTX_PRIVATE), -EAGAIN);
    cr_assert_eq(umtx_wait(&word, 1, NULL, CLOCK_MONOTONIC, UMTX_SHARED), -EAGAIN);
    cr_assert_eq(errno, 99, "errno is left alone");
}

Test(umtx, wake_without_waiters) {
    cr_assert_eq(umtx_wake(&word, 1, UMTX_PRIVATE), 0);
    cr_assert_eq(umtx_wake(&word, UMTX_WAKE_ALL, UMTX_SHARED), 0);
}

Test(umtx, wake_of_memory_that_is_gone) {
    uint32_t *gone = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(gone, 4096);
    cr_assert_eq(umtx_wake(gone, 1, UMTX_PRIVATE), 0);
    cr_assert_eq(umtx_wake(gone, 1, UMTX_SHARED), 0);
}

Test(umtx, deadlines) {
    static const clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_REALTIME};
    for (int c = 0; c < 2; c++)
        for (int flags = UMTX_PRIVATE; flags <= UMTX_SHARED; flags++) {
            struct timespec deadline = clock_deadline(clocks[c], 30000000), now;
            int r;
            while ((r = umtx_wait(&word, 0, &deadline, clocks[c], flags)) == 0)
                ;
            cr_assert_eq(r, -ETIMEDOUT);
            clock_gettime(clocks[c], &now);
            cr_assert(now.tv_sec > deadline.tv_sec ||
                          (now.tv_sec == deadline.tv_sec && now.tv_nsec >= deadline.tv_nsec),
                      "not before its time");
        }
}

Test(umtx, deadlines_in_the_past) {
    static const struct timespec past[] = {{0, 0}, {-1, 0}, {-1, 999999999}, {INT64_MIN, 0}, {1, 0}};
    static const clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_REALTIME};
    for (int c = 0; c < 2; c++)
        for (unsigned i = 0; i < sizeof past / sizeof past[0]; i++)
            cr_assert_eq(umtx_wait(&word, 0, &past[i], clocks[c], UMTX_PRIVATE), -ETIMEDOUT, "%u", i);
}

Test(umtx, far_deadline_is_no_error) {
    struct timespec far = {INT64_MAX, 999999999};
    cr_assert_eq(umtx_wait(&word, 1, &far, CLOCK_MONOTONIC, UMTX_PRIVATE), -EAGAIN);
    cr_assert_eq(umtx_wait(&word, 1, &far, CLOCK_REALTIME, UMTX_PRIVATE), -EAGAIN);
}

Test(umtx, bad_deadlines) {
    static const struct timespec bad[] = {{0, -1}, {0, 1000000000}, {-1, -1}, {5, INT64_MAX}, {5, INT64_MIN}};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_eq(umtx_wait(&word, 0, &bad[i], CLOCK_REALTIME, UMTX_PRIVATE), -EINVAL, "%u", i);
    struct timespec good = {0, 0};
    cr_assert_eq(umtx_wait(&word, 0, &good, CLOCK_PROCESS_CPUTIME_ID, UMTX_PRIVATE), -EINVAL);
    cr_assert_eq(umtx_wait(&word, 0, &good, CLOCK_BOOTTIME, UMTX_PRIVATE), -EINVAL);
    cr_assert_eq(umtx_wait(&word, 0, &good, -1, UMTX_PRIVATE), -EINVAL);
    cr_assert_eq(umtx_wait(&word, 1, NULL, -1, UMTX_PRIVATE), -EAGAIN,
                 "without a deadline the clock is ignored");
}

/* ---- threads that wait */

struct waiter {
    pthread_t thread;
    const uint32_t *word;
    int flags;
    int result;
    uint32_t state; /* 1 running, 2 done; release by the waiter, acquire by the test */
};

static void *wait_body(void *arg) {
    struct waiter *w = arg;
    a32_store_release(&w->state, 1);
    w->result = umtx_wait(w->word, 0, NULL, CLOCK_MONOTONIC, w->flags);
    a32_store_release(&w->state, 2);
    return NULL;
}

static void start(struct waiter *w, int n, const uint32_t *on, int flags) {
    for (int i = 0; i < n; i++) {
        memset(&w[i], 0, sizeof w[i]);
        w[i].word = on;
        w[i].flags = flags;
        cr_assert_eq(pthread_create(&w[i].thread, NULL, wait_body, &w[i]), 0);
    }
    for (int i = 0; i < n; i++)
        while (a32_load_acquire(&w[i].state) == 0)
            sched_yield();
    sleep_ms(50); /* until they sleep */
}

static int finished(struct waiter *w, int n) {
    int count = 0;
    for (int i = 0; i < n; i++)
        count += a32_load_acquire(&w[i].state) == 2;
    return count;
}

/* Within a while `want` of them are done, and no more. */
static void expect_finished(struct waiter *w, int n, int want) {
    for (int i = 0; finished(w, n) < want && i < 10000; i++)
        sleep_ms(1);
    sleep_ms(20);
    cr_assert_eq(finished(w, n), want);
}

static void wake_some_then_all(int flags) {
    struct waiter w[4];
    start(w, 4, &word, flags);
    cr_assert_eq(umtx_wake(&word, 1, flags), 1);
    expect_finished(w, 4, 1);
    cr_assert_eq(umtx_wake(&word, 2, flags), 2);
    expect_finished(w, 4, 3);
    cr_assert_eq(umtx_wake(&other, UMTX_WAKE_ALL, flags), 0);
    cr_assert_eq(umtx_wake(&word, UMTX_WAKE_ALL, flags), 1);
    for (int i = 0; i < 4; i++) {
        pthread_join(w[i].thread, NULL);
        cr_assert_eq(w[i].result, 0);
    }
}

Test(umtx, wakes_as_many_as_asked_private) {
    wake_some_then_all(UMTX_PRIVATE);
}
Test(umtx, wakes_as_many_as_asked_shared) {
    wake_some_then_all(UMTX_SHARED);
}
Test(umtx, cancelpoint_waits_like_others) {
    wake_some_then_all(UMTX_PRIVATE | UMTX_CANCELPOINT);
}

Test(umtx, requeue) {
    struct waiter w[5];
    start(w, 5, &word, UMTX_PRIVATE);
    cr_assert_eq(umtx_requeue(&word, 1, 1, &other, UMTX_WAKE_ALL, UMTX_PRIVATE), -EAGAIN);
    cr_assert_eq(finished(w, 5), 0);
    cr_assert_eq(umtx_requeue(&word, 0, 1, &other, 3, UMTX_PRIVATE), 4, "one woken, three moved");
    expect_finished(w, 5, 1);
    cr_assert_eq(umtx_wake(&word, UMTX_WAKE_ALL, UMTX_PRIVATE), 1, "one stayed");
    expect_finished(w, 5, 2);
    cr_assert_eq(umtx_wake(&other, UMTX_WAKE_ALL, UMTX_PRIVATE), 3);
    for (int i = 0; i < 5; i++) {
        pthread_join(w[i].thread, NULL);
        cr_assert_eq(w[i].result, 0);
    }
}

Test(umtx, requeue_all_without_waking) {
    struct waiter w[2];
    start(w, 2, &word, UMTX_PRIVATE);
    cr_assert_eq(umtx_requeue(&word, 0, 0, &other, UMTX_WAKE_ALL, UMTX_PRIVATE), 2);
    cr_assert_eq(umtx_wake(&word, UMTX_WAKE_ALL, UMTX_PRIVATE), 0);
    cr_assert_eq(umtx_wake(&other, UMTX_WAKE_ALL, UMTX_PRIVATE), 2);
    for (int i = 0; i < 2; i++)
        pthread_join(w[i].thread, NULL);
}

static void on_signal(int sig) {
    (void)sig;
}

Test(umtx, signal_handler_ends_the_wait) {
    static const int restarts[] = {0, SA_RESTART};
    for (int i = 0; i < 2; i++) {
        struct sigaction action = {.sa_handler = on_signal, .sa_flags = restarts[i]};
        struct waiter w;
        sigaction(SIGUSR1, &action, NULL);
        start(&w, 1, &word, UMTX_PRIVATE);
        pthread_kill(w.thread, SIGUSR1);
        if (restarts[i]) { /* the kernel restarts it: still asleep */
            sleep_ms(50);
            cr_assert_eq(finished(&w, 1), 0);
            umtx_wake(&word, 1, UMTX_PRIVATE);
        }
        pthread_join(w.thread, NULL);
        cr_assert_eq(w.result, restarts[i] ? 0 : -EINTR);
    }
}

/* ---- processes */

Test(umtx, shared_across_fork) {
    uint32_t *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(shared, MAP_FAILED);
    pid_t pid = fork();
    if (pid == 0) {
        int r;
        while (a32_load_acquire(shared) == 0)
            if ((r = umtx_wait(shared, 0, NULL, CLOCK_MONOTONIC, UMTX_SHARED)) != 0 && r != -EAGAIN)
                _exit(1);
        _exit(0);
    }
    sleep_ms(50);
    a32_store_release(shared, 1);
    umtx_wake(shared, 1, UMTX_SHARED);
    int status;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert_eq(status, 0);
    munmap(shared, 4096);
}

/* A private word in memory that two processes share is two words. */
Test(umtx, private_does_not_reach_another_process) {
    uint32_t *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct timespec deadline = clock_deadline(CLOCK_MONOTONIC, 300000000);
        _exit(umtx_wait(shared, 0, &deadline, CLOCK_MONOTONIC, UMTX_PRIVATE) == -ETIMEDOUT ? 0 : 1);
    }
    int status;
    for (int i = 0; i < 20; i++) {
        sleep_ms(5);
        cr_assert_eq(umtx_wake(shared, UMTX_WAKE_ALL, UMTX_PRIVATE), 0);
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert_eq(status, 0);
    munmap(shared, 4096);
}

/* ---- no wake-up is lost */

/* A counting semaphore of the least kind: a lost wake-up leaves a thread asleep for ever. */
static uint32_t tokens, sleepers;

static void put(void) {
    a32_add_full(&tokens, 1);                /* full: before the look at sleepers; pairs with get's add */
    if (a32_load_acquire(&sleepers) != 0)    /* acquire: no order needed beyond the fence above */
        umtx_wake(&tokens, 1, UMTX_PRIVATE);
}

static void get(void) {
    for (;;) {
        uint32_t t = a32_load(&tokens);
        if (t > 0 && a32_cas_acquire(&tokens, t, t - 1)) /* acquire: pairs with put's full add */
            return;
        if (t == 0) {
            a32_add_full(&sleepers, 1); /* full: before the kernel's look at tokens; pairs with put's */
            umtx_wait(&tokens, 0, NULL, CLOCK_MONOTONIC, UMTX_PRIVATE);
            a32_add_full(&sleepers, (uint32_t)-1);
        }
    }
}

static void token_body(unsigned index, uint32_t *random) {
    for (long i = 0; i < scaled(5000); i++) {
        random_delay(random);
        if (index & 1)
            put();
        else
            get();
    }
}

Test(umtx, no_wake_up_is_lost, .timeout = 100) {
    crew(6, token_body);
    cr_assert_eq(tokens, 0);
    cr_assert_eq(sleepers, 0);
}
