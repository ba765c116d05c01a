/* State, type, pthread_testcancel, pthread_cancel: results, errors, and when a request is acted on. */
#include <poll.h>
#include <sys/wait.h>

#include "cancel.h"

static volatile int ready, go, passed, cleaned;

static void on_cleanup(void *arg) {
    (void)arg;
    cleaned = cleaned * 10 + 1;
}
static void on_cleanup_2(void *arg) {
    (void)arg;
    cleaned = cleaned * 10 + 2;
}

/* Starts body, waits for ready, cancels it, lets it go on; its result. */
static void *run(void *(*body)(void *)) {
    pthread_t t;
    void *result = NULL;
    ready = go = passed = cleaned = 0;
    pthread_create(&t, NULL, body, NULL);
    ok(wait_for(&ready, 1), "thread is ready");
    is(pthread_cancel(t), 0, "cancel");
    set(&go, 1);
    is(join_soon(t, &result), 0, "join");
    return result;
}

static void spin(void) {
    while (!__atomic_load_n(&go, __ATOMIC_ACQUIRE))
        ;
}

static void *deferred(void *arg) {
    pthread_cleanup_push(on_cleanup, NULL);
    pthread_cleanup_push(on_cleanup_2, NULL);
    set(&ready, 1);
    spin();
    passed = 1;
    pthread_testcancel();
    passed = 2;
    pthread_cleanup_pop(0);
    pthread_cleanup_pop(0);
    return arg;
}

static void *disabled(void *arg) {
    int old = -1;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
    set(&ready, 1);
    spin();
    pthread_testcancel();
    char c;
    int p[2];
    if (old != PTHREAD_CANCEL_ENABLE || pipe(p) || write(p[1], "x", 1) != 1 || read(p[0], &c, 1) != 1)
        return "pipe";
    close(p[0]);
    close(p[1]);
    usleep(1000);
    passed = 1;
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &old);
    passed = old == PTHREAD_CANCEL_DISABLE ? 2 : -1;
    pthread_testcancel();
    passed = 3;
    return arg;
}

static void *asynchronous(void *arg) {
    int old = -1;
    pthread_cleanup_push(on_cleanup, NULL);
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old);
    passed = old == PTHREAD_CANCEL_DEFERRED;
    set(&ready, 1);
    for (;;)
        ;
    pthread_cleanup_pop(0);
    return arg;
}

static void *enabled_async_later(void *arg) {
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    set(&ready, 1);
    spin();
    passed = 1;
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
    passed = 2;
    return arg;
}

static void *async_later(void *arg) {
    set(&ready, 1);
    spin();
    passed = 1;
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    passed = 2;
    return arg;
}

static void *returns(void *arg) {
    (void)arg;
    set(&ready, 1);
    spin();
    return (void *)&passed;
}

static void *self_async(void *arg) {
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    pthread_cancel(pthread_self());
    passed = 1;
    return arg;
}

static void *self_deferred(void *arg) {
    pthread_cancel(pthread_self());
    passed = 1;
    pthread_testcancel();
    passed = 2;
    return arg;
}

/* Points in cleanup handlers do not act again, though the request still stands. */
static void sleeps(void *arg) {
    (void)arg;
    usleep(1000);
    pthread_testcancel();
    cleaned = 7;
}
static void *sleeps_in_cleanup(void *arg) {
    pthread_cleanup_push(sleeps, NULL);
    set(&ready, 1);
    for (;;)
        pause();
    pthread_cleanup_pop(0);
    return arg;
}

/* A request that came while cancellation was off must not disturb a sleep with an error. */
static void *undisturbed(void *arg) {
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    set(&ready, 1);
    passed = poll(NULL, 0, 100) == 0 && nanosleep(&(struct timespec){0, 50000000}, NULL) == 0;
    spin();
    return arg;
}

static void *test_self_cancel(void *(*body)(void *)) {
    pthread_t t;
    void *result = NULL;
    passed = 0;
    pthread_create(&t, NULL, body, NULL);
    is(join_soon(t, &result), 0, "join of a thread that cancels itself");
    return result;
}

