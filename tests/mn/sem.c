/* Semaphores. */
#include "sync.h"

static struct mn_sem s;
static int result, begun, wrong, rounds, taken;

static void *waits(void *arg) {
    (void)arg;
    add(&begun, 1);
    int r = mn_sem_wait(&s);
    set(&result, r);
    add(&taken, r == 0);
    return NULL;
}

static void *waits_10ms(void *arg) {
    (void)arg;
    int64_t deadline = after_ms(10);
    result = mn_sem_wait_until(&s, deadline);
    if (!late(deadline))
        result = 1;
    return NULL;
}

static void one(void) {
    const char *k = kind_name[kind];
    struct runner r[3];
    is(mn_sem_init(&s, MN_SEM_MAX + 1u), -EINVAL, "%s: too large", k);
    is(mn_sem_init(&s, MN_SEM_MAX), 0, "%s: the largest", k);
    is(mn_sem_post(&s), -EOVERFLOW, "%s: post of the largest", k);
    is((long)mn_sem_value(&s), MN_SEM_MAX, "%s: it is unchanged", k);
    struct mn_sem two = MN_SEM_INIT(2);
    is(mn_sem_trywait(&two) + mn_sem_trywait(&two), 0, "%s: two units", k);
    is(mn_sem_trywait(&two), -EAGAIN, "%s: and no third", k);
    is(mn_sem_init(&s, 0), 0, "%s: none", k);
    is(mn_sem_wait_until(&s, 1), -ETIMEDOUT, "%s: a deadline that had passed", k);
    start(&r[0], waits_10ms, NULL);
    finish(&r[0]);
    is(result, -ETIMEDOUT, "%s: a deadline passes", k);
    begun = taken = 0;
    for (int i = 0; i < 3; i++)
        start(&r[i], waits, NULL);
    until(&begun, 3);
    for (int i = 0; i < 3; i++)
        until_waits(&r[i]);
    is(mn_sem_destroy(&s), -EBUSY, "%s: destroy with threads waiting", k);
    is(mn_sem_post(&s), 0, "%s: post", k);
    until(&taken, 1);
    nap_ms(2);
    ok(get(&taken) == 1 && mn_sem_value(&s) == 0, "%s: one goes on", k);
    mn_sem_post(&s);
    mn_sem_post(&s);
    for (int i = 0; i < 3; i++)
        finish(&r[i]);
    is(taken, 3, "%s: all have gone on", k);
    mn_sem_post(&s);
    is((long)mn_sem_value(&s), 1, "%s: a unit for later", k);
    is(mn_sem_wait_until(&s, 1), 0, "%s: it does not matter that the deadline has passed", k);
    is(mn_sem_destroy(&s), 0, "%s: destroy", k);
}

/* Units are neither lost nor made, also when waiters leave. */
static void *crew(void *arg) {
    uint32_t state = (uint32_t)(uintptr_t)arg * 2654435761u | 1;
    for (int i = 0; i < rounds; i++) {
        bool timed = random_next(&state) % 3 == 0;
        int r = mn_sem_wait_until(&s, timed ? now() + random_next(&state) % 50000 : MN_FOREVER);
        if (r == -ETIMEDOUT && timed)
            continue;
        if (r != 0 || add(&taken, 1) > 3)
            add(&wrong, 1);
        if (i % 8 == 0)
            mn_yield();
        add(&taken, -1);
        mn_sem_post(&s);
    }
    return NULL;
}

static void many(void) {
    struct runner r[8];
    wrong = taken = 0;
    rounds = (int)(5000 * scale());
    mn_sem_init(&s, 3);
    for (int i = 0; i < 8; i++)
        start(&r[i], crew, (void *)(uintptr_t)(i + 1));
    for (int i = 0; i < 8; i++)
        finish(&r[i]);
    ok(wrong == 0 && mn_sem_value(&s) == 3, "%s: 3 units among 8 threads, %d wrong", kind_name[kind], wrong);
    is(mn_sem_destroy(&s), 0, "%s: nobody is left", kind_name[kind]);
}

static void test(void) {
    one();
    many();
}

static int cancelled(void *arg) {
    (void)arg;
    kind = GREEN;
    mn_sem_init(&s, 0);
    begun = 0;
    cancel_in(waits, NULL, &begun);
    is(result, -ECANCELED, "a cancelled wait");
    mn_sem_post(&s);
    is((long)mn_sem_value(&s), 1, "takes nothing");
    return 0;
}

int main(void) {
    kinds(test);
    mn_run(cancelled, NULL, NULL);
    return done();
}
