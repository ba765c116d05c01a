/* timeout: 60 */
/* Threads that wait for a mutex with a priority ceiling, or on a condition variable with one; its ceiling
 * changes meanwhile; its owner forks. */
#include "protect.h"

static pthread_mutex_t mutex;
static pthread_cond_t cond;

/* What a thread that waits tells of itself. */
struct waiter {
    pthread_t thread;
    int (*wait)(struct waiter *);
    int tid, result, old;
    long during; /* what the kernel applied when it had what it waited for */
    int held;
};

static void *waits(void *arg) {
    struct waiter *w = arg;
    __atomic_store_n(&w->tid, (int)gettid_raw(), __ATOMIC_RELEASE);
    w->result = w->wait(w);
    return NULL;
}

/* Starts it; it sleeps. */
static void begin(struct waiter *w, long schedule, int (*wait)(struct waiter *)) {
    memset(w, 0, sizeof *w);
    w->wait = wait;
    w->thread = start(schedule, waits, w);
    while (__atomic_load_n(&w->tid, __ATOMIC_ACQUIRE) == 0)
        usleep(500);
    wait_asleep(w->tid);
}

static int lock_it(struct waiter *w) {
    int r = pthread_mutex_lock(&mutex);
    w->during = kernel(0);
    if (r == 0)
        pthread_mutex_unlock(&mutex);
    return r;
}

static int set_to_30(struct waiter *w) {
    int r = pthread_mutex_setprioceiling(&mutex, 30, &w->old);
    w->during = kernel(0);
    return r;
}

static void *handing_over(void *unused) {
    struct waiter a, b, c;
    int v;
    for (int type = 0; type < 4; type++) {
        protect_init(&mutex, types[type], 10, 0, 0);
        pthread_mutex_lock(&mutex);
        begin(&a, FIFO + 7, lock_it);
        is(kernel(a.tid), FIFO + 10, "%s: who waits is raised before it gets the mutex", type_names[type]);
        is(own(a.thread), FIFO + 7, "its own priority is what it was");
        begin(&b, FIFO + 20, set_to_30);
        is(kernel(b.tid), FIFO + 20, "setprioceiling waits, above the ceiling and not raised");
        begin(&c, FIFO + 20, lock_it);
        must_join(c.thread);
        is(c.result, EINVAL, "lock by a thread above it does not");
        is(pthread_mutex_unlock(&mutex), 0, "unlock");
        must_join(a.thread);
        must_join(b.thread);
        is(a.result, 0, "the one locks");
        ok(a.during == FIFO + 10 || a.during == FIFO + 30, "under the ceiling of the moment");
        is(b.result, 0, "the other sets the ceiling");
        is(b.old, 10, "and gets the old one");
        is(b.during, FIFO + 20, "with its own priority");
        is((pthread_mutex_getprioceiling(&mutex, &v), v), 30, "the ceiling is new");
        pthread_mutex_lock(&mutex);
        is(kernel(0), FIFO + 30, "and in force");
        is(pthread_mutex_unlock(&mutex), 0, "unlock");
        is(pthread_mutex_destroy(&mutex), 0, "destroy");
    }
    return unused;
}

/* A ceiling that falls while threads wait turns some of them away, and loses nobody's wake-up. */
static void *falling(void *unused) {
    struct waiter w[6];
    int turned_away = 0, got = 0, v;
    for (int round = 0; round < 10; round++) {
        protect_init(&mutex, PTHREAD_MUTEX_RECURSIVE, 10, round % 2, 0);
        pthread_mutex_lock(&mutex);
        for (int i = 0; i < 6; i++)
            begin(&w[i], FIFO + (i % 2 ? 3 : 7), lock_it);
        pthread_mutex_setprioceiling(&mutex, 5, &v);
        pthread_mutex_unlock(&mutex);
        for (int i = 0; i < 6; i++) {
            must_join(w[i].thread);
            turned_away += i % 2 == 0 && w[i].result == EINVAL && w[i].during == FIFO + 7;
            got += i % 2 == 1 && w[i].result == 0 && w[i].during == FIFO + 5;
        }
        pthread_mutex_destroy(&mutex);
    }
    is(turned_away, 30, "those above the new ceiling");
    is(got, 30, "the others lock under it");
    return unused;
}

/* ---- condition variables -----------------------------------------------------------------------------------
 */

