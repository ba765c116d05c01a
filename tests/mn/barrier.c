/* Barriers. */
#include "sync.h"

enum { CREW = 6 };
static struct mn_barrier b;
static int result, begun, wrong, rounds, serials, arrived;

static void *goes_round(void *arg) {
    (void)arg;
    for (int i = 0; i < rounds; i++) {
        add(&arrived, 1);
        int r = mn_barrier_wait(&b);
        if (get(&arrived) < (i + 1) * CREW)
            add(&wrong, 1); /* somebody had not come */
        if (r == MN_BARRIER_SERIAL)
            add(&serials, 1);
        else if (r != 0)
            add(&wrong, 1);
    }
    return NULL;
}

static void *waits(void *arg) {
    (void)arg;
    add(&begun, 1);
    result = mn_barrier_wait(&b);
    return NULL;
}

static void *waits_10ms(void *arg) {
    (void)arg;
    int64_t deadline = after_ms(10);
    result = mn_barrier_wait_until(&b, deadline);
    if (!late(deadline))
        result = 1;
    return NULL;
}

/* Deadlines beside arrivals: who passes, passes with a full barrier. */
static int passed;

static void *waits_briefly(void *arg) {
    uint32_t state = (uint32_t)(uintptr_t)arg * 2654435761u | 1;
    for (int i = 0; i < rounds; i++) {
        int r = mn_barrier_wait_until(&b, now() + random_next(&state) % 100000);
        if (r >= 0)
            add(&passed, 1);
        if (r == MN_BARRIER_SERIAL)
            add(&serials, 1);
        else if (r != 0 && r != -ETIMEDOUT)
            add(&wrong, 1);
    }
    return NULL;
}

static void test(void) {
    const char *k = kind_name[kind];
    struct runner r[CREW];
    is(mn_barrier_init(&b, 0), -EINVAL, "%s: for nobody", k);
    struct mn_barrier zero = {0};
    is(mn_barrier_wait(&zero), -EINVAL, "%s: wait at one for nobody", k);
    is(mn_barrier_init(&b, 1), 0, "%s: for one", k);
    is(mn_barrier_wait(&b), MN_BARRIER_SERIAL, "%s: which passes", k);
    mn_barrier_init(&b, 2);
    start(&r[0], waits_10ms, NULL);
    finish(&r[0]);
    is(result, -ETIMEDOUT, "%s: a deadline passes", k);
    begun = 0;
    start(&r[0], waits, NULL);
    until(&begun, 1);
    until_waits(&r[0]);
    is(mn_barrier_destroy(&b), -EBUSY, "%s: destroy with a thread waiting", k);
    is(mn_barrier_wait(&b), MN_BARRIER_SERIAL, "%s: who timed out was not counted", k);
    finish(&r[0]);
    is(result, 0, "%s: the other passed", k);
    is(mn_barrier_destroy(&b), 0, "%s: destroy", k);

    serials = wrong = arrived = 0;
    rounds = (int)(1000 * scale());
    mn_barrier_init(&b, CREW);
    for (int i = 0; i < CREW; i++)
        start(&r[i], goes_round, NULL);
    for (int i = 0; i < CREW; i++)
        finish(&r[i]);
    ok(serials == rounds && wrong == 0, "%s: %d rounds of %d threads, %d wrong", k, serials, CREW, wrong);
    is(mn_barrier_destroy(&b), 0, "%s: nobody is left", k);

    serials = wrong = passed = 0;
    mn_barrier_init(&b, 3);
    for (int i = 0; i < CREW; i++)
        start(&r[i], waits_briefly, (void *)(uintptr_t)(i + 1));
    for (int i = 0; i < CREW; i++)
        finish(&r[i]);
    ok(wrong == 0 && passed == serials * 3, "%s: with deadlines: %d passed in %d rounds of 3", k, passed,
       serials);
    is(mn_barrier_destroy(&b), 0, "%s: nobody is left", k);
}

static int cancelled(void *arg) {
    (void)arg;
    kind = GREEN;
    mn_barrier_init(&b, 2);
    begun = 0;
    cancel_in(waits, NULL, &begun);
    is(result, -ECANCELED, "a cancelled wait");
    is(mn_barrier_destroy(&b), 0, "is not counted");
    return 0;
}

int main(void) {
    kinds(test);
    mn_run(cancelled, NULL, NULL);
    return done();
}
