/* Scopes: waiting, failure, cancellation, nesting, foreign LWPs, bad input, many members. */
#include <errno.h>
#include <mn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "tap.h"

static int64_t after(int64_t span) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000ll + now.tv_nsec + span;
}

static atomic_int begun, ended, seen_cancel;

static int quick(void *arg) {
    atomic_fetch_add(&ended, 1);
    return (int)(intptr_t)arg;
}

static int sleeper(void *arg) {
    (void)arg;
    atomic_fetch_add(&begun, 1);
    int r = mn_park("a test");
    if (r == -ECANCELED)
        atomic_fetch_add(&seen_cancel, 1);
    atomic_fetch_add(&ended, 1);
    return r;
}

static void reset(void) {
    begun = ended = seen_cancel = 0;
}

static void basics(void) {
    struct mn_scope *s;
    reset();
    is(mn_scope_open(&s, 0), 0, "open");
    is(mn_scope_wait(s), 0, "an empty scope has nothing to wait for");
    for (int i = 0; i < 10; i++)
        if (mn_scope_go(s, quick, NULL) < 0)
            break;
    is(mn_scope_wait(s), 0, "wait");
    is(ended, 10, "all have ended");
    is(mn_scope_go(s, quick, (void *)7), 0, "it can be given more");
    is(mn_scope_wait(s), 0, "more than 0 is no failure");
    is(ended, 11, "they have ended, too");
    is(mn_scope_alive(s), 0, "none is alive");
    is(mn_scope_close(s), 0, "close");
    is(mn_scope_open(&s, 77), -EINVAL, "unknown flags");
    is(mn_scope_open(NULL, 0), -EINVAL, "a scope for nobody");
    mn_scope_open(&s, 0);
    is(mn_scope_go(s, NULL, NULL), -EINVAL, "no function");
    struct mn_attr a = {.priority = (enum mn_priority)9};
    is(mn_scope_go_attr(s, &a, quick, NULL), -EINVAL, "attributes out of range");
    is(mn_scope_wait(s), 0, "what was refused is no member");
    is(mn_scope_close(s), 0, "close again");
}

static void failure(void) {
    struct mn_scope *s;
    reset();
    mn_scope_open(&s, 0);
    for (int i = 0; i < 5; i++)
        mn_scope_go(s, sleeper, NULL);
    is(mn_scope_wait_until(s, after(5000000)), -ETIMEDOUT, "wait with a deadline");
    is(mn_scope_alive(s), 5, "all run on");
    is(mn_scope_wait_until(s, 0), -ETIMEDOUT, "a deadline that has passed");
    mn_scope_go(s, quick, (void *)-EIO);
    is(mn_scope_wait(s), -EIO, "one fails: its error");
    is(seen_cancel, 5, "the others were cancelled");
    is(ended, 6, "and have ended");
    is(mn_scope_go(s, quick, NULL), -ECANCELED, "a cancelled scope takes no thread");
    is(mn_scope_close(s), -EIO, "close says it again");

    reset();
    mn_scope_open(&s, MN_SCOPE_KEEP_GOING);
    mn_scope_go(s, sleeper, NULL);
    mn_scope_go(s, quick, (void *)-EIO);
    while (ended == 0)
        mn_yield();
    is(mn_scope_wait_until(s, after(5000000)), -ETIMEDOUT, "with KEEP_GOING the others run on");
    is(seen_cancel, 0, "and are not cancelled");
    is(mn_scope_fail(s, 0), -EINVAL, "0 is no error");
    is(mn_scope_fail(s, -EPERM), 0, "an error from outside");
    is(mn_scope_close(s), -EIO, "close cancels them; the first error stays");
    is(seen_cancel, 1, "cancelled by close");

    reset();
    mn_scope_open(&s, 0);
    mn_scope_go(s, sleeper, NULL);
    is(mn_scope_fail(s, -EPROTO), 0, "fail");
    is(mn_scope_wait(s), -EPROTO, "the error");
    is(seen_cancel, 1, "a failure noted from outside cancels");
    mn_scope_close(s);

    reset();
    mn_scope_open(&s, 0);
    mn_scope_go(s, sleeper, NULL);
    is(mn_scope_cancel(s), 0, "cancel");
    is(mn_scope_wait(s), 0, "those who obeyed did not fail");
    is(seen_cancel, 1, "they were cancelled");
    is(mn_scope_close(s), 0, "close");
}

