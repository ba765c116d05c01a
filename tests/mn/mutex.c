/* Mutexes: what each call promises, by green threads, foreign LWPs and both. */
#include "sync.h"

static struct mn_mutex m = MN_MUTEX_INIT;
static int begun, result;

static void *other_unlocks(void *arg) {
    (void)arg;
    result = mn_mutex_unlock(&m);
    return NULL;
}

static void *other_tries(void *arg) {
    (void)arg;
    result = mn_mutex_trylock(&m);
    return NULL;
}

static void *other_waits(void *arg) {
    (void)arg;
    int64_t deadline = after_ms(20);
    result = mn_mutex_lock_until(&m, deadline);
    if (!late(deadline))
        result = 1;
    return NULL;
}

static void *other_locks(void *arg) {
    (void)arg;
    set(&begun, 1);
    result = mn_mutex_lock(&m);
    if (result == 0)
        mn_mutex_unlock(&m);
    return NULL;
}

static int by_other(void *(*fn)(void *)) {
    struct runner r;
    result = 77;
    start(&r, fn, NULL);
    finish(&r);
    return result;
}

static void one(void) {
    const char *k = kind_name[kind];
    mn_mutex_init(&m);
    is(mn_mutex_unlock(&m), -EPERM, "%s: unlock of a free mutex", k);
    is(mn_mutex_lock(&m), 0, "%s: lock", k);
    is(mn_mutex_lock(&m), -EDEADLK, "%s: lock of one's own", k);
    is(mn_mutex_lock_until(&m, after_ms(1)), -EDEADLK, "%s: lock_until of one's own", k);
    is(mn_mutex_trylock(&m), -EBUSY, "%s: trylock of one's own", k);
    is(by_other(other_unlocks), -EPERM, "%s: unlock by another", k);
    is(by_other(other_tries), -EBUSY, "%s: trylock of a held mutex", k);
    is(by_other(other_waits), -ETIMEDOUT, "%s: deadline", k);
    is(mn_mutex_destroy(&m), -EBUSY, "%s: destroy of a held mutex", k);
    struct runner r;
    begun = 0;
    start(&r, other_locks, NULL);
    until(&begun, 1);
    until_waits(&r);
    is(mn_mutex_unlock(&m), 0, "%s: unlock with a waiter", k);
    finish(&r);
    is(result, 0, "%s: the waiter got it", k);
    is(mn_mutex_destroy(&m), 0, "%s: destroy", k);
    is(mn_mutex_lock_until(&m, 1), 0, "%s: a deadline that has passed does not matter for a free mutex", k);
    is(mn_mutex_unlock(&m), 0, "%s: unlock", k);
}

/* Threads of any kind count together; each section also notes who is inside. */
enum { CREW = 8 };
static int inside, wrong, rounds;
static long count;

static void *counts(void *arg) {
    (void)arg;
    for (int i = 0; i < rounds; i++) {
        int r = i % 7 == 3 ? mn_mutex_lock_until(&m, after_ms(100000)) : mn_mutex_lock(&m);
        if (r != 0 || add(&inside, 1) != 1)
            add(&wrong, 1);
        count++;
        if (i % 64 == 0)
            mn_yield(); /* away while it holds the mutex */
        add(&inside, -1);
        if (mn_mutex_unlock(&m) != 0)
            add(&wrong, 1);
    }
    return NULL;
}

static void many(void) {
    struct runner r[CREW];
    mn_mutex_init(&m);
    count = wrong = 0;
    rounds = (int)(20000 * scale());
    for (int i = 0; i < CREW; i++)
        start(&r[i], counts, NULL);
    for (int i = 0; i < CREW; i++)
        finish(&r[i]);
    ok(count == (long)CREW * rounds && wrong == 0, "%s: %d threads, %ld sections, %d wrong", kind_name[kind],
       CREW, count, wrong);
    is(mn_mutex_destroy(&m), 0, "%s: nobody is left in it", kind_name[kind]);
}

/* Who waits gets its turn although another locks and unlocks without a pause. */
static int stop;

static void *hogs(void *arg) {
    (void)arg;
    while (!get(&stop)) {
        if (mn_mutex_lock(&m) != 0)
            add(&wrong, 1);
        set(&begun, 1);
        mn_mutex_unlock(&m);
    }
    return NULL;
}

static void turns(void) {
    struct runner r;
    int got = 0;
    mn_mutex_init(&m);
    begun = stop = wrong = 0;
    start(&r, hogs, NULL);
    until(&begun, 1);
    int64_t end = after_ms(30000);
    while (got < 20 && now() < end && mn_mutex_lock(&m) == 0) {
        got++;
        mn_mutex_unlock(&m);
    }
    set(&stop, 1);
    finish(&r);
    ok(got == 20 && !wrong, "%s: %d of 20 turns beside one who does not pause", kind_name[kind], got);
}

static void test(void) {
    one();
    many();
    turns();
}

static void *cancelled_waits(void *arg) {
    (void)arg;
    set(&begun, 1);
    result = mn_mutex_lock(&m);
    is(mn_mutex_trylock(&m), -EBUSY, "cancelled: trylock works as ever");
    mn_shield(true);
    is(mn_mutex_lock_until(&m, after_ms(2)), -ETIMEDOUT, "shielded: a wait waits");
    mn_shield(false);
    struct mn_mutex free_one = MN_MUTEX_INIT;
    is(mn_mutex_lock(&free_one), -ECANCELED, "cancelled: also a free mutex is not locked");
    is(mn_mutex_trylock(&free_one), 0, "but by trylock");
    is(mn_mutex_unlock(&free_one), 0, "and unlocked");
    return NULL;
}

static int cancelled(void *arg) {
    (void)arg;
    kind = GREEN;
    mn_mutex_init(&m);
    begun = 0;
    mn_mutex_lock(&m);
    cancel_in(cancelled_waits, NULL, &begun);
    is(result, -ECANCELED, "a cancelled wait");
    is(mn_mutex_unlock(&m), 0, "the mutex is still the owner's");
    is(mn_mutex_destroy(&m), 0, "and nobody is left in it");
    return 0;
}

enum { SECTIONS = 20000 };

/* It never lets others run but while it holds the mutex. */
static void *rests_inside(void *arg) {
    (void)arg;
    for (int i = 0; i < SECTIONS; i++) {
        mn_mutex_lock(&m);
        mn_yield();
        mn_mutex_unlock(&m);
    }
    set(&stop, 1);
    return NULL;
}

static void *wants_it(void *arg) {
    int *got = arg;
    while (!get(&stop)) {
        mn_mutex_lock(&m);
        ++*got;
        mn_mutex_unlock(&m);
        mn_yield();
    }
    return NULL;
}

/* Whom an owner calls, and who finds it at rest inside, is called again, but not for ever. */
static int called_in_vain(void *arg) {
    (void)arg;
    mn_thread t[3];
    int got[2] = {0};
    mn_mutex_init(&m);
    stop = 0;
    mn_go(&t[0], rests_inside, NULL);
    for (int i = 0; i < 2; i++)
        mn_go(&t[i + 1], wants_it, &got[i]);
    for (int i = 0; i < 3; i++)
        mn_join(t[i], NULL);
    ok(got[0] > SECTIONS / 1000 && got[1] > SECTIONS / 1000,
       "%d and %d sections beside %d of one who rests in them", got[0], got[1], SECTIONS);
    return 0;
}

int main(void) {
    kinds(test);
    mn_run(cancelled, NULL, NULL);
    mn_run(called_in_vain, NULL, &(struct mn_config){.workers = 1});
    return done();
}