/* In a child: main is cancelled, another thread sees it end and leaves with 0. */
static void *cancels_main(void *arg) {
    void *result = NULL;
    pthread_t *m = arg;
    wait_for(&ready, 1);
    if (pthread_cancel(*m))
        _exit(2);
    if (pthread_join(*m, &result))
        _exit(3);
    _exit(result == PTHREAD_CANCELED && cleaned == 1 ? 0 : 4);
}

static int main_cancelled(void) {
    pid_t child = fork();
    if (child == 0) {
        static pthread_t m;
        pthread_t t;
        alarm(10);
        cleaned = ready = 0;
        m = pthread_self();
        pthread_create(&t, NULL, cancels_main, &m);
        pthread_cleanup_push(on_cleanup, NULL);
        set(&ready, 1);
        for (;;)
            pause();
        pthread_cleanup_pop(0);
    }
    int status = -1;
    waitpid(child, &status, 0);
    return status;
}

int main(void) {
    int old;
    is(pthread_setcancelstate(77, &old), EINVAL, "no such state");
    is(pthread_setcanceltype(77, &old), EINVAL, "no such type");
    is(pthread_setcancelstate(-1, NULL), EINVAL, "no such state, no old one wanted");
    is(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old), 0, "disable");
    is(old, PTHREAD_CANCEL_ENABLE, "was enabled");
    is(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old), 0, "disable again");
    is(old, PTHREAD_CANCEL_DISABLE, "was disabled");
    is(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL), 0, "enable; NULL for the old state");
    is(pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old), 0, "asynchronous");
    is(old, PTHREAD_CANCEL_DEFERRED, "was deferred");
    is(pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &old), 0, "deferred");
    is(old, PTHREAD_CANCEL_ASYNCHRONOUS, "was asynchronous");
    is(pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, NULL), 0, "NULL for the old type");
    pthread_testcancel();
    errno = 4711;

    ok(run(deferred) == PTHREAD_CANCELED, "deferred: result");
    is(passed, 1, "deferred: acted at pthread_testcancel, not before");
    is(cleaned, 21, "cleanup handlers ran, the last pushed first");
    ok(run(disabled) == PTHREAD_CANCELED, "disabled: result");
    is(passed, 2, "disabled: not acted on before it was enabled, nor by enabling it");
    ok(run(asynchronous) == PTHREAD_CANCELED, "asynchronous: result");
    is(passed, 1, "asynchronous: old type");
    is(cleaned, 1, "asynchronous: cleanup handler ran");
    ok(run(enabled_async_later) == PTHREAD_CANCELED, "enabled when asynchronous: result");
    is(passed, 1, "enabled when asynchronous: acted in pthread_setcancelstate");
    ok(run(async_later) == PTHREAD_CANCELED, "asynchronous with a pending request: result");
    is(passed, 1, "acted in pthread_setcanceltype");
    ok(run(returns) == &passed, "a request to a thread without points changes nothing");
    ok(run(sleeps_in_cleanup) == PTHREAD_CANCELED, "points in cleanup handlers: result");
    is(cleaned, 7, "points in cleanup handlers do not act");
    ok(run(undisturbed) == NULL, "disabled: result");
    is(passed, 1, "disabled: a request does not interrupt sleeps");
    ok(test_self_cancel(self_async) == PTHREAD_CANCELED, "cancels itself, asynchronous");
    is(passed, 0, "at once");
    ok(test_self_cancel(self_deferred) == PTHREAD_CANCELED, "cancels itself, deferred");
    is(passed, 1, "at the next point");
    is(main_cancelled(), 0, "main can be cancelled and joined");

    pthread_t t;
    void *result;
    ready = go = 0;
    pthread_create(&t, NULL, returns, NULL);
    wait_for(&ready, 1);
    is(pthread_cancel(t), 0, "cancel");
    is(pthread_cancel(t), 0, "cancel again");
    set(&go, 1);
    usleep(20000);
    is(pthread_cancel(t), 0, "cancel of a thread that has ended");
    is(join_soon(t, &result), 0, "join it");
    ok(result == &passed, "its result stays");
    return done();
}
