/* Read-write locks. */
#include "sync.h"

static struct mn_rwlock l = MN_RWLOCK_INIT;
static int result, begun, wrong, rounds, readers, writers, most, entered;

static void *tries_both(void *arg) {
    int *r = arg;
    r[0] = mn_rwlock_tryrdlock(&l);
    if (r[0] == 0)
        mn_rwlock_unlock(&l);
    r[1] = mn_rwlock_trywrlock(&l);
    if (r[1] == 0)
        mn_rwlock_unlock(&l);
    r[2] = mn_rwlock_rdlock_until(&l, after_ms(5));
    if (r[2] == 0)
        mn_rwlock_unlock(&l);
    r[3] = mn_rwlock_wrlock_until(&l, after_ms(5));
    if (r[3] == 0)
        mn_rwlock_unlock(&l);
    return NULL;
}

static void *unlocks(void *arg) {
    (void)arg;
    result = mn_rwlock_unlock(&l);
    return NULL;
}

static void *writes(void *arg) {
    (void)arg;
    set(&begun, 1);
    result = mn_rwlock_wrlock(&l);
    add(&entered, 1);
    mn_rwlock_unlock(&l);
    return NULL;
}

static void *writes_until(void *arg) {
    set(&begun, 1);
    set(&result, mn_rwlock_wrlock_until(&l, after_ms(*(int *)arg)));
    return NULL;
}

static void *reads(void *arg) {
    (void)arg;
    if (mn_rwlock_rdlock(&l) != 0)
        add(&wrong, 1);
    add(&entered, 1);
    mn_rwlock_unlock(&l);
    return NULL;
}

static void by_other(void *(*fn)(void *), void *arg) {
    struct runner r;
    start(&r, fn, arg);
    finish(&r);
}

static void one(void) {
    const char *k = kind_name[kind];
    int r[4];
    struct runner a, b;
    mn_rwlock_init(&l);
    is(mn_rwlock_unlock(&l), -EPERM, "%s: unlock of a free one", k);
    is(mn_rwlock_rdlock(&l), 0, "%s: read lock", k);
    by_other(tries_both, r);
    ok(r[0] == 0 && r[1] == -EBUSY && r[2] == 0 && r[3] == -ETIMEDOUT, "%s: beside a reader: %d %d %d %d", k,
       r[0], r[1], r[2], r[3]);
    is(mn_rwlock_destroy(&l), -EBUSY, "%s: destroy of a held one", k);
    is(mn_rwlock_unlock(&l), 0, "%s: unlock", k);
    is(mn_rwlock_wrlock(&l), 0, "%s: write lock", k);
    by_other(tries_both, r);
    ok(r[0] == -EBUSY && r[1] == -EBUSY && r[2] == -ETIMEDOUT && r[3] == -ETIMEDOUT,
       "%s: beside a writer: %d %d %d %d", k, r[0], r[1], r[2], r[3]);
    is(mn_rwlock_wrlock(&l), -EDEADLK, "%s: the writer again", k);
    is(mn_rwlock_rdlock(&l), -EDEADLK, "%s: the writer as a reader", k);
    by_other(unlocks, NULL);
    is(result, -EPERM, "%s: unlock by another than the writer", k);
    is(mn_rwlock_unlock(&l), 0, "%s: unlock", k);
    is(mn_rwlock_unlock(&l), -EPERM, "%s: once too often", k);

    /* A writer that waits keeps new readers out; when it gives up, they come in. */
    mn_rwlock_rdlock(&l);
    entered = wrong = 0;
    int tried = 0;
    for (int ms = 100; ms < 10000 && tried == 0; ms *= 3) { /* on a busy machine it may have given up before */
        begun = 0, result = 77;
        start(&a, writes_until, &ms);
        until(&begun, 1);
        until_waits(&a);
        tried = mn_rwlock_tryrdlock(&l);
        if (tried == 0) {
            mn_rwlock_unlock(&l);
            if (get(&result) == 77)
                break;
            finish(&a);
        }
    }
    is(tried, -EBUSY, "%s: a reader does not pass a writer that waits", k);
    start(&b, reads, NULL);
    until(&entered, 1);
    finish(&a);
    finish(&b);
    is(result, -ETIMEDOUT, "%s: the writer gave up, and the reader came in", k);
    begun = 0;
    start(&a, writes, NULL);
    until(&begun, 1);
    until_waits(&a);
    is(entered, 1, "%s: a writer waits for the reader", k);
    mn_rwlock_unlock(&l);
    finish(&a);
    ok(entered == 2 && result == 0 && !wrong, "%s: and goes in after it", k);
    is(mn_rwlock_destroy(&l), 0, "%s: destroy", k);
}

