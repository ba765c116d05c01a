/*
 * Mutexes with a priority ceiling under threads of several priorities: whoever owns some runs at the highest of
 * their ceilings, however it came by them, while others change the ceilings and the threads' own priorities,
 * and fork; in the end everybody has its own priority again.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "../tap.h"
#include "shake.h"

enum { MUTEXES = 3, THREADS = 6, LOWEST = 10, TOP = 40 }; /* own priorities are below LOWEST */

static pthread_mutex_t m[MUTEXES];
static pthread_cond_t cond[MUTEXES];
static int inside[MUTEXES]; /* whether a thread is there; guarded by the mutex */
static pthread_t threads[THREADS];
static pthread_barrier_t barrier;
static int stop;
static long rounds, unlike, forks;

static int priority(void) {
    struct sched_param p = {-1};
    sched_getparam(0, &p);
    return p.sched_priority;
}

static int own(pthread_t t) {
    struct sched_param p = {-1};
    int policy;
    return pthread_getschedparam(t, &policy, &p) != 0 || policy != SCHED_FIFO ? -1 : p.sched_priority;
}

static void must(int result) {
    if (result != 0)
        abort();
}

static struct timespec soon(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    t.tv_nsec += rnd(100000);
    if (t.tv_nsec >= 1000000000)
        t.tv_sec++, t.tv_nsec -= 1000000000;
    return t;
}

/* Whether it got the mutex. */
static int get(pthread_mutex_t *mutex) {
    struct timespec t = soon(CLOCK_MONOTONIC);
    unsigned how = rnd(4);
    int r = how == 0   ? pthread_mutex_trylock(mutex)
            : how == 1 ? pthread_mutex_clocklock(mutex, CLOCK_MONOTONIC, &t)
                       : pthread_mutex_lock(mutex);
    if (r != 0 && r != EBUSY && r != ETIMEDOUT)
        abort();
    return r == 0;
}

/* The highest ceiling of those that are held. */
static int ceiling(unsigned held) {
    int highest = 0;
    for (int i = 0; i < MUTEXES; i++) {
        int c = 0;
        if (held >> i & 1)
            must(pthread_mutex_getprioceiling(&m[i], &c));
        highest = c > highest ? c : highest;
    }
    return highest;
}

static void look(unsigned held) {
    if (held && priority() != ceiling(held))
        __atomic_add_fetch(&unlike, 1, __ATOMIC_RELAXED);
}

/* The child owns what its parent's thread owned, while others change that thread's priority. */
static void fork_with(unsigned held) {
    pid_t pid = fork();
    int status = 1;
    if (pid == 0) {
        alarm(20);
        int wrong = priority() != ceiling(held);
        for (int i = 0; i < MUTEXES; i++)
            wrong += held >> i & 1 && pthread_mutex_unlock(&m[i]) != 0;
        wrong += priority() != own(pthread_self()) || priority() >= LOWEST;
        _exit(wrong);
    }
    if (pid > 0)
        waitpid(pid, &status, 0);
    forks += status == 0;
    __atomic_add_fetch(&unlike, status != 0, __ATOMIC_RELAXED);
}

static void *works(void *arg) {
    uintptr_t number = (uintptr_t)arg;
    shake_start(number);
    for (long i = 0; i < rounds; i++) {
        unsigned held = 0, from = rnd(MUTEXES);
        for (unsigned k = 0; k < MUTEXES; k++) /* upwards, so that nobody waits in a ring */
            if (k >= from && rnd(2) && get(&m[k])) {
                held |= 1u << k;
                if (inside[k]++ != 0)
                    abort();
            }
        look(held);
        delay();
        if (number == 1 && held && i % 500 < MUTEXES)
            fork_with(held);
        unsigned k = rnd(MUTEXES);
        if (held == 1u << k && rnd(4) == 0) { /* it has nothing else while it waits */
            struct timespec t = soon(CLOCK_REALTIME);
            inside[k]--;
            int r = pthread_cond_timedwait(&cond[k], &m[k], &t);
            if ((r != 0 && r != ETIMEDOUT) || inside[k]++ != 0)
                abort();
            look(held);
        }
        pthread_cond_broadcast(&cond[k]);
        for (unsigned n = 0; n < MUTEXES; n++) { /* in another order than they were got */
            unsigned u = (n + k) % MUTEXES;
            if (!(held >> u & 1))
                continue;
            inside[u]--;
            must(pthread_mutex_unlock(&m[u]));
            held &= ~(1u << u);
            look(held);
        }
        delay();
    }
    pthread_barrier_wait(&barrier); /* all have done */
    pthread_barrier_wait(&barrier); /* nobody changes anything any more */
    return (void *)(intptr_t)(priority() == own(pthread_self()) && priority() < LOWEST);
}

