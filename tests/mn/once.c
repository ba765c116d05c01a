/* Once. */
#include "sync.h"

static struct mn_once o;
static int calls, result, begun, wrong, go_on;

static int counts(void *arg) {
    add(&calls, 1);
    return (int)(intptr_t)arg;
}

static int slow(void *arg) {
    add(&calls, 1);
    set(&begun, 1);
    until(&go_on, 1);
    return (int)(intptr_t)arg;
}

static int nested(void *arg) {
    (void)arg;
    return mn_once_run(&o, counts, NULL);
}

static void *runs(void *arg) {
    (void)arg;
    if (mn_once_run(&o, counts, NULL) != 0 || get(&calls) == 0)
        add(&wrong, 1);
    return NULL;
}

static void *runs_slow(void *arg) {
    result = mn_once_run(&o, slow, arg);
    return NULL;
}

static void *runs_10ms(void *arg) {
    (void)arg;
    int64_t deadline = after_ms(10);
    int r = mn_once_run_until(&o, counts, NULL, deadline);
    if (r != -ETIMEDOUT || !late(deadline))
        add(&wrong, 1);
    return NULL;
}

static void test(void) {
    const char *k = kind_name[kind];
    struct runner r[8];
    o = (struct mn_once)MN_ONCE_INIT;
    calls = wrong = 0;
    is(mn_once_run(&o, counts, (void *)-5), -5, "%s: an error is returned", k);
    is(mn_once_run(&o, nested, NULL), -EDEADLK, "%s: by the function itself", k);
    is(mn_once_run(&o, NULL, NULL), -EINVAL, "%s: no function", k);
    is(mn_once_run(&o, counts, (void *)7), 0, "%s: success", k);
    is(mn_once_run(&o, counts, (void *)-5), 0, "%s: done", k);
    is(calls, 2, "%s: called until it succeeded", k);

    /* Others wait while one runs it, and are let go by its success. */
    o = (struct mn_once)MN_ONCE_INIT;
    calls = begun = go_on = 0;
    start(&r[0], runs_slow, NULL);
    until(&begun, 1);
    start(&r[1], runs_10ms, NULL);
    finish(&r[1]);
    for (int i = 1; i < 8; i++)
        start(&r[i], runs, NULL);
    nap_ms(3);
    set(&go_on, 1);
    for (int i = 0; i < 8; i++)
        finish(&r[i]);
    ok(calls == 1 && wrong == 0 && result == 0, "%s: 7 wait for one, which is called %d time", k, calls);

    /* After a failure one of those who wait runs it. */
    o = (struct mn_once)MN_ONCE_INIT;
    calls = begun = go_on = 0;
    start(&r[0], runs_slow, (void *)-9);
    until(&begun, 1);
    for (int i = 1; i < 8; i++)
        start(&r[i], runs, NULL);
    nap_ms(3);
    set(&go_on, 1);
    for (int i = 0; i < 8; i++)
        finish(&r[i]);
    ok(calls == 2 && wrong == 0 && result == -9, "%s: one fails, another succeeds: %d calls", k, calls);

    for (int round = 0; round < (int)(200 * scale()); round++) {
        o = (struct mn_once)MN_ONCE_INIT;
        set(&calls, 0);
        for (int i = 0; i < 8; i++)
            start(&r[i], runs, NULL);
        for (int i = 0; i < 8; i++)
            finish(&r[i]);
        wrong += calls != 1;
    }
    ok(wrong == 0, "%s: many rounds", k);
}

static int cancellable(void *arg) {
    (void)arg;
    set(&begun, 1);
    struct mn_event never = MN_EVENT_INIT;
    return mn_event_wait(&never);
}

static void *is_cancelled(void *arg) {
    (void)arg;
    result = mn_once_run(&o, cancellable, NULL);
    return NULL;
}

static int ends(void *arg) {
    (void)arg;
    set(&begun, 1);
    nap_ms(10);
    mn_exit(NULL);
}

static void *exits(void *arg) {
    (void)arg;
    mn_once_run(&o, ends, NULL);
    return NULL;
}

static int leaves(void *arg) {
    (void)arg;
    kind = GREEN;
    o = (struct mn_once)MN_ONCE_INIT;
    begun = calls = 0;
    cancel_in(is_cancelled, NULL, &begun);
    is(result, -ECANCELED, "a function that is cancelled");
    is(mn_once_run(&o, counts, NULL), 0, "leaves it to be done");
    is(calls, 1, "by the next");
    o = (struct mn_once)MN_ONCE_INIT;
    begun = calls = wrong = 0;
    mn_thread t;
    struct runner r;
    mn_go(&t, exits, NULL);
    until(&begun, 1);
    start(&r, runs, NULL);
    mn_join(t, NULL);
    finish(&r);
    ok(calls == 1 && !wrong, "a function that calls mn_exit leaves it to be done by who waits");
    return 0;
}

int main(void) {
    kinds(test);
    mn_run(leaves, NULL, NULL);
    return done();
}
