/* Condition variables. */
#include "sync.h"

static struct mn_mutex m = MN_MUTEX_INIT;
static struct mn_cond c = MN_COND_INIT;
static int waiting, ready, woken, wrong, result, begun;

static void lock(void) {
    if (mn_mutex_lock(&m) != 0)
        add(&wrong, 1);
}

static void unlock(void) {
    if (mn_mutex_unlock(&m) != 0)
        add(&wrong, 1);
}

/* Each consumes one of `ready`. */
static void *consumes(void *arg) {
    (void)arg;
    lock();
    add(&waiting, 1);
    while (!ready)
        if (mn_cond_wait(&c, &m) != 0)
            add(&wrong, 1);
    ready--;
    add(&woken, 1);
    unlock();
    return NULL;
}

enum { CREW = 20 };

static void wake(bool all, bool held) {
    struct runner r[CREW];
    waiting = ready = woken = wrong = 0;
    mn_mutex_init(&m);
    mn_cond_init(&c);
    is(mn_cond_signal(&c), 0, "signal to nobody");
    is(mn_cond_broadcast(&c), 0, "broadcast to nobody");
    for (int i = 0; i < CREW; i++)
        start(&r[i], consumes, NULL);
    until(&waiting, CREW);
    lock();
    is(mn_cond_destroy(&c), -EBUSY, "destroy with threads waiting");
    unlock();
    int sent = 0;
    for (int i = 0; i < (all ? 1 : CREW); i++) {
        lock();
        ready += all ? CREW : 1;
        if (!held)
            unlock();
        sent += all ? mn_cond_broadcast(&c) : mn_cond_signal(&c);
        if (held)
            unlock();
    }
    for (int i = 0; i < CREW; i++)
        finish(&r[i]);
    ok(woken == CREW && ready == 0 && wrong == 0 && sent <= CREW, "%s: %d woken by %s with the mutex %s",
       kind_name[kind], woken, all ? "broadcast" : "signals", held ? "held" : "free");
    is(mn_cond_destroy(&c), 0, "nobody is left");
    is(mn_mutex_destroy(&m), 0, "nor in the mutex");
}

static void *waits_10ms(void *arg) {
    (void)arg;
    lock();
    int64_t deadline = after_ms(10);
    result = mn_cond_wait_until(&c, &m, deadline);
    if (!late(deadline) || mn_mutex_trylock(&m) != -EBUSY)
        result = 1;
    if (mn_mutex_unlock(&m) != 0)
        result = 2;
    return NULL;
}

static void deadlines(void) {
    struct runner r;
    start(&r, waits_10ms, NULL);
    finish(&r);
    is(result, -ETIMEDOUT, "%s: a deadline passes, and the mutex is held", kind_name[kind]);
    lock();
    is(mn_cond_wait_until(&c, &m, 1), -ETIMEDOUT, "%s: one that had passed", kind_name[kind]);
    is(mn_mutex_unlock(&m), 0, "%s: and the mutex is held", kind_name[kind]);
    is(mn_cond_wait(&c, &m), -EPERM, "%s: wait without the mutex", kind_name[kind]);
    is(mn_cond_destroy(&c), 0, "%s: who timed out is gone", kind_name[kind]);
}

/* A ball goes to and fro; waits without a deadline: a signal that is lost hangs. */
static int ball, rounds;

static void *plays(void *arg) {
    int me = (int)(intptr_t)arg;
    lock();
    for (int i = 0; i < rounds; i++) {
        while (ball != me)
            if (mn_cond_wait(&c, &m) != 0)
                add(&wrong, 1);
        ball = 1 - me;
        mn_cond_signal(&c);
    }
    unlock();
    return NULL;
}

static void ping_pong(void) {
    struct runner r[2];
    ball = wrong = 0;
    rounds = (int)(3000 * scale());
    for (int i = 0; i < 2; i++)
        start(&r[i], plays, (void *)(intptr_t)i);
    for (int i = 0; i < 2; i++)
        finish(&r[i]);
    ok(ball == 0 && wrong == 0, "%s: %d rounds of ping-pong", kind_name[kind], rounds);
}

/* Signals are not lost to waiters that leave at the same time: as many are consumed as were counted as sent. */
static int consumed, stop;

