/* timeout: 120 */
/*
 * The objects of mn/sync.h under random delays: threads of both kinds that come, wait with and without
 * deadlines, are cancelled, and leave.  What has to hold at the end is counted.
 */
#include "sync.h"

enum { CREW = 24 };

static struct mn_mutex m = MN_MUTEX_INIT, n = MN_MUTEX_INIT;
static struct mn_cond c = MN_COND_INIT;
static struct mn_rwlock l = MN_RWLOCK_INIT;
static struct mn_sem s = MN_SEM_INIT(2);
static int wrong, inside_m, inside_l, stop, cancels, waiting;
static long in_m, out_m, signals, consumed, gave_up, sections;

/* Mostly nothing; sometimes a while on the CPU, a yield, or a nap. */
static void delay(uint32_t *state) {
    unsigned r = random_next(state) % 1000;
    if (r < 600)
        return;
    if (r < 960)
        for (volatile unsigned i = r - 600; i > 0; i--)
            ;
    else if (r < 998)
        mn_yield();
    else
        nap_ms(1);
}

static int64_t some_time(uint32_t *state) {
    return random_next(state) % 2 ? MN_FOREVER : now() + random_next(state) % 300000;
}

/* Whether a call succeeded; a deadline or a cancellation is no fault. */
static bool good(int r) {
    if (r != 0 && r != -ETIMEDOUT && r != -ECANCELED)
        add(&wrong, 1);
    return r == 0;
}

static void locks(struct mn_mutex *which, uint32_t *state) {
    if (!good(mn_mutex_lock_until(which, some_time(state))))
        return;
    if (which == &m) {
        if (add(&inside_m, 1) != 1)
            add(&wrong, 1);
        in_m++;
        delay(state);
        out_m++;
        add(&inside_m, -1);
    } else {
        delay(state);
    }
    if (mn_mutex_unlock(which) != 0)
        add(&wrong, 1);
}

static void waits(uint32_t *state) {
    if (!good(mn_mutex_lock_until(&m, some_time(state))))
        return;
    waiting++;
    int r = mn_cond_wait_until(&c, &m, now() + random_next(state) % 300000);
    if (add(&inside_m, 1) != 1)
        add(&wrong, 1);
    waiting--;
    good(r) ? consumed++ : gave_up++;
    add(&inside_m, -1);
    if (mn_mutex_unlock(&m) != 0)
        add(&wrong, 1);
}

static void signals_some(uint32_t *state) {
    bool held = random_next(state) % 2 && mn_mutex_lock(&m) == 0;
    int sent = random_next(state) % 4 ? mn_cond_signal(&c) : mn_cond_broadcast(&c);
    __atomic_add_fetch(&signals, sent, __ATOMIC_RELAXED);
    if (held && mn_mutex_unlock(&m) != 0)
        add(&wrong, 1);
}

static void reads_or_writes(uint32_t *state) {
    bool write = random_next(state) % 3 == 0;
    int64_t deadline = some_time(state);
    if (!good(write ? mn_rwlock_wrlock_until(&l, deadline) : mn_rwlock_rdlock_until(&l, deadline)))
        return;
    int before = add(&inside_l, write ? 1000 : 1);
    if (write ? before != 1000 : before >= 1000)
        add(&wrong, 1);
    delay(state);
    add(&inside_l, write ? -1000 : -1);
    if (mn_rwlock_unlock(&l) != 0)
        add(&wrong, 1);
}

static void takes(uint32_t *state) {
    if (good(mn_sem_wait_until(&s, some_time(state)))) {
        delay(state);
        mn_sem_post(&s);
    }
}

static void *crew(void *arg) {
    uint32_t state = (uint32_t)(uintptr_t)arg * 2654435761u | 1;
    while (!get(&stop) && !mn_cancelled()) {
        switch (random_next(&state) % 8) {
        case 0:
        case 1:
            locks(&m, &state);
            break;
        case 2:
            locks(&n, &state);
            break;
        case 3:
            waits(&state);
            break;
        case 4:
        case 5:
            signals_some(&state);
            break;
        case 6:
            reads_or_writes(&state);
            break;
        case 7:
            takes(&state);
            break;
        }
        delay(&state);
        __atomic_add_fetch(&sections, 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

static void test(void) {
    struct runner r[CREW];
    uint32_t state = 77;
    uintptr_t number = 1;
    wrong = inside_m = inside_l = stop = cancels = waiting = 0;
    in_m = out_m = signals = consumed = gave_up = sections = 0;
    for (int i = 0; i < CREW; i++)
        start(&r[i], crew, (void *)number++);
    for (int64_t end = now() + (int64_t)(1.5e9 * scale()); now() < end;) {
        nap_ms(2);
        struct runner *some = &r[random_next(&state) % CREW];
        if (!some->green)
            continue;
        mn_cancel(some->thread); /* and another takes its place */
        finish(some);
        cancels++;
        if (mn_go(&some->thread, crew, (void *)number++) < 0)
            abort();
    }
    set(&stop, 1);
    for (int i = 0; i < CREW; i++)
        finish(&r[i]);
    const char *k = kind_name[kind];
    ok(wrong == 0 && in_m == out_m && waiting == 0, "%s: %ld rounds, %d cancelled, %d wrong", k, sections,
       cancels, wrong);
    ok(signals == consumed, "%s: %ld signals sent, %ld consumed, %ld waits without", k, signals, consumed,
       gave_up);
    is((long)mn_sem_value(&s), 2, "%s: the semaphore's units are all there", k);
    is(mn_mutex_destroy(&m) + mn_mutex_destroy(&n), 0, "%s: the mutexes are free", k);
    is(mn_cond_destroy(&c), 0, "%s: nobody waits for the condition", k);
    is(mn_rwlock_destroy(&l), 0, "%s: the read-write lock is free", k);
}

int main(void) {
    kinds(test);
    return done();
}
