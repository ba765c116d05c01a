/* Futures and mn_async, by green threads, foreign LWPs and both. */
#include <errno.h>

#include "kinds.h"

static void test_misuse(void) {
    struct mn_future *f = NULL;
    is(mn_future_create(NULL), -EINVAL, "create: nowhere to store it");
    is(mn_future_set(NULL, NULL), -EINVAL, "set: NULL");
    is(mn_future_fail(NULL, -1), -EINVAL, "fail: NULL");
    is(mn_future_get(NULL, NULL), -EINVAL, "get: NULL");
    ok(!mn_future_ready(NULL), "ready: NULL");
    mn_future_release(NULL);
    ok(mn_future_hold(NULL) == NULL, "hold: NULL");
    is(mn_future_create(&f), 0, "create");
    is(mn_future_fail(f, 0), -EINVAL, "fail: no error");
    is(mn_future_fail(f, 5), -EINVAL, "fail: a positive error");
    ok(!mn_future_ready(f), "it has not failed");
    mn_future_release(f);
    is(mn_async(NULL, NULL, (void *(*)(void *))abort, NULL), -EINVAL, "async: nowhere to store it");
    is(mn_async(&f, NULL, NULL, NULL), -EINVAL, "async: no function");
    is(mn_async(&f, NULL, (void *(*)(void *))abort, NULL), -EPERM, "async: no runtime");
    ok(f == NULL, "there is no future then");
}

static void *get(void *arg) {
    void *value = NULL;
    int r = mn_future_get(arg, &value);
    mn_future_release(arg);
    return r < 0 ? (void *)(intptr_t)r : value;
}

static void *set(void *arg) {
    return (void *)(intptr_t)mn_future_set(arg, &kind);
}

static void test_value(void) {
    enum { WAITERS = 6 };
    for (int failing = 0; failing < 2; failing++) {
        struct mn_future *f;
        struct runner r[WAITERS];
        void *value = &f;
        mn_future_create(&f);
        is(mn_future_get_until(f, &value, 0), -ETIMEDOUT, "%s: no value yet", kind_name[kind]);
        int64_t t = now();
        is(mn_future_get_until(f, &value, after_ms(10)), -ETIMEDOUT, "nor at the deadline");
        ok(now() - t >= 10000000 && value == &f, "which it waits for, and stores nothing");
        for (int i = 0; i < WAITERS; i++)
            start(&r[i], get, mn_future_hold(f));
        nap_ms(5);
        is(failing ? mn_future_fail(f, -EDOM) : mn_future_set(f, &r), 0, failing ? "fail" : "set");
        int good = 0;
        for (int i = 0; i < WAITERS; i++)
            good += finish(&r[i]) == (failing ? (void *)(intptr_t)-EDOM : (void *)&r);
        is(good, WAITERS, "all who wait get it");
        is(mn_future_set(f, NULL), -EALREADY, "set again");
        is(mn_future_fail(f, -1), -EALREADY, "fail after that");
        ok(mn_future_ready(f), "ready");
        is(mn_future_get_until(f, &value, 0), failing ? -EDOM : 0, "who comes later gets it at once");
        ok(value == (failing ? (void *)&f : (void *)&r), "as it was set first");
        mn_future_release(f);
    }
}

/* Set by one of several at the same time as others get it, and released by whoever is last. */
static void test_race(void) {
    enum { SETTERS = 3, GETTERS = 3 };
    int rounds = (int)((kind == GREEN ? 500 : 60) * scale()) + 1, wrong = 0;
    for (int n = 0; n < rounds; n++) {
        struct mn_future *f;
        struct runner s[SETTERS], g[GETTERS];
        mn_future_create(&f);
        for (int i = 0; i < GETTERS; i++)
            start(&g[i], get, mn_future_hold(f));
        for (int i = 0; i < SETTERS; i++)
            start(&s[i], set, f);
        int set_by = 0;
        for (int i = 0; i < SETTERS; i++) {
            long r = (long)finish(&s[i]);
            set_by += r == 0;
            wrong += r != 0 && r != -EALREADY;
        }
        mn_future_release(f);
        wrong += set_by != 1;
        for (int i = 0; i < GETTERS; i++)
            wrong += finish(&g[i]) != &kind;
    }
    is(wrong, 0, "%s: one setter succeeds, each getter gets it", kind_name[kind]);
}