static void *waits_briefly(void *arg) {
    (void)arg;
    uint32_t state = (uint32_t)(uintptr_t)&state | 1;
    lock();
    while (!stop) {
        int r = mn_cond_wait_until(&c, &m, now() + random_next(&state) % 200000);
        if (r == 0)
            consumed++;
        else if (r != -ETIMEDOUT)
            add(&wrong, 1);
    }
    unlock();
    return NULL;
}

static void leaving(void) {
    struct runner r[4];
    int sent = 0;
    consumed = stop = wrong = 0;
    for (int i = 0; i < 4; i++)
        start(&r[i], waits_briefly, NULL);
    for (int64_t end = now() + (int64_t)(100e6 * scale()); now() < end;) {
        sent += mn_cond_signal(&c);
        if (sent % 16 == 0)
            sent += mn_cond_broadcast(&c);
        mn_yield();
    }
    lock();
    stop = 1;
    sent += mn_cond_broadcast(&c);
    unlock();
    for (int i = 0; i < 4; i++)
        finish(&r[i]);
    ok(sent == consumed && wrong == 0, "%s: %d signals sent beside deadlines, %d consumed, %d wrong",
       kind_name[kind], sent, consumed, wrong);
}

static void test(void) {
    for (int i = 0; i < 4; i++)
        wake(i & 1, i & 2);
    deadlines();
    ping_pong();
    leaving();
}

static void *cancelled_waits(void *arg) {
    (void)arg;
    lock();
    set(&begun, 1);
    result = mn_cond_wait(&c, &m);
    is(mn_mutex_trylock(&m), -EBUSY, "cancelled: the mutex is held");
    is(mn_cond_wait(&c, &m), -ECANCELED, "cancelled: the next wait ends at once");
    is(mn_mutex_unlock(&m), 0, "cancelled: and is unlocked");
    return NULL;
}

static int cancelled(void *arg) {
    (void)arg;
    kind = GREEN;
    begun = 0;
    cancel_in(cancelled_waits, NULL, &begun);
    is(result, -ECANCELED, "a cancelled wait");
    is(mn_cond_signal(&c), 0, "it does not take a signal");
    is(mn_cond_destroy(&c), 0, "and is gone");
    /* A crowd: more than a broadcast takes at a time. */
    enum { CROWD = 1000 };
    static mn_thread t[CROWD];
    waiting = ready = woken = wrong = 0;
    for (int i = 0; i < CROWD; i++)
        mn_go(&t[i], consumes, NULL);
    until(&waiting, CROWD);
    lock();
    ready = CROWD;
    is(mn_cond_broadcast(&c), CROWD, "a broadcast to a crowd");
    is(mn_cond_broadcast(&c), 0, "leaves none");
    unlock();
    for (int i = 0; i < CROWD; i++)
        mn_join(t[i], NULL);
    is(woken, CROWD, "all have gone on");
    return 0;
}

enum { TURNS = 50000 };
static int turn;

static void *takes_turns(void *arg) {
    int me = (int)(intptr_t)arg;
    for (int i = 0; i < TURNS; i++) {
        lock();
        while (turn != me)
            mn_cond_wait(&c, &m);
        turn = !me;
        mn_cond_signal(&c);
        unlock();
    }
    return NULL;
}

/* A slice that ends between lock and unlock, while the other one is called, must not end in both waiting for a
 * deadline: one of the two can always run, so the only worker has no reason to sleep. */
static int turns(void *arg) {
    (void)arg;
    struct mn_stats_cpu before, after;
    mn_mutex_init(&m);
    mn_cond_init(&c);
    mn_stats(&before, 1, sizeof before);
    mn_thread t[2];
    for (intptr_t i = 0; i < 2; i++)
        mn_go(&t[i], takes_turns, (void *)i);
    for (int i = 0; i < 2; i++)
        mn_join(t[i], NULL);
    mn_stats(&after, 1, sizeof after);
    /* An owner whose LWP lost the cpu inside does not seem to rest. */
    unsigned long sleeps = after.sleeps - before.sleeps, lost = after.handoffs - before.handoffs;
    ok(sleeps < TURNS / 1000 + 2 * lost, "two threads take turns, and the worker sleeps %lu times", sleeps);
    return 0;
}

int main(void) {
    kinds(test);
    mn_run(cancelled, NULL, NULL);
    mn_run(turns, NULL, &(struct mn_config){.workers = 1});
    return done();
}
