/* workers: 1 2 3 8 */
/*
 * Read-write locks that are read on several CPUs at once.  Such a lock is biased where readers disturb each
 * other, which no test can force, nor see: all is done over and over, after bursts of readers that make it
 * likely, and has to come out right in any case.
 */
#include "sync.h"

enum { LOCKS = 8 };
static struct mn_rwlock locks[LOCKS], *const l = &locks[0];
static struct {
    int writers, readers, one, two; /* one and two: guarded by the lock, and equal */
} inside[LOCKS];
static int wrong, here, rounds;

/* Says what was wrong; most of all go right without a word. */
static void expected(int got, int want, int line) {
    if (got == want)
        return;
    add(&wrong, 1);
    printf("# line %d: %d, not %d\n", line, got, want);
    fflush(stdout);
}
#define expect(got, want) expected(got, want, __LINE__)

/* Readers that do nothing else, on several CPUs if there are. */
static void *bursts(void *arg) {
    (void)arg;
    add(&here, 1);
    for (int64_t end = now() + 200000; get(&here) < 2 && now() < end;)
        continue;
    for (int i = 0; i < 300; i++) {
        expect(mn_rwlock_rdlock(l), 0);
        expect(mn_rwlock_unlock(l), 0);
    }
    return NULL;
}

static void burst(void) {
    struct runner r[3];
    here = 0;
    for (int i = 0; i < 3; i++)
        start(&r[i], bursts, NULL);
    for (int i = 0; i < 3; i++)
        finish(&r[i]);
}

static int result[4];

static void *looks(void *arg) {
    (void)arg;
    result[0] = mn_rwlock_tryrdlock(l);
    result[1] = mn_rwlock_trywrlock(l);
    result[2] = mn_rwlock_wrlock_until(l, now() + 50000);
    result[3] = result[0] == 0 ? mn_rwlock_unlock(l) : 0;
    return NULL;
}

/* What calls return at a lock that is free, or held for reading, and is biased. */
static void results(void) {
    struct runner other;
    wrong = 0;
    for (int i = 0; i < rounds; i++) {
        mn_rwlock_init(l);
        burst();
        expect(mn_rwlock_unlock(l), -EPERM);
        burst();
        expect(mn_rwlock_trywrlock(l), 0); /* nobody holds it */
        expect(mn_rwlock_unlock(l), 0);
        burst();
        expect(mn_rwlock_wrlock_until(l, 0), 0);
        expect(mn_rwlock_unlock(l), 0);
        burst();
        for (int n = 0; n < 300; n++) /* more than a slot counts */
            expect(mn_rwlock_rdlock(l), 0);
        expect(mn_rwlock_destroy(l), -EBUSY);
        for (int n = 0; n < 299; n++)
            expect(mn_rwlock_unlock(l), 0);
        burst();
        start(&other, looks, NULL);
        finish(&other);
        expect(result[0], 0);
        expect(result[1], -EBUSY);
        expect(result[2], -ETIMEDOUT);
        expect(result[3], 0);
        expect(mn_rwlock_unlock(l), 0);
        expect(mn_rwlock_unlock(l), -EPERM);
        burst();
        expect(mn_rwlock_destroy(l), 0);
    }
    is(wrong, 0, "%s: results after bursts of readers", kind_name[kind]);
}

/* ---- threads that lock, go on elsewhere, and unlock there */

static int take(int n, bool write, uint32_t *random) {
    struct mn_rwlock *lock = &locks[n];
    int64_t deadline = now() + random_next(random) % 50000;
    int how = random_next(random) % 8, want = how == 0 ? -EBUSY : -ETIMEDOUT, r;
    if (how == 0)
        r = write ? mn_rwlock_trywrlock(lock) : mn_rwlock_tryrdlock(lock);
    else if (how == 1)
        r = write ? mn_rwlock_wrlock_until(lock, deadline) : mn_rwlock_rdlock_until(lock, deadline);
    else
        r = write ? mn_rwlock_wrlock(lock) : mn_rwlock_rdlock(lock);
    if (r != 0)
        expect(r, how < 2 ? want : 0);
    return r;
}

static void travel(uint32_t *random) {
    int how = random_next(random) % 64;
    if (how < 4)
        mn_yield();
    else if (how == 4)
        mn_select(NULL, 0, now() + random_next(random) % 30000);
}

static void writes(int n, uint32_t *random) {
    if (take(n, true, random) != 0)
        return;
    if (add(&inside[n].writers, 1) != 1 || get(&inside[n].readers) != 0)
        add(&wrong, 1);
    inside[n].one++;
    travel(random);
    inside[n].two++;
    add(&inside[n].writers, -1);
    expect(mn_rwlock_unlock(&locks[n]), 0);
}

/* Several, in their order: writers wait for them. */
static void reads(int n, uint32_t *random) {
    if (n == LOCKS || take(n, false, random) != 0)
        return;
    bool count = random_next(random) % 8 == 0;
    if (count)
        add(&inside[n].readers, 1);
    travel(random);
    if (random_next(random) % 4 == 0)
        reads(n + 1, random);
    if (get(&inside[n].writers) != 0 || inside[n].one != inside[n].two)
        add(&wrong, 1);
    if (count)
        add(&inside[n].readers, -1);
    expect(mn_rwlock_unlock(&locks[n]), 0);
}

