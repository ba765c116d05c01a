/* Thread-local values: keys, destructors, generations, many keys, foreign LWPs and bound threads. */
#include <errno.h>
#include <mn.h>
#include <pthread.h>
#include <stdatomic.h>

#include "tap.h"

static mn_key a, b, again;
static atomic_int destroyed, last, rounds;

static void destructor(void *value) {
    atomic_fetch_add(&destroyed, 1);
    last = (int)(intptr_t)value;
}

static void obstinate(void *value) {
    atomic_fetch_add(&rounds, 1);
    mn_local_set(again, value);
}

static int sets_late_ran;
static void sets_late(void *arg) {
    sets_late_ran++;
    mn_local_set(a, arg);
}

static void *basic(void *arg) {
    if (mn_local_get(a) != NULL || mn_local_get(b) != NULL)
        return "not NULL at first";
    if (mn_local_set(a, arg) != 0 || mn_local_set(b, "b") != 0)
        return "set";
    for (int i = 0; i < 20; i++) {
        mn_yield();
        if (mn_local_get(a) != arg || strcmp(mn_local_get(b), "b") != 0)
            return "another thread's value";
    }
    void **ref = mn_local_ref(a);
    if (!ref || *ref != arg)
        return "ref";
    *ref = "x";
    if (strcmp(mn_local_get(a), "x") != 0)
        return "written through ref";
    *ref = arg;
    return NULL;
}

static void *only_null(void *arg) {
    mn_local_set(a, arg);
    mn_local_set(a, NULL);
    return NULL;
}

static void *deferred(void *arg) {
    mn_defer(sets_late, arg);
    return NULL;
}

static void *forever(void *arg) {
    mn_local_set(again, arg);
    return NULL;
}

static mn_key many[MN_KEYS_MAX];

static void *uses_many(void *arg) {
    (void)arg;
    void **first = mn_local_ref(many[0]);
    for (int i = MN_KEYS_MAX - 4; i >= 0; i--)
        if (mn_local_set(many[i], (void *)(intptr_t)(i + 1)) != 0)
            return "set";
    for (int i = 0; i < MN_KEYS_MAX - 3; i++)
        if ((intptr_t)mn_local_get(many[i]) != i + 1)
            return "get";
    return first == mn_local_ref(many[0]) ? NULL : "it has moved";
}

static const char *run(void *(*fn)(void *), void *arg, unsigned flags) {
    const struct mn_attr attr = {.flags = flags};
    mn_thread t;
    void *result = "not joined";
    if (mn_go_attr(&t, &attr, fn, arg) == 0)
        mn_join(t, &result);
    return result;
}

#define right(expression, what)                                                                              \
    do {                                                                                                     \
        const char *why = (expression);                                                                      \
        ok(!why, "%s%s%s", what, why ? ": " : "", why ? why : "");                                           \
    } while (0)

static mn_key stale;

static void *keeps_stale(void *arg) {
    mn_local_set(stale, "old");
    int before = destroyed;
    if (mn_key_delete(stale) != 0)
        return "delete";
    if (mn_local_get(stale))
        return "a deleted key's value";
    mn_key old = stale;
    /* The lowest free place is the one that was just left. */
    if (mn_key_create(&stale, destructor) != 0 || (uint32_t)stale != (uint32_t)old || stale == old)
        return "the place is used again, under another key";
    if (mn_local_get(stale))
        return "the new key sees the old one's value";
    if (mn_local_set(old, "x") != -EINVAL || mn_local_get(old) || mn_local_ref(old) ||
        mn_key_delete(old) != -EINVAL)
        return "the old key works still";
    if (arg && mn_local_set(stale, "new") != 0)
        return "set";
    return before == destroyed ? NULL : "a destructor ran too early";
}

static int first(void *arg) {
    (void)arg;
    for (unsigned bound = 0; bound <= MN_BOUND; bound += MN_BOUND) {
        const char *kind = bound ? "bound" : "green";
        destroyed = rounds = 0;
        mn_thread t[50];
        const struct mn_attr attr = {.flags = bound};
        for (intptr_t i = 0; i < 50; i++)
            mn_go_attr(&t[i], &attr, basic, (void *)(i + 1));
        for (int i = 0; i < 50; i++) {
            void *result;
            mn_join(t[i], &result);
            if (result)
                ok(0, "%s: %s", kind, (char *)result);
        }
        is(destroyed, 50, "%s: 50 threads, each with its values, destroyed at the end", kind);
        right(run(only_null, (void *)5, bound), "a value set to NULL");
        is(destroyed, 50, "is not destroyed");
        right(run(deferred, (void *)77, bound), "a value that a deferred function set");
        is(last, 77, "is destroyed");
        right(run(forever, (void *)1, bound), "a destructor that sets its value again");
        is(rounds, MN_DESTRUCTOR_ROUNDS, "runs so many times");
        right(run(uses_many, NULL, bound), "all keys");
        destroyed = 0;
        mn_key_create(&stale, destructor);
        right(run(keeps_stale, NULL, bound), "a key that is deleted, and its place used again");
        is(destroyed, 0, "no destructor for the value of a deleted key");
        mn_key_delete(stale);
        mn_key_create(&stale, destructor);
        right(run(keeps_stale, (void *)1, bound), "the same, with a value under the new key");
        is(destroyed, 1, "which is destroyed");
        mn_key_delete(stale);
    }
    return 0;
}

static void *lwp(void *arg) {
    return basic(arg);
}
static void *lwp_many(void *arg) {
    return uses_many(arg);
}

int main(void) {
    is(mn_key_create(&a, destructor), 0, "create");
    is(mn_key_create(&b, NULL), 0, "without a destructor");
    is(mn_key_create(&again, obstinate), 0, "a third");
    ok(a != 0 && a != b, "keys differ");
    is(mn_local_set(0, "x"), -EINVAL, "0 is no key");
    is(mn_local_set(12345, "x"), -EINVAL, "nor is a number");
    is(mn_local_set(((mn_key)1 << 32) | 5000, "x"), -EINVAL, "nor one out of range");
    ok(!mn_local_get(~(mn_key)0) && !mn_local_ref(~(mn_key)0), "get of a bad key");
    is(mn_key_delete(0), -EINVAL, "delete of a bad key");
    is(mn_key_create(NULL, NULL), -EINVAL, "a key for nobody");
    int n = 0;
    while (n < MN_KEYS_MAX && mn_key_create(&many[n], NULL) == 0)
        n++;
    is(n, MN_KEYS_MAX - 3, "so many keys there are");
    mn_key over;
    is(mn_key_create(&over, NULL), -EAGAIN, "and no more");
    mn_key_delete(many[--n]);
    pthread_t t;
    void *result;
    destroyed = 0;
    pthread_create(&t, NULL, lwp, "foreign");
    pthread_join(t, &result);
    right(result, "foreign LWP, without a runtime");
    is(destroyed, 1, "its value is destroyed as it ends");
    many[n] = a; /* a value in all places */
    n = destroyed;
    is(mn_key_create(&many[MN_KEYS_MAX - 4], NULL), 0, "the last one again");
    pthread_create(&t, NULL, lwp_many, NULL);
    pthread_join(t, &result);
    right(result, "foreign LWP: all keys");
    mn_key_delete(many[MN_KEYS_MAX - 4]);
    many[MN_KEYS_MAX - 4] = b;
    mn_local_set(a, "main's");
    is(mn_run(first, NULL, NULL), 0, "mn_run");
    ok(mn_local_get(a) && strcmp(mn_local_get(a), "main's") == 0, "main has its value still");
    return done();
}
