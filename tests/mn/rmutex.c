/* Recursive mutexes. */
#include "sync.h"

static struct mn_rmutex m = MN_RMUTEX_INIT;
static int result, wrong, rounds;
static long count;

static void *tries(void *arg) {
    (void)arg;
    result = mn_rmutex_trylock(&m);
    if (mn_rmutex_unlock(&m) != -EPERM)
        result = 1;
    return NULL;
}

static void *waits(void *arg) {
    (void)arg;
    result = mn_rmutex_lock_until(&m, after_ms(10));
    return NULL;
}

static int by_other(void *(*fn)(void *)) {
    struct runner r;
    start(&r, fn, NULL);
    finish(&r);
    return result;
}

static void *counts(void *arg) {
    (void)arg;
    for (int i = 0; i < rounds; i++) {
        for (int depth = 0; depth < 3; depth++)
            if (mn_rmutex_lock(&m) != 0)
                add(&wrong, 1);
        count++;
        if (i % 100 == 0)
            mn_yield();
        for (int depth = 0; depth < 3; depth++)
            if (mn_rmutex_unlock(&m) != 0)
                add(&wrong, 1);
    }
    return NULL;
}

static void test(void) {
    const char *k = kind_name[kind];
    mn_rmutex_init(&m);
    is(mn_rmutex_unlock(&m), -EPERM, "%s: unlock of a free one", k);
    is(mn_rmutex_lock(&m), 0, "%s: lock", k);
    is(mn_rmutex_lock(&m), 0, "%s: again", k);
    is(mn_rmutex_trylock(&m), 0, "%s: trylock, again", k);
    is(mn_rmutex_lock_until(&m, after_ms(1)), 0, "%s: lock_until, again", k);
    is(by_other(tries), -EBUSY, "%s: another does not get it", k);
    for (int i = 0; i < 3; i++)
        is(mn_rmutex_unlock(&m), 0, "%s: unlock", k);
    is(by_other(waits), -ETIMEDOUT, "%s: it is held until the last unlock", k);
    is(mn_rmutex_destroy(&m), -EBUSY, "%s: destroy of a held one", k);
    is(mn_rmutex_unlock(&m), 0, "%s: the last unlock", k);
    is(mn_rmutex_unlock(&m), -EPERM, "%s: one too many", k);
    m.again = UINT32_MAX - 1;
    is(mn_rmutex_trylock(&m), 0, "%s: the first lock does not count", k);
    is(mn_rmutex_lock(&m), -EAGAIN, "%s: locked as often as can be counted", k);
    is(mn_rmutex_trylock(&m), -EAGAIN, "%s: by trylock as well", k);
    m.again = 0;
    is(mn_rmutex_unlock(&m), 0, "%s: unlock", k);
    struct runner r[4];
    count = wrong = 0;
    rounds = (int)(5000 * scale());
    for (int i = 0; i < 4; i++)
        start(&r[i], counts, NULL);
    for (int i = 0; i < 4; i++)
        finish(&r[i]);
    ok(count == 4l * rounds && wrong == 0, "%s: %ld sections, %d wrong", k, count, wrong);
    is(mn_rmutex_destroy(&m), 0, "%s: destroy", k);
}

int main(void) {
    kinds(test);
    return done();
}