static void *crew(void *arg) {
    uint32_t random = (uint32_t)(uintptr_t)arg * 2654435761u | 1;
    for (int i = 0; i < rounds; i++) {
        int n = random_next(&random) % 4 ? 0 : (int)(random_next(&random) % LOCKS);
        if (random_next(&random) % 512 == 0)
            writes(n, &random);
        else
            reads(n, &random);
    }
    return NULL;
}

static void travellers(void) {
    struct runner r[8];
    wrong = 0;
    memset(inside, 0, sizeof inside);
    for (int i = 0; i < 8; i++)
        start(&r[i], crew, (void *)(uintptr_t)(i + 1));
    for (int i = 0; i < 8; i++)
        finish(&r[i]);
    is(wrong, 0, "%s: readers that unlock elsewhere, and writers", kind_name[kind]);
    for (int i = 0; i < LOCKS; i++) {
        expect(mn_rwlock_trywrlock(&locks[i]), 0);
        expect(mn_rwlock_unlock(&locks[i]), 0);
        expect(mn_rwlock_destroy(&locks[i]), 0);
    }
    is(wrong, 0, "%s: and nobody is left", kind_name[kind]);
}

/* ---- readers and writers by turns, and holds that go from thread to thread */

static int passed, writing;

/* Has a hold that another thread left, or one of its own. */
static bool gets(void) {
    for (int n; (n = get(&passed)) > 0;)
        if (__atomic_compare_exchange_n(&passed, &n, n - 1, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
            return true;
    return mn_rwlock_tryrdlock(l) == 0;
}

static void *turns(void *arg) {
    uint32_t random = (uint32_t)(uintptr_t)arg * 2654435761u | 1;
    for (int i = 0; i < rounds; i++) {
        for (int n = (int)(random_next(&random) % 128); n > 0; n--) {
            bool pass = random_next(&random) % 16 == 0;
            if (pass ? !gets() : mn_rwlock_tryrdlock(l) != 0)
                continue;
            if (get(&writing))
                add(&wrong, 1);
            if (pass && get(&passed) < 2)
                add(&passed, 1);
            else
                expect(mn_rwlock_unlock(l), 0);
        }
        /* Not for ever: a hold may lie there. */
        if ((i % 64 ? mn_rwlock_trywrlock(l) : mn_rwlock_wrlock_until(l, now() + 30000)) == 0) {
            if (add(&writing, 1) != 1)
                add(&wrong, 1);
            add(&writing, -1);
            expect(mn_rwlock_unlock(l), 0);
        }
    }
    return NULL;
}

static void turn(void) {
    struct runner r[3];
    wrong = 0;
    mn_rwlock_init(l);
    for (int i = 0; i < 3; i++)
        start(&r[i], turns, (void *)(uintptr_t)(i + 1));
    for (int i = 0; i < 3; i++)
        finish(&r[i]);
    for (; passed; passed--)
        expect(mn_rwlock_unlock(l), 0);
    expect(mn_rwlock_unlock(l), -EPERM);
    expect(mn_rwlock_destroy(l), 0);
    is(wrong, 0, "%s: threads that read and write by turns", kind_name[kind]);
}

static void test(void) {
    rounds = (int)(20 * scale());
    results();
    rounds = (int)(3000 * scale());
    travellers();
    rounds = (int)(10000 * scale());
    turn();
}

/* ---- several runtimes, and none */

static int leaves(void *arg) {
    (void)arg;
    kind = GREEN;
    burst();
    expect(mn_rwlock_rdlock(l), 0);
    burst();
    return 0;
}

static void runtimes(void) {
    wrong = 0;
    for (int i = 0; i < 10; i++) {
        struct mn_config c = {.workers = (unsigned)(i % 4 + 1)};
        mn_run(leaves, NULL, &c);
        expect(mn_rwlock_destroy(l), -EBUSY);
        expect(mn_rwlock_trywrlock(l), -EBUSY);
        mn_run(leaves, NULL, NULL);
        expect(mn_rwlock_unlock(l), 0);
        expect(mn_rwlock_trywrlock(l), -EBUSY);
        expect(mn_rwlock_unlock(l), 0);
        expect(mn_rwlock_unlock(l), -EPERM);
        expect(mn_rwlock_trywrlock(l), 0);
        expect(mn_rwlock_unlock(l), 0);
    }
    is(wrong, 0, "runtimes one after the other, with the same lock");
}

/* ---- a lock where another one lay that was held.  One in a thousand is taken for that one. */

static int remade(void *arg) {
    int *taken = arg;
    for (int i = 0; i < 40; i++) {
        leaves(NULL);
        mn_rwlock_init(l);
        burst();
        if (mn_rwlock_trywrlock(l) != 0)
            ++*taken;
        mn_rwlock_init(l);
    }
    return 0;
}

int main(void) {
    kinds(test);
    runtimes();
    setenv("MN_SHAKE", "20", 1); /* hand-offs of cpus */
    kinds(test);
    int taken = 0;
    mn_run(remade, &taken, NULL); /* last: what it leaves is there as long as the process */
    ok(taken < 4, "a lock made anew, %d times held at once", taken);
    return done();
}
