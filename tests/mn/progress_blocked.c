/*
 * Threads that block in the kernel, or compute, without a call of libmn do not hold up the others.
 *
 * Nothing here depends on how long anything takes: what has to happen while a thread is stuck is what lets it
 * go on.
 */
#include <mn.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tap.h"

enum { BLOCKED = 10, PATIENCE_S = 40 };

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000l + t.tv_nsec;
}

static uint64_t handoffs(void) {
    struct mn_stats_cpu s[64];
    uint64_t n = 0;
    int cpus = mn_stats(s, 64, sizeof *s);
    for (int i = 0; i < cpus && i < 64; i++)
        n += s[i].handoffs;
    return n;
}

/* ---- in the kernel: each reads a pipe that the last thread writes to */

static int pipes[BLOCKED][2];
static uint32_t reading, got;

static void *read_pipe(void *arg) {
    char c;
    const int *p = arg;
    __atomic_add_fetch(&reading, 1, __ATOMIC_RELEASE);
    if (read(p[0], &c, 1) == 1 && c == 'x')
        __atomic_add_fetch(&got, 1, __ATOMIC_RELEASE);
    return arg;
}

static void *write_pipes(void *arg) {
    for (int i = 0; i < BLOCKED; i++)
        if (write(pipes[i][1], "x", 1) != 1)
            return NULL;
    return arg;
}

static void blocked(void) {
    mn_thread t[BLOCKED], writer;
    bool started = true, ended = true;
    void *result;
    for (int i = 0; i < BLOCKED; i++)
        started &= pipe(pipes[i]) == 0 && mn_go(&t[i], read_pipe, pipes[i]) == 0;
    ok(started, "threads that will block in read() are started");
    while (__atomic_load_n(&reading, __ATOMIC_ACQUIRE) < BLOCKED)
        mn_yield(); /* comes back only if a blocked one has lost its CPU */
    ok(true, "each is reached, though those before it block");
    ok(mn_go(&writer, write_pipes, &got) == 0 && mn_join(writer, &result) == 0 && result == &got,
       "another thread runs");
    for (int i = 0; i < BLOCKED; i++)
        ended &= mn_join(t[i], &result) == 0 && result == pipes[i];
    ok(ended && got == BLOCKED, "all read their byte, and ended");
    /* Each may have blocked a CPU of its own where there are more. */
    ok(handoffs() > 0 || mn_workers() > BLOCKED, "CPUs were handed off");
    for (int i = 0; i < BLOCKED; i++)
        close(pipes[i][0]), close(pipes[i][1]);
}

/* ---- computing: until others have run */

static uint32_t ticks, stop;

static void *compute(void *arg) {
    int64_t end = now() + PATIENCE_S * 1000000000l;
    while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE) && now() < end)
        continue;
    return arg;
}

static void *tick(void *arg) {
    for (int i = 0; i < 20; i++) {
        mn_sleep_until(now() + 1000000);
        __atomic_add_fetch(&ticks, 1, __ATOMIC_RELEASE);
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
    return arg;
}

static void computing(int hogs) {
    mn_thread t[8], ticker;
    void *result;
    int64_t begin = now();
    bool all = true;
    stop = ticks = 0;
    for (int i = 0; i < hogs; i++)
        all &= mn_go(&t[i], compute, &t[i]) == 0;
    all &= mn_go(&ticker, tick, NULL) == 0;
    for (int i = 0; i < hogs; i++)
        all &= mn_join(t[i], &result) == 0 && result == &t[i];
    all &= mn_join(ticker, NULL) == 0;
    ok(all && ticks == 20 && now() - begin < PATIENCE_S * 1000000000l,
       "a thread with timers goes on beside %d loops", hogs);
}

/* ---- starting others, until one of them has run */

static uint32_t ran;

static void *runs(void *arg) {
    __atomic_add_fetch(&ran, 1, __ATOMIC_RELEASE);
    return arg;
}

static void starting(void) {
    int64_t end = now() + PATIENCE_S * 1000000000l;
    uint32_t started = 0;
    bool all = true;
    while (!__atomic_load_n(&ran, __ATOMIC_ACQUIRE) && now() < end) {
        mn_thread t;
        all &= mn_go(&t, runs, NULL) == 0 && mn_detach(t) == 0;
        started++;
    }
    ok(all && __atomic_load_n(&ran, __ATOMIC_ACQUIRE), "who only starts threads does not hold them up for ever");
    while (__atomic_load_n(&ran, __ATOMIC_ACQUIRE) < started)
        mn_yield();
}

/* ---- computing until another has been woken by a descriptor */

static int fds[2];

static void *read_fd(void *arg) {
    char c = 0;
    while (mn_read(fds[0], &c, 1) == 1 && c != 'z')
        if (c == 'y')
            __atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
    return arg;
}

static void *write_fd(void *arg) {
    while (!__atomic_load_n(&ticks, __ATOMIC_ACQUIRE))
        usleep(1000);
    usleep(3000);
    return write(fds[1], "y", 1) == 1 ? arg : NULL;
}

static void descriptor(void) {
    mn_thread reader;
    pthread_t lwp;
    int64_t begin = now();
    stop = ticks = 0;
    ok(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0 && mn_adopt(fds[0]) == 0 &&
           mn_go(&reader, read_fd, NULL) == 0,
       "a reader");
    ok(pthread_create(&lwp, NULL, write_fd, NULL) == 0, "a foreign LWP that will write");
    mn_sleep_until(now() + 2000000);
    __atomic_store_n(&ticks, 1, __ATOMIC_RELEASE);
    compute(NULL);
    ok(now() - begin < PATIENCE_S * 1000000000l, "a thread that waits for a descriptor goes on beside a loop");
    ok(write(fds[1], "z", 1) == 1 && mn_join(reader, NULL) == 0 && mn_close(fds[0]) == 0, "it ends");
    pthread_join(lwp, NULL);
    close(fds[1]);
}

/* ---- the only thread there: nobody waits, so it stays where it is */

static void alone(void) {
    uint64_t before = handoffs();
    int64_t end = now() + 30000000;
    while (now() < end)
        continue;
    usleep(20000);
    is(handoffs(), before, "who holds up nobody keeps its CPU");
}

static int test(void *arg) {
    (void)arg;
    blocked();
    computing(1);
    computing(4);
#if !defined(__SANITIZE_THREAD__)
    starting(); /* there a start takes 0.5 ms, all of it inside the runtime, where no thread loses its CPU */
#else
    (void)starting;
#endif
    descriptor();
    alone();
    return 0;
}

int main(void) {
    ok(mn_run(test, NULL, NULL) == 0, "the runtime ends");
    return done();
}
