/* models: 1to1 */
/*
 * Requests that meet signal handlers, fork and vfork.  (On the libc of 2.36 a request that arrives in a handler
 * ends the thread inside the handler, if the handler interrupted a point: this tests that ours waits for it to
 * return.)
 */
#include <poll.h>
#include <stdint.h>
#include <sys/wait.h>

#include "cancel.h"

static volatile int ready, in_handler, leave, handled, cleaned;
static int idle[2];

static void busy_handler(int sig) {
    (void)sig;
    set(&in_handler, 1);
    while (!__atomic_load_n(&leave, __ATOMIC_ACQUIRE))
        ;
    handled++;
}

static void on_cleanup(void *arg) {
    (void)arg;
    cleaned = handled; /* the handler had returned */
}

static void *sleeps(void *arg) {
    char c;
    pthread_cleanup_push(on_cleanup, NULL);
    set(&ready, (int)syscall(SYS_gettid));
    if (read(idle[0], &c, 1) != 1)
        ready = -1;
    pthread_cleanup_pop(0);
    return arg;
}

/* The handler interrupts a sleeping read, the request comes while it runs. */
static void above_a_sleep(void) {
    pthread_t t;
    void *result = NULL;
    ready = in_handler = leave = handled = cleaned = 0;
    pthread_create(&t, NULL, sleeps, NULL);
    while (!__atomic_load_n(&ready, __ATOMIC_ACQUIRE))
        usleep(100);
    wait_asleep(ready);
    pthread_kill(t, SIGUSR1);
    ok(wait_for(&in_handler, 1), "a handler runs above a read");
    is(pthread_cancel(t), 0, "cancel");
    usleep(20000);
    is(handled, 0, "not acted on in the handler");
    set(&leave, 1);
    is(join_soon(t, &result), 0, "the read ends when the handler has returned");
    ok(result == PTHREAD_CANCELED && cleaned == 1, "cancelled, after the handler");
}

/* A handler that comes to a point acts there. */
static void handler_with_point(int sig) {
    (void)sig;
    set(&in_handler, 1);
    while (!__atomic_load_n(&leave, __ATOMIC_ACQUIRE))
        ;
    usleep(1);
    handled = 1;
}
static void point_in_handler(void) {
    pthread_t t;
    void *result = NULL;
    ready = in_handler = leave = handled = cleaned = 0;
    signal(SIGUSR2, handler_with_point);
    pthread_create(&t, NULL, sleeps, NULL);
    while (!__atomic_load_n(&ready, __ATOMIC_ACQUIRE))
        usleep(100);
    wait_asleep(ready);
    pthread_kill(t, SIGUSR2);
    wait_for(&in_handler, 1);
    pthread_cancel(t);
    set(&leave, 1);
    is(join_soon(t, &result), 0, "a point in a handler acts");
    ok(result == PTHREAD_CANCELED && !handled, "cancelled in the handler");
}

/* Handlers at random moments, then a request: none may be lost between test and call. */
static void quick_handler(int sig) {
    (void)sig;
}
static void *many_reads(void *arg) {
    char c;
    for (;;)
        if (read(idle[0], &c, 0) != 0 || poll(NULL, 0, 0) != 0 || getpid() == 0)
            return arg;
}
static void storm(void) {
    struct sigaction a = {.sa_handler = quick_handler, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &a, NULL);
    int n = (int)(300 * scale());
    for (int i = 0; i < n; i++) {
        pthread_t t;
        void *result;
        ready = 0;
        pthread_create(&t, NULL, i % 2 ? many_reads : sleeps, NULL);
        for (int k = 0; k < i % 50; k++)
            pthread_kill(t, SIGUSR1);
        pthread_cancel(t);
        for (int k = 0; k < i % 7; k++)
            pthread_kill(t, SIGUSR1);
        if (join_soon(t, &result)) {
            ok(0, "signals and a request: lost in round %d", i);
            return;
        }
    }
    ok(1, "signals and requests at random moments");
}

/* A vfork child runs on its parent's thread: it must neither act nor clear anything. */
static void *vforks(void *arg) {
    int status = -1;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    pthread_cancel(pthread_self());
    pid_t child = vfork();
    if (child == 0) {
        pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
        close(-1);
        int fd = open("/dev/null", O_RDONLY);
        _exit(fd >= 0 ? 7 : 8);
    }
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    waitpid(child, &status, 0);
    handled = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
    close(-1);
    return arg;
}

static void leave_with_9(void *arg) {
    (void)arg;
    _exit(9);
}
/* A fork child is the thread that forked, request included. */
static void *forks(void *arg) {
    int status = -1;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    pthread_cancel(pthread_self());
    pid_t child = fork();
    if (child == 0) {
        alarm(5);
        pthread_cleanup_push(leave_with_9, NULL);
        pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
        usleep(1);
        pthread_cleanup_pop(0);
        _exit(8);
    }
    waitpid(child, &status, 0);
    handled = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return arg;
}

/* What an exec'd program inherits: the request's signal is not blocked, whatever happened to the thread. */
static void *spins_after_request(void *arg) {
    uint64_t mask = 0;
    set(&ready, 1);
    while (!__atomic_load_n(&leave, __ATOMIC_ACQUIRE))
        ;
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, 8);
    handled = !(mask & 3ul << 31);
    return arg;
}

static void run(void *(*body)(void *), const char *what, int want) {
    pthread_t t;
    void *result = NULL;
    ready = leave = handled = 0;
    pthread_create(&t, NULL, body, NULL);
    if (body == spins_after_request) {
        wait_for(&ready, 1);
        pthread_cancel(t);
        set(&leave, 1);
    }
    is(join_soon(t, &result), 0, "%s: join", what);
    is(handled, want, "%s", what);
}

int main(void) {
    if (pipe(idle))
        return 1;
    signal(SIGUSR1, busy_handler);
    above_a_sleep();
    point_in_handler();
    storm();
    run(vforks, "points in a vfork child do not act", 7);
    run(forks, "a request is inherited by fork", 9);
    run(spins_after_request, "a request does not leave its signal blocked", 1);
    return done();
}