static void *twice(void *arg) {
    return (char *)arg + (intptr_t)arg;
}

static void *leaves(void *arg) {
    mn_exit(arg);
}

static void *waits_for_ever(void *arg) {
    (void)arg;
    return (void *)(intptr_t)mn_select(NULL, 0, MN_FOREVER);
}

static void *give_self(void *arg) {
    *(mn_thread *)arg = mn_self();
    return waits_for_ever(NULL);
}

static void test_async(void) {
    struct mn_future *f = NULL;
    void *value = NULL;
    is(mn_async(&f, NULL, twice, (void *)21), 0, "%s: async", kind_name[kind]);
    is(mn_future_get(f, &value), 0, "get");
    is((long)value, 42, "what its function returned");
    mn_future_release(f);
    is(mn_async(&f, NULL, leaves, (void *)43), 0, "one that leaves by mn_exit");
    is(mn_future_get(f, &value), 0, "get");
    is((long)value, 43, "what it gave");
    mn_future_release(f);
    static const struct mn_attr bound = {.flags = MN_BOUND}, wrong = {.flags = 1u << 30};
    is(mn_async(&f, &bound, leaves, (void *)44), 0, "with an LWP of its own");
    is(mn_future_get(f, &value), 0, "get");
    is((long)value, 44, "what it gave");
    mn_future_release(f);
    is(mn_async(&f, &wrong, twice, NULL), -EINVAL, "attributes that make no sense");
    is(mn_async(&f, NULL, twice, (void *)1), 0, "one whose future nobody wants");
    mn_future_release(f);
    static mn_thread t;
    t = 0;
    is(mn_async(&f, NULL, give_self, &t), 0, "one that waits");
    is(mn_future_get_until(f, &value, after_ms(20)), -ETIMEDOUT, "no value");
    while (!__atomic_load_n(&t, __ATOMIC_ACQUIRE))
        nap_ms(1);
    is(mn_cancel(t), 0, "it is cancelled");
    is(mn_future_get(f, &value), 0, "and settles its future");
    is((long)value, -ECANCELED, "with what it returned then");
    mn_future_release(f);
}

static void all(void) {
    test_value();
    test_race();
    if (kind != FOREIGN) /* there is no runtime then */
        test_async();
}

static int got;
static void *cancelled(void *arg) {
    got = mn_future_get(arg, NULL);
    return NULL;
}

static int test_cancel(void *arg) {
    (void)arg;
    struct mn_future *f;
    mn_thread t;
    mn_future_create(&f);
    mn_go(&t, cancelled, f);
    nap_ms(2);
    mn_cancel(t);
    mn_join(t, NULL);
    is(got, -ECANCELED, "a getter is cancelled");
    is(mn_future_set(f, NULL), 0, "which the setter does not mind");
    mn_future_release(f);
    return 0;
}

/* By foreign LWPs alone, that start threads. */
static void test_embedded(void) {
    struct mn_future *f;
    void *value = NULL;
    is(mn_start(NULL), 0, "start");
    is(mn_async(&f, NULL, twice, (void *)4), 0, "async by a foreign LWP");
    is(mn_future_get(f, &value), 0, "get");
    is((long)value, 8, "the value");
    mn_future_release(f);
    is(mn_stop(MN_FOREVER), 0, "stop");
}

int main(void) {
    test_misuse();
    kinds(all);
    mn_run(test_cancel, NULL, NULL);
    test_embedded();
    return done();
}