static int sum_a, sum_b;

static void *crew(void *arg) {
    uint32_t state = (uint32_t)(uintptr_t)arg * 2654435761u | 1;
    for (int i = 0; i < rounds; i++) {
        bool write = random_next(&state) % 4 == 0, timed = random_next(&state) % 8 == 0;
        int64_t deadline = timed ? now() + random_next(&state) % 100000 : MN_FOREVER;
        int r = write ? mn_rwlock_wrlock_until(&l, deadline) : mn_rwlock_rdlock_until(&l, deadline);
        if (r == -ETIMEDOUT && timed)
            continue;
        if (r != 0) {
            add(&wrong, 1);
            continue;
        }
        if (write) {
            if (add(&writers, 1) != 1 || get(&readers) != 0)
                add(&wrong, 1);
            sum_a++;
            if (i % 16 == 0)
                mn_yield();
            sum_b++;
            add(&writers, -1);
        } else {
            int n = add(&readers, 1);
            if (n > get(&most))
                set(&most, n);
            if (get(&writers) != 0 || sum_a != sum_b)
                add(&wrong, 1);
            if (i % 16 == 0)
                mn_yield();
            add(&readers, -1);
        }
        if (mn_rwlock_unlock(&l) != 0)
            add(&wrong, 1);
    }
    return NULL;
}

static void many(void) {
    struct runner r[8];
    wrong = most = readers = writers = 0;
    rounds = (int)(5000 * scale());
    for (int i = 0; i < 8; i++)
        start(&r[i], crew, (void *)(uintptr_t)(i + 1));
    for (int i = 0; i < 8; i++)
        finish(&r[i]);
    ok(wrong == 0 && most > 1, "%s: a crew, at most %d readers at once, %d wrong", kind_name[kind], most,
       wrong);
    is(mn_rwlock_destroy(&l), 0, "%s: nobody is left", kind_name[kind]);
}

/* Readers that overlap without end do not keep a writer out, nor writers a reader. */
static int stop;

static void *keeps_on(void *arg) {
    bool write = arg != NULL;
    while (!get(&stop)) {
        if ((write ? mn_rwlock_wrlock(&l) : mn_rwlock_rdlock(&l)) != 0)
            add(&wrong, 1);
        add(&begun, 1);
        mn_yield();
        mn_rwlock_unlock(&l);
    }
    return NULL;
}

static void starve(bool write) {
    struct runner r[3];
    int got = 0;
    stop = begun = wrong = 0;
    for (int i = 0; i < 3; i++)
        start(&r[i], keeps_on, write ? NULL : &l);
    until(&begun, 3);
    for (int64_t end = after_ms(30000); got < 20 && now() < end; got++) {
        if ((write ? mn_rwlock_wrlock(&l) : mn_rwlock_rdlock(&l)) != 0)
            break;
        mn_rwlock_unlock(&l);
    }
    set(&stop, 1);
    for (int i = 0; i < 3; i++)
        finish(&r[i]);
    ok(got == 20 && wrong == 0, "%s: a %s among others, %d of 20 times", kind_name[kind],
       write ? "writer" : "reader", got);
}

static void test(void) {
    one();
    many();
    starve(true);
    starve(false);
}

static void *cancelled_waits(void *arg) {
    set(&begun, 1);
    result = arg ? mn_rwlock_wrlock(&l) : mn_rwlock_rdlock(&l);
    return NULL;
}

static int cancelled(void *arg) {
    (void)arg;
    kind = GREEN;
    mn_rwlock_wrlock(&l);
    for (int write = 0; write < 2; write++) {
        begun = 0;
        cancel_in(cancelled_waits, write ? &l : NULL, &begun);
        is(result, -ECANCELED, "a cancelled %s", write ? "writer" : "reader");
    }
    is(mn_rwlock_unlock(&l), 0, "the writer has it still");
    is(mn_rwlock_destroy(&l), 0, "and nobody is left");
    return 0;
}

int main(void) {
    kinds(test);
    mn_run(cancelled, NULL, NULL);
    return done();
}