/* A thread with children of its own, two levels down. */
static int parent(void *arg) {
    struct mn_scope *s;
    int depth = (int)(intptr_t)arg;
    mn_scope_open(&s, 0);
    for (int i = 0; i < 3; i++)
        mn_scope_go(s, depth ? parent : sleeper, (void *)(intptr_t)(depth - 1));
    int r = mn_scope_wait(s);
    if (r != -ECANCELED || mn_scope_alive(s))
        ok(0, "a cancelled parent got %d, %d children left", r, (int)mn_scope_alive(s));
    mn_scope_close(s);
    return r;
}

static void *parent_main(void *arg) {
    return (void *)(intptr_t)parent(arg);
}

static void nested(void) {
    mn_thread t;
    void *result;
    reset();
    mn_go(&t, parent_main, (void *)2);
    while (begun < 27)
        mn_park_until("a test", after(1000000));
    mn_cancel(t);
    is(mn_join(t, &result), 0, "a cancelled parent ends");
    is((intptr_t)result, -ECANCELED, "it saw the cancellation");
    is(seen_cancel, 27, "so did its children's children");
    is(ended, 27, "all of which have ended");
}

/* Its child ends only when it is told to, cancelled or not. */
static atomic_int let_go;
static int stubborn(void *arg) {
    (void)arg;
    atomic_fetch_add(&begun, 1);
    while (!mn_cancelled())
        mn_yield();
    atomic_fetch_add(&seen_cancel, 1);
    mn_shield(true);
    while (!let_go)
        mn_yield();
    return 0;
}

static void *waits_cancelled(void *arg) {
    struct mn_scope *s;
    mn_scope_open(&s, 0);
    mn_scope_go(s, stubborn, NULL);
    while (!mn_cancelled() || begun == 0) {
        mn_shield(true);
        mn_yield();
        mn_shield(false);
    }
    *(int *)arg = mn_scope_wait_until(s, 0);
    mn_shield(true);
    while (seen_cancel == 0)
        mn_yield();
    let_go = 1;
    mn_scope_close(s);
    return NULL;
}

static void cancelled_and_late(void) {
    mn_thread t;
    int result = 0;
    reset();
    mn_go(&t, waits_cancelled, &result);
    mn_cancel(t);
    mn_join(t, NULL);
    is(result, -ETIMEDOUT, "a cancelled parent past its deadline: some still run");
    is(seen_cancel, 1, "and are cancelled");
}

/* Leaves its scopes open. */
static int order[8], at;
static void note(void *arg) {
    order[at++] = (int)(intptr_t)arg;
}
static int noted(void *arg) {
    mn_park("a test");
    note(arg);
    return 0;
}
static void *careless(void *arg) {
    struct mn_scope *outer, *inner;
    mn_defer(note, (void *)1);
    mn_scope_open(&outer, 0);
    mn_scope_go(outer, noted, (void *)2);
    mn_defer(note, (void *)3);
    mn_scope_open(&inner, 0);
    mn_scope_go(inner, noted, (void *)4);
    mn_defer(note, (void *)5);
    if (arg)
        mn_exit((void *)9);
    return (void *)9;
}

static void left_open(void) {
    for (intptr_t how = 0; how < 2; how++) {
        mn_thread t;
        void *result = NULL;
        at = 0;
        mn_go(&t, careless, (void *)how);
        mn_join(t, &result);
        is((intptr_t)result, 9, "its result");
        ok(at == 5 && order[0] == 5 && order[1] == 4 && order[2] == 3 && order[3] == 2 && order[4] == 1,
           "a thread's end closes its scopes, in turn with what it deferred (%d: %d %d %d %d %d)", at, order[0],
           order[1], order[2], order[3], order[4]);
    }
}

static int waits_for(void *arg) {
    return mn_scope_wait(arg) == -EPERM && mn_scope_close(arg) == -EPERM ? 0 : -EIO;
}
static int starts_in(void *arg) {
    for (int i = 0; i < 10; i++)
        if (mn_scope_go(arg, quick, NULL) < 0)
            return -EIO;
    return 0;
}
static void *joined_too(void *arg) {
    atomic_fetch_add(&ended, 1);
    return arg;
}