static int on_cond(struct waiter *w) {
    struct timespec far = {4000000000, 0};
    pthread_mutex_lock(&mutex);
    int r = w->tid % 2 ? pthread_cond_timedwait(&cond, &mutex, &far) : pthread_cond_wait(&cond, &mutex);
    w->during = kernel(0);
    if (r == 0 || under_ours()) /* the libc has not got the mutex if it may not have the ceiling */
        w->held = pthread_mutex_unlock(&mutex) == 0;
    return r;
}

static void cleanup(void *arg) {
    struct waiter *w = arg;
    w->during = kernel(0);
    w->held = pthread_mutex_unlock(&mutex) == 0;
}

static int cancelled(struct waiter *w) {
    pthread_mutex_lock(&mutex);
    pthread_cleanup_push(cleanup, w);
    for (;;)
        pthread_cond_wait(&cond, &mutex);
    pthread_cleanup_pop(0);
    return 0;
}

static void condition(int type, int shared) {
    pthread_condattr_t a;
    struct waiter w[4];
    pthread_condattr_init(&a);
    pthread_condattr_setpshared(&a, shared);
    pthread_cond_init(&cond, &a);
    protect_init(&mutex, type, 10, shared, 0);
    for (int i = 0; i < 4; i++)
        begin(&w[i], FIFO + 1 + i, on_cond);
    int raised = 0;
    for (int i = 0; i < 4; i++)
        raised += kernel(w[i].tid) != FIFO + 1 + i;
    is(raised, 0, "type %d, shared %d: who waits on a condition is not raised", type, shared);
    pthread_mutex_lock(&mutex);
    pthread_cond_broadcast(&cond);
    is(kernel(0), FIFO + 10, "who broadcasts is");
    pthread_mutex_unlock(&mutex);
    int good = 0;
    for (int i = 0; i < 4; i++) {
        must_join(w[i].thread);
        good += w[i].result == 0 && w[i].during == FIFO + 10 && w[i].held;
    }
    is(good, 4, "each comes back under the ceiling");

    begin(&w[0], FIFO + 2, cancelled);
    pthread_cancel(w[0].thread);
    must_join(w[0].thread);
    ok(w[0].held && w[0].during == FIFO + 10, "who is cancelled cleans up under the ceiling");

    begin(&w[0], FIFO + 2, on_cond);
    pthread_setschedprio(w[0].thread, 12);
    pthread_cond_signal(&cond);
    must_join(w[0].thread);
    is(w[0].result, EINVAL, "who is above the ceiling by the end of the wait");
    is(w[0].during, FIFO + 12, "has its own priority");
    if (under_ours())
        is(w[0].held, 1, "and the mutex all the same");
    is(pthread_mutex_trylock(&mutex), 0, "nobody has the mutex");
    is(pthread_mutex_unlock(&mutex), 0, "unlock");
    if (under_ours()) /* the libc counts a user too many */
        is(pthread_mutex_destroy(&mutex), 0, "destroy");
    is(pthread_cond_destroy(&cond), 0, "destroy the condition");
}

static void *conditions(void *unused) {
    for (int i = 0; i < 8; i++)
        condition(types[i % 4], i / 4);
    return unused;
}

/* ---- fork --------------------------------------------------------------------------------------------------
 */

static void *inherits(void *unused) {
    check(own(pthread_self()) == FIFO + 5);
    if (under_ours())
        check(kernel(0) == FIFO + 5);
    return unused;
}

static int child(void) {
    check(kernel(0) == FIFO + 10);
    must_join(must_create(NULL, inherits, NULL));
    check(pthread_mutex_unlock(&mutex) == 0);
    check(kernel(0) == FIFO + 5);
    check(pthread_mutex_lock(&mutex) == 0);
    check(kernel(0) == FIFO + 10);
    check(pthread_mutex_unlock(&mutex) == 0);
    check(pthread_mutex_destroy(&mutex) == 0);
    return check_failed;
}

static void *forks(void *unused) {
    protect_init(&mutex, PTHREAD_MUTEX_NORMAL, 10, 0, 0);
    pthread_mutex_lock(&mutex);
    is(in_child(child), 0, "a fork's child has the ceiling until it unlocks");
    is(kernel(0), FIFO + 10, "and its parent");
    pthread_mutex_unlock(&mutex);
    is(kernel(0), FIFO + 5, "until it does");
    return unused;
}

int main(void) {
    if (!privileged()) {
        skip("no permission for SCHED_FIFO");
        return done();
    }
    as(FIFO + 5, handing_over, NULL);
    as(FIFO + 5, falling, NULL);
    as(FIFO + 5, conditions, NULL);
    as(FIFO + 5, forks, NULL);
    return done();
}