static void *changes(void *unused) {
    shake_start(99);
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        pthread_t t = threads[rnd(THREADS)];
        int old = 0, mine = own(t);
        if (mine < 1 || mine >= LOWEST)
            abort();
        must(pthread_setschedprio(t, 1 + (int)rnd(LOWEST - 1)));
        must(pthread_mutex_setprioceiling(&m[rnd(MUTEXES)], LOWEST + (int)rnd(TOP - LOWEST), &old));
        if (old < LOWEST || old >= TOP || priority() != TOP)
            abort();
        usleep(rnd(200));
    }
    return unused;
}

/* Its priority is changed all the time, so that most forks come in the middle of that. */
static void *forks_under_fire(void *arg) {
    shake_start(7);
    must(pthread_mutex_lock(&m[0]));
    for (long i = 0; i < rounds / 40; i++)
        fork_with(1);
    must(pthread_mutex_unlock(&m[0]));
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    return arg;
}

static void *fires(void *arg) {
    for (unsigned i = 0; !__atomic_load_n(&stop, __ATOMIC_RELAXED); i++) {
        must(pthread_setschedprio(threads[0], 1 + (int)(i % (LOWEST - 1))));
        if (i % 64 == 0)
            usleep(10); /* with one CPU, let the others run */
    }
    return arg;
}

static pthread_t start(int level, void *(*fn)(void *), uintptr_t arg) {
    pthread_attr_t a;
    struct sched_param p = {.sched_priority = level};
    pthread_t t;
    pthread_attr_init(&a);
    pthread_attr_setinheritsched(&a, PTHREAD_EXPLICIT_SCHED);
    pthread_attr_setschedpolicy(&a, SCHED_FIFO);
    pthread_attr_setschedparam(&a, &p);
    int r = pthread_create(&t, &a, fn, (void *)arg);
    if (r == EPERM) {
        skip("no permission for SCHED_FIFO");
        exit(done());
    }
    must(r);
    return t;
}

static void init(pthread_mutex_t *mutex, int shared) {
    pthread_mutexattr_t a;
    pthread_mutexattr_init(&a);
    pthread_mutexattr_setpshared(&a, shared);
    pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_PROTECT);
    pthread_mutexattr_setprioceiling(&a, LOWEST);
    must(pthread_mutex_init(mutex, &a));
}

/* ---- destroyed by the last: an unlock that touches the mutex too late crashes ------------------------------
 */

struct object {
    pthread_mutex_t m;
    int users;
};

static struct object *object;
enum { USERS = 3 };

static void *uses(void *arg) {
    shake_start((uintptr_t)arg + 7);
    for (long i = 0; i < rounds / 5; i++) {
        if ((uintptr_t)arg == 1) {
            object = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            init(&object->m, i % 2 ? PTHREAD_PROCESS_SHARED : PTHREAD_PROCESS_PRIVATE);
            object->users = USERS;
        }
        pthread_barrier_wait(&barrier);
        struct object *o = object;
        delay();
        must(pthread_mutex_lock(&o->m));
        delay();
        int last = --o->users == 0;
        must(pthread_mutex_unlock(&o->m));
        if (last && munmap(o, 4096) != 0)
            abort();
        pthread_barrier_wait(&barrier);
    }
    return NULL;
}

int main(void) {
    rounds = (long)(2000 * scale());
    pthread_barrier_init(&barrier, NULL, THREADS + 1);
    for (int i = 0; i < MUTEXES; i++) {
        init(&m[i], i % 2 ? PTHREAD_PROCESS_SHARED : PTHREAD_PROCESS_PRIVATE);
        pthread_cond_init(&cond[i], NULL);
    }
    for (int i = 0; i < THREADS; i++)
        threads[i] = start(1 + i, works, (uintptr_t)i + 1);
    pthread_t changer = start(TOP, changes, 0);
    pthread_barrier_wait(&barrier);
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    must(pthread_join(changer, NULL));
    pthread_barrier_wait(&barrier);
    long restored = 0;
    for (int i = 0; i < THREADS; i++) {
        void *r;
        must(pthread_join(threads[i], &r));
        restored += (long)r;
    }
    stop = 0;
    threads[0] = start(1, forks_under_fire, 0);
    changer = start(TOP, fires, 0);
    must(pthread_join(changer, NULL));
    must(pthread_join(threads[0], NULL));
    is(unlike, 0, "owners had the highest of their ceilings");
    ok(forks > 0, "and forks' children");
    is(restored, THREADS, "everybody has its own priority again");
    for (int i = 0; i < MUTEXES; i++)
        is(pthread_mutex_destroy(&m[i]), 0, "nobody is left on mutex %d", i);
    pthread_t t[USERS];
    pthread_barrier_destroy(&barrier);
    pthread_barrier_init(&barrier, NULL, USERS);
    for (int i = 0; i < USERS; i++)
        t[i] = start(1 + i, uses, (uintptr_t)i + 1);
    for (int i = 0; i < USERS; i++)
        pthread_join(t[i], NULL);
    ok(1, "mutexes unmapped by their last users");
    return done();
}