static void others(void) {
    struct mn_scope *s;
    reset();
    mn_scope_open(&s, 0);
    mn_scope_go(s, waits_for, s);
    is(mn_scope_wait(s), 0, "others do not wait for it");
    for (int i = 0; i < 10; i++)
        mn_scope_go(s, starts_in, s);
    is(mn_scope_wait(s), 0, "its threads may start more in it");
    is(ended, 100, "those were waited for");
    struct mn_attr a = {.scope = s, .name = "joined"};
    mn_thread t;
    void *result;
    is(mn_go_attr(&t, &a, joined_too, (void *)-5), 0, "mn_go_attr with a scope");
    is(mn_scope_wait(s), 0, "its result is not looked at");
    is(ended, 101, "it was waited for");
    is(mn_join(t, &result), 0, "and is joined besides");
    is((intptr_t)result, -5, "with its result");
    a = (struct mn_attr){.flags = MN_BOUND};
    is(mn_scope_go_attr(s, &a, quick, (void *)-EIO), 0, "a bound thread");
    is(mn_scope_wait(s), -EIO, "its error");
    is(mn_scope_go_attr(s, &a, quick, NULL), -ECANCELED, "refused: the scope is cancelled");
    a.flags = MN_CHILD_FIRST;
    is(mn_scope_go_attr(s, &a, quick, NULL), -ECANCELED, "so is one that would run at once");
    mn_scope_close(s);
    mn_scope_open(&s, 0);
    is(mn_scope_go_attr(s, &a, quick, NULL), 0, "child first");
    a.flags = MN_BOUND;
    reset();
    is(mn_scope_go_attr(s, &a, sleeper, NULL), 0, "a bound thread");
    is(mn_scope_close(s), 0, "is cancelled by close");
    is(seen_cancel, 1, "and has seen it");
}

static void many(void) {
    struct mn_scope *s;
    const int n = scale() < 1 ? 1000 : 100000; /* ThreadSanitizer needs milliseconds for each */
    reset();
    mn_scope_open(&s, 0);
    int started = 0;
    while (started < n && mn_scope_go(s, sleeper, NULL) == 0)
        started++;
    is(started, n, "%d threads in a scope", n);
    is(mn_scope_alive(s), n, "are alive");
    is(mn_scope_close(s), 0, "close");
    is(ended, n, "all have ended");
}

/* One that ends, one that fails, one that closes, at the same time. */
static int fails_late(void *arg) {
    mn_yield();
    return (int)(intptr_t)arg;
}
static void races(void) {
    int bad = 0;
    for (int i = 0; i < 2000 * scale(); i++) {
        struct mn_scope *s;
        mn_scope_open(&s, 0);
        mn_scope_go(s, sleeper, NULL);
        mn_scope_go(s, fails_late, (void *)-EIO);
        mn_scope_go(s, fails_late, (void *)-EPROTO);
        int r = i % 3 ? mn_scope_wait(s) : 0;
        int c = mn_scope_close(s);
        bad += i % 3 ? r != c || (r != -EIO && r != -EPROTO) : c != 0 && c != -EIO && c != -EPROTO;
    }
    is(bad, 0, "members that fail while the scope is closed");
}

static void *lwp_main(void *arg) {
    (void)arg;
    struct mn_scope *s;
    reset();
    is(mn_scope_open(&s, 0), 0, "foreign: open");
    for (int i = 0; i < 10; i++)
        mn_scope_go(s, quick, NULL);
    mn_scope_go(s, sleeper, NULL);
    is(mn_scope_wait_until(s, after(5000000)), -ETIMEDOUT, "foreign: deadline");
    mn_scope_go(s, quick, (void *)-EIO);
    is(mn_scope_wait(s), -EIO, "foreign: wait");
    is(ended, 12, "foreign: all have ended");
    is(mn_scope_close(s), -EIO, "foreign: close");
    for (int i = 0; i < 200; i++) {
        mn_scope_open(&s, 0);
        mn_scope_go(s, quick, NULL);
        mn_scope_go(s, sleeper, NULL);
        mn_scope_close(s);
    }
    return NULL;
}

static int first(void *arg) {
    (void)arg;
    basics();
    failure();
    nested();
    cancelled_and_late();
    left_open();
    others();
    many();
    races();
    return 0;
}

int main(void) {
    struct mn_scope *s;
    is(mn_scope_open(&s, 0), 0, "a scope without a runtime");
    is(mn_scope_go(s, quick, NULL), -EPERM, "starts no thread");
    is(mn_scope_close(s), 0, "close");
    is(mn_run(first, NULL, NULL), 0, "mn_run");
    is(mn_start(NULL), 0, "mn_start");
    lwp_main(NULL);
    pthread_t lwp;
    pthread_create(&lwp, NULL, lwp_main, NULL);
    pthread_join(lwp, NULL);
    is(mn_stop(MN_FOREVER), 0, "mn_stop");
    return done();
}
