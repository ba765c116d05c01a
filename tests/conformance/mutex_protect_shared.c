/* timeout: 60 */
/* Process-shared mutexes with a priority ceiling, between two processes on this library, and one on it and one
 * on the plain libc: the same bits, the same waits, the same ceiling. */
#include "protect.h"

#include "peer.h"

enum { ROUNDS = 3000 };

static struct shared {
    pthread_mutex_t m, e, r;
    long count, inside, raised;
    int ceiling_of_both;
    int step, answer, tid;
} * s;

static void next(void) {
    __atomic_add_fetch(&s->step, 1, __ATOMIC_RELEASE);
}

static void step(int to) {
    while (__atomic_load_n(&s->step, __ATOMIC_ACQUIRE) < to)
        usleep(500);
}

static struct timespec soon(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_nsec += 50000;
    if (t.tv_nsec >= 1000000000)
        t.tv_sec++, t.tv_nsec -= 1000000000;
    return t;
}

/*
 * Lock, trylock, timedlock and new ceilings, of which none is below the threads' priority.  The libc's
 * timedlock leaves a thread raised that did not get the mutex, and its setprioceiling may go ahead without the
 * mutex.
 */
static void *counts(void *arg) {
    unsigned seed = (unsigned)getpid();
    for (int i = 0; i < ROUNDS;) {
        struct timespec t = soon();
        int r = i % 5 == 0   ? pthread_mutex_trylock(&s->m)
                : i % 5 == 1 ? pthread_mutex_timedlock(&s->m, &t)
                             : pthread_mutex_lock(&s->m);
        if (r == EBUSY || r == ETIMEDOUT) {
            if (i % 5 == 0)
                i++;
            continue;
        }
        if (r != 0)
            abort();
        i++;
        int ceiling;
        pthread_mutex_getprioceiling(&s->m, &ceiling);
        s->raised += under_ours() ? kernel(0) == FIFO + ceiling : kernel(0) >= FIFO + ceiling;
        s->inside += s->count % 2;
        s->count++;
        for (volatile unsigned k = (seed = seed * 1103515245 + 12345) >> 22; k > 0; k--)
            ;
        s->count++;
        if (pthread_mutex_unlock(&s->m) != 0)
            abort();
        if (i % 7 == 0 && under_ours() && pthread_mutex_setprioceiling(&s->m, 10 + i % 3, &ceiling) != 0)
            abort();
    }
    return arg;
}

static int peer(void) {
    if (set_own(pthread_self(), FIFO + 6) != 0)
        return 1;
    counts(NULL);
    next(); /* 1 */
    step(2);
    s->answer = pthread_mutex_trylock(&s->r) * 1000000 + pthread_mutex_unlock(&s->e) * 1000;
    pthread_mutex_getprioceiling(&s->e, &s->ceiling_of_both);
    s->tid = (int)gettid_raw();
    next(); /* 3: now wait for the other, which must wake us */
    if (pthread_mutex_lock(&s->e) != 0)
        return 2;
    if (kernel(0) != FIFO + 25)
        return 3;
    next(); /* 4 (or 5) */
    step(5);
    usleep(20000); /* the other sleeps by now; if not, the test is only an easier one */
    return pthread_mutex_unlock(&s->e) ? 4 : 0;
}

static void with(const char *name, const char *self) {
    memset(s, 0, sizeof *s);
    protect_init(&s->m, PTHREAD_MUTEX_NORMAL, 10, 1, 0);
    protect_init(&s->e, PTHREAD_MUTEX_ERRORCHECK, 25, 1, 0);
    protect_init(&s->r, PTHREAD_MUTEX_RECURSIVE, 12, 1, 0);
    pid_t pid = peer_start(peer, self);
    pthread_t t = must_create(NULL, counts, NULL);
    counts(NULL);
    must_join(t);
    step(1);
    ok(s->count > 3 * ROUNDS && s->inside == 0, "%s: two threads and a process count", name);
    is(s->raised, s->count / 2, "%s: the owner always had the ceiling", name);
    int v;
    pthread_mutex_getprioceiling(&s->m, &v);
    ok(v >= 10 && v <= 12, "%s: one of the ceilings that were set", name);
    pthread_mutex_lock(&s->e);
    pthread_mutex_lock(&s->r);
    pthread_mutex_lock(&s->r);
    is(kernel(0), FIFO + 25, "%s: the higher ceiling", name);
    next();
    step(3);
    is(s->answer, EBUSY * 1000000 + EPERM * 1000, "%s: what is held here is not free there", name);
    is(s->ceiling_of_both, 25, "%s: and has the same ceiling", name);
    pthread_mutex_unlock(&s->r);
    for (int i = 0; i < 10000 && kernel(s->tid) != FIFO + 25; i++)
        usleep(1000);
    is(kernel(s->tid), FIFO + 25, "%s: who waits there is raised", name);
    is(pthread_mutex_unlock(&s->e), 0, "%s: unlock wakes the peer", name);
    is(kernel(0), FIFO + 12, "%s: the lower ceiling", name);
    step(4);
    is(pthread_mutex_trylock(&s->e), EBUSY, "%s: it has the mutex", name);
    is(pthread_mutex_unlock(&s->e), EPERM, "%s: and this process has not", name);
    next();
    is(pthread_mutex_lock(&s->e), 0, "%s: the peer's unlock wakes us", name);
    is(pthread_mutex_unlock(&s->e), 0, "%s: unlock", name);
    is(pthread_mutex_unlock(&s->r), 0, "%s: unlock the recursive one", name);
    ok(kernel(0) == FIFO + 5 || !under_ours(), "%s: no ceiling", name); /* the libc: m's, see counts() */
    is(reaped(pid), 0, "%s: the peer's result", name);
    is(pthread_mutex_destroy(&s->m), 0, "%s: nobody is left on the mutex", name);
    is(pthread_mutex_destroy(&s->e) + pthread_mutex_destroy(&s->r), 0, "%s: nor on the others", name);
}

int main(int argc, char **argv) {
    s = peer_memory(argc, argv, sizeof *s);
    if (argc > 2)
        return peer();
    if (!privileged() || set_own(pthread_self(), FIFO + 5) != 0) {
        skip("no permission for SCHED_FIFO");
        return done();
    }
    alarm(50);
    with("forked", NULL);
    with("libc", argv[0]);
    return done();
}
