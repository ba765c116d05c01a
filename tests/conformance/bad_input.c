/*
 * Every wrong argument that POSIX (2017) or a man page names an error for gets that error.  One line a case:
 *
 *   bad(error, call)    the call returns the error (pthread_*), and errno is untouched
 *   fails(error, call)  the call returns -1 (SEM_FAILED) and sets errno (sem_*)
 *   c11(result, call)   the call returns that (thrd_*, mtx_*, cnd_*, tss_*)
 *   ours(error, call)   bad, but the libc (2.36) behaves otherwise, as the comment says: ours does as POSIX has it
 *
 * Where POSIX leaves it open ("may fail"), the expected error is the libc's.  What is undefined in POSIX and
 * breaks the libc (handles of threads that are gone) is in join_stale.c.
 */
#include "life.h"

#include <limits.h>
#include <threads.h>

#define bad(error, call)                                                                                     \
    do {                                                                                                     \
        errno = 4321;                                                                                        \
        is((call), (error), "%s: %s", #call, #error);                                                        \
        if (errno != 4321 && under_ours()) /* the libc's scheduling calls change it */                       \
            is(errno, 4321, "%s leaves errno alone", #call);                                                 \
    } while (0)
#define ours(error, call)                                                                                    \
    do {                                                                                                     \
        if (under_ours())                                                                                    \
            bad(error, call);                                                                                \
    } while (0)
#define fails(error, call)                                                                                   \
    do {                                                                                                     \
        errno = 0;                                                                                           \
        long got_ = (long)(call);                                                                            \
        int failed_ = got_ == -1 || got_ == 0;                                                               \
        is(failed_ ? errno : 0, (error), "%s: %s", #call, #error);                                           \
    } while (0)
#define c11(result, call) is((call), (result), "%s: %s", #call, #result)

static struct timespec past = {1, 0}, minus = {1, -1}, over = {1, 1000000000}, negative = {-1, 0};
static struct timespec far_minus, far_over;

static void attributes(void) {
    pthread_attr_t a;
    struct sched_param p = {0};
    cpu_set_t set;
    char buf[64];
    static char stack[65536] __attribute__((aligned(4096)));
    pthread_attr_init(&a);
    bad(EINVAL, pthread_attr_setdetachstate(&a, 2));
    bad(EINVAL, pthread_attr_setdetachstate(&a, -1));
    bad(EINVAL, pthread_attr_setinheritsched(&a, 2));
    bad(EINVAL, pthread_attr_setinheritsched(&a, -1));
    bad(EINVAL, pthread_attr_setschedpolicy(&a, 77));
    bad(EINVAL, pthread_attr_setschedpolicy(&a, -1));
    p.sched_priority = 1;
    bad(EINVAL, pthread_attr_setschedparam(&a, &p)); /* 1 is no priority of SCHED_OTHER */
    p.sched_priority = -1;
    bad(EINVAL, pthread_attr_setschedparam(&a, &p));
    pthread_attr_setschedpolicy(&a, SCHED_FIFO);
    p.sched_priority = 100;
    bad(EINVAL, pthread_attr_setschedparam(&a, &p));
    p.sched_priority = 0;
    bad(EINVAL, pthread_attr_setschedparam(&a, &p));
    bad(EINVAL, pthread_attr_setscope(&a, 5));
    bad(EINVAL, pthread_attr_setscope(&a, -1));
    bad(ENOTSUP, pthread_attr_setscope(&a, PTHREAD_SCOPE_PROCESS));
    bad(EINVAL, pthread_attr_setstacksize(&a, 0));
    bad(EINVAL, pthread_attr_setstacksize(&a, PTHREAD_STACK_MIN - 1));
    bad(0, pthread_attr_setstacksize(&a, PTHREAD_STACK_MIN));
    bad(EINVAL, pthread_attr_setstack(&a, stack, 0));
    bad(EINVAL, pthread_attr_setstack(&a, stack, PTHREAD_STACK_MIN - 1));
    bad(0, pthread_attr_setstack(&a, stack, sizeof stack));
    bad(EINVAL, pthread_setattr_default_np(&a)); /* a stack address cannot be everybody's */
    pthread_attr_destroy(&a);
    pthread_attr_init(&a);
    CPU_ZERO(&set);
    CPU_SET(CPU_SETSIZE - 1, &set);
    bad(0, pthread_attr_setaffinity_np(&a, sizeof set, &set));
    bad(EINVAL, pthread_attr_getaffinity_np(&a, 8, (cpu_set_t *)(void *)buf)); /* a bit of it does not fit */
    bad(PTHREAD_ATTR_NO_SIGMASK_NP, pthread_attr_getsigmask_np(&a, &(sigset_t){{0}}));
    pthread_attr_destroy(&a);
    bad(EINVAL, pthread_setconcurrency(-1));
    bad(0, pthread_setconcurrency(0));
}

static void *wait_gate(void *arg) {
    event_wait(arg);
    return arg;
}

static void threads(void) {
    /* The detached thread may look at its gate much later than this function is over. */
    static struct event detached_gate = EVENT_INIT, gate = EVENT_INIT;
    pthread_attr_t a;
    pthread_t t;
    struct sched_param p = {0};
    char name[64];
    cpu_set_t set;
    union sigval v = {0};
    int old;
    bad(EDEADLK, pthread_join(pthread_self(), NULL));
    pthread_attr_init(&a);
    pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED);
    t = must_create(&a, wait_gate, &detached_gate);
    bad(EINVAL, pthread_join(t, NULL));
    bad(EINVAL, pthread_timedjoin_np(t, NULL, &past));
    bad(EINVAL, pthread_clockjoin_np(t, NULL, CLOCK_MONOTONIC, &past));
    bad(EINVAL, pthread_detach(t));
    event_set(&detached_gate);
    t = must_create(NULL, wait_gate, &gate);
    bad(EBUSY, pthread_tryjoin_np(t, NULL));
    bad(ETIMEDOUT, pthread_timedjoin_np(t, NULL, &past));
    bad(ETIMEDOUT, pthread_clockjoin_np(t, NULL, CLOCK_MONOTONIC, &past));
    bad(EINVAL, pthread_clockjoin_np(t, NULL, CLOCK_THREAD_CPUTIME_ID, &past));
    bad(EINVAL, pthread_clockjoin_np(t, NULL, -1, &past));
    bad(EINVAL, pthread_clockjoin_np(t, NULL, 77, &past));
    ours(EINVAL, pthread_timedjoin_np(t, NULL, &far_minus)); /* the libc waits on, at full speed */
    ours(EINVAL, pthread_timedjoin_np(t, NULL, &far_over));

    bad(EINVAL, pthread_kill(t, -1));
    bad(EINVAL, pthread_kill(t, 65));
    bad(EINVAL, pthread_kill(t, 32)); /* the libc's own two */
    bad(EINVAL, pthread_kill(t, 33));
    bad(0, pthread_kill(t, 0));
    bad(EINVAL, pthread_sigqueue(t, -1, v));
    bad(EINVAL, pthread_sigqueue(t, 65, v));
    bad(EINVAL, pthread_sigqueue(t, 32, v));
    bad(EINVAL, pthread_sigmask(77, &(sigset_t){{0}}, NULL));
    bad(EINVAL, pthread_sigmask(-1, &(sigset_t){{0}}, NULL));

    bad(EINVAL, pthread_setschedparam(t, 77, &p));
    bad(EINVAL, pthread_setschedparam(t, -1, &p));
    bad(EINVAL, pthread_setschedparam(t, SCHED_FIFO, &p));
    p.sched_priority = 1000;
    bad(EINVAL, pthread_setschedparam(t, SCHED_FIFO, &p));
    p.sched_priority = 1;
    bad(EINVAL, pthread_setschedparam(t, SCHED_OTHER, &p));
    bad(EINVAL, pthread_setschedprio(t, 1000));
    bad(EINVAL, pthread_setschedprio(t, -1));
    bad(EINVAL, pthread_setschedprio(t, 1));

    CPU_ZERO(&set);
    bad(EINVAL, pthread_setaffinity_np(t, sizeof set, &set));
    CPU_SET(CPU_SETSIZE - 1, &set);
    bad(EINVAL, pthread_setaffinity_np(t, sizeof set, &set));
    bad(EINVAL, pthread_getaffinity_np(t, 1, &set));

    bad(ERANGE, pthread_setname_np(t, "sixteen letters."));
    bad(ERANGE, pthread_setname_np(pthread_self(), "a name that is longer than sixteen"));
    bad(0, pthread_setname_np(t, "fifteen letters"));
    bad(ERANGE, pthread_getname_np(t, name, 15));
    bad(ERANGE, pthread_getname_np(t, name, 0));
    bad(0, pthread_getname_np(t, name, 16));

    bad(EINVAL, pthread_setcancelstate(2, &old));
    bad(EINVAL, pthread_setcancelstate(-1, &old));
    bad(EINVAL, pthread_setcanceltype(2, &old));
    bad(EINVAL, pthread_setcanceltype(-1, &old));
    event_set(&gate);
    must_join(t);
    pthread_attr_destroy(&a);
}

/* As an ordinary user: what needs a right. */
static int no_right(void) {
    struct sched_param p = {.sched_priority = 1};
    struct rlimit no = {0, 0};
    setrlimit(RLIMIT_RTPRIO, &no);
    if (geteuid() == 0 && (setgid(65534) || setuid(65534)))
        return 77;
    errno = 5;
    check(pthread_setschedparam(pthread_self(), SCHED_FIFO, &p) == EPERM);
    check(pthread_setschedparam(pthread_self(), SCHED_RR, &p) == EPERM);
    check(errno == 5 || !under_ours());
    return check_failed;
}

static void keys(void) {
    static pthread_key_t k[PTHREAD_KEYS_MAX + 1], other;
    int n = 0, r = 0;
    while (n <= PTHREAD_KEYS_MAX && (r = pthread_key_create(&k[n], NULL)) == 0)
        n++;
    is(r, EAGAIN, "pthread_key_create, one too many: EAGAIN");
    ok(n > PTHREAD_KEYS_MAX - 32, "after about PTHREAD_KEYS_MAX of them (%d)", n);
    bad(EAGAIN, pthread_key_create(&other, NULL));
    c11(thrd_error, tss_create(&other, NULL));
    pthread_key_t gone = k[--n];
    bad(0, pthread_key_delete(gone));
    bad(EINVAL, pthread_key_delete(gone));
    bad(EINVAL, pthread_setspecific(gone, &gone));
    ok(pthread_getspecific(gone) == NULL, "pthread_getspecific of a deleted key: NULL");
    bad(EINVAL, pthread_key_delete(PTHREAD_KEYS_MAX));
    bad(EINVAL, pthread_key_delete((pthread_key_t)-1));
    bad(EINVAL, pthread_setspecific(PTHREAD_KEYS_MAX, &gone));
    bad(EINVAL, pthread_setspecific((pthread_key_t)-1, &gone));
    ok(pthread_getspecific((pthread_key_t)-1) == NULL, "pthread_getspecific of no key: NULL");
    c11(thrd_error, tss_set(gone, &gone));
    bad(0, pthread_key_create(&other, NULL));
    pthread_key_delete(other);
    while (n > 0)
        pthread_key_delete(k[--n]);
}

static pthread_mutex_t mutex;
static pthread_rwlock_t rwlock;
static void *hold_mutex(void *arg) {
    pthread_mutex_lock(&mutex);
    sem_post(arg);
    sem_wait((sem_t *)arg + 1);
    pthread_mutex_unlock(&mutex);
    return NULL;
}

static void mutexes(void) {
    static const int types[] = {PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ERRORCHECK,
                                PTHREAD_MUTEX_ADAPTIVE_NP};
    pthread_mutexattr_t a;
    pthread_mutex_t m;
    int ceiling;
    pthread_mutexattr_init(&a);
    bad(EINVAL, pthread_mutexattr_settype(&a, 4));
    bad(EINVAL, pthread_mutexattr_settype(&a, 99));
    bad(EINVAL, pthread_mutexattr_settype(&a, -1));
    bad(EINVAL, pthread_mutexattr_setpshared(&a, 2));
    bad(EINVAL, pthread_mutexattr_setpshared(&a, -1));
    bad(EINVAL, pthread_mutexattr_setprotocol(&a, 3));
    bad(EINVAL, pthread_mutexattr_setprotocol(&a, -1));
    bad(EINVAL, pthread_mutexattr_setrobust(&a, 2));
    bad(EINVAL, pthread_mutexattr_setrobust(&a, -1));
    bad(EINVAL, pthread_mutexattr_setprioceiling(&a, 1000));
    bad(EINVAL, pthread_mutexattr_setprioceiling(&a, -1));

    /* Not the owner's unlock: EPERM where the type looks at it. */
    for (int i = 0; i < 4; i++) {
        sem_t s[2];
        pthread_mutexattr_settype(&a, types[i]);
        pthread_mutex_init(&mutex, &a);
        sem_init(&s[0], 0, 0);
        sem_init(&s[1], 0, 0);
        if (types[i] == PTHREAD_MUTEX_ERRORCHECK || types[i] == PTHREAD_MUTEX_RECURSIVE)
            bad(EPERM, pthread_mutex_unlock(&mutex));
        pthread_t t = must_create(NULL, hold_mutex, s);
        sem_wait(&s[0]);
        printf("# held by another thread, type %d\n", types[i]);
        fflush(stdout);
        if (types[i] == PTHREAD_MUTEX_ERRORCHECK || types[i] == PTHREAD_MUTEX_RECURSIVE)
            bad(EPERM, pthread_mutex_unlock(&mutex));
        bad(EBUSY, pthread_mutex_trylock(&mutex));
        bad(EBUSY, pthread_mutex_destroy(&mutex));
        bad(ETIMEDOUT, pthread_mutex_timedlock(&mutex, &past));
        bad(ETIMEDOUT, pthread_mutex_timedlock(&mutex, &negative));
        bad(EINVAL, pthread_mutex_timedlock(&mutex, &minus));
        bad(EINVAL, pthread_mutex_timedlock(&mutex, &over));
        bad(EINVAL, pthread_mutex_timedlock(&mutex, &far_minus));
        bad(EINVAL, pthread_mutex_timedlock(&mutex, &far_over));
        bad(ETIMEDOUT, pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &past));
        bad(EINVAL, pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &over));
        bad(EINVAL, pthread_mutex_clocklock(&mutex, CLOCK_PROCESS_CPUTIME_ID, &past));
        bad(EINVAL, pthread_mutex_clocklock(&mutex, -1, &past));
        bad(EINVAL, pthread_mutex_consistent(&mutex));
        sem_post(&s[1]);
        must_join(t);
        /* Free: a wrong time does not matter, since there is nothing to wait for. */
        bad(0, pthread_mutex_timedlock(&mutex, &over));
        if (types[i] == PTHREAD_MUTEX_ERRORCHECK) {
            bad(EDEADLK, pthread_mutex_lock(&mutex));
            bad(EDEADLK, pthread_mutex_timedlock(&mutex, &past));
            bad(EDEADLK, pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &past));
        }
        if (types[i] == PTHREAD_MUTEX_RECURSIVE) {
            mutex.__data.__count = ~0u; /* as after that many locks */
            bad(EAGAIN, pthread_mutex_lock(&mutex));
            bad(EAGAIN, pthread_mutex_trylock(&mutex));
            bad(EAGAIN, pthread_mutex_timedlock(&mutex, &past));
            mutex.__data.__count = 1;
        } else {
            bad(EBUSY, pthread_mutex_trylock(&mutex));
        }
        bad(0, pthread_mutex_unlock(&mutex));
        bad(0, pthread_mutex_destroy(&mutex));
    }
    pthread_mutex_init(&m, NULL);
    bad(EINVAL, pthread_mutex_getprioceiling(&m, &ceiling));
    bad(EINVAL, pthread_mutex_setprioceiling(&m, 10, &ceiling));
    bad(EINVAL, pthread_mutex_consistent(&m));
    pthread_mutexattr_destroy(&a);
}

static void conditions(void) {
    pthread_condattr_t a;
    pthread_mutexattr_t ma;
    pthread_cond_t c = PTHREAD_COND_INITIALIZER;
    pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER, e;
    pthread_condattr_init(&a);
    bad(EINVAL, pthread_condattr_setpshared(&a, 2));
    bad(EINVAL, pthread_condattr_setpshared(&a, -1));
    bad(EINVAL, pthread_condattr_setclock(&a, CLOCK_PROCESS_CPUTIME_ID));
    bad(EINVAL, pthread_condattr_setclock(&a, CLOCK_THREAD_CPUTIME_ID));
    bad(EINVAL, pthread_condattr_setclock(&a, 77));
    bad(EINVAL, pthread_condattr_setclock(&a, -1));
    pthread_mutex_lock(&m);
    bad(EINVAL, pthread_cond_timedwait(&c, &m, &minus));
    bad(EINVAL, pthread_cond_timedwait(&c, &m, &over));
    bad(EINVAL, pthread_cond_timedwait(&c, &m, &far_over));
    bad(ETIMEDOUT, pthread_cond_timedwait(&c, &m, &past));
    bad(ETIMEDOUT, pthread_cond_timedwait(&c, &m, &negative));
    bad(ETIMEDOUT, pthread_cond_clockwait(&c, &m, CLOCK_MONOTONIC, &past));
    bad(EINVAL, pthread_cond_clockwait(&c, &m, CLOCK_MONOTONIC, &over));
    bad(EINVAL, pthread_cond_clockwait(&c, &m, CLOCK_PROCESS_CPUTIME_ID, &past));
    bad(EINVAL, pthread_cond_clockwait(&c, &m, 77, &past));
    bad(EBUSY, pthread_mutex_trylock(&m)); /* held still, after all of them */
    pthread_mutex_unlock(&m);
    pthread_mutexattr_init(&ma);
    pthread_mutexattr_settype(&ma, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_init(&e, &ma);
    bad(EPERM, pthread_cond_wait(&c, &e)); /* an error-checking mutex that is not the caller's */
    bad(EPERM, pthread_cond_timedwait(&c, &e, &past));
    bad(0, pthread_cond_signal(&c));
    bad(0, pthread_cond_destroy(&c));
    pthread_condattr_destroy(&a);
}

static void *hold_read(void *arg) {
    pthread_rwlock_rdlock(&rwlock);
    sem_post(arg);
    sem_wait((sem_t *)arg + 1);
    pthread_rwlock_unlock(&rwlock);
    return NULL;
}

static void rwlocks(void) {
    pthread_rwlockattr_t a;
    sem_t s[2];
    pthread_rwlockattr_init(&a);
    bad(EINVAL, pthread_rwlockattr_setpshared(&a, 2));
    bad(EINVAL, pthread_rwlockattr_setpshared(&a, -1));
    bad(EINVAL, pthread_rwlockattr_setkind_np(&a, 3));
    bad(EINVAL, pthread_rwlockattr_setkind_np(&a, -1));
    pthread_rwlock_init(&rwlock, &a);
    pthread_rwlock_wrlock(&rwlock);
    bad(EDEADLK, pthread_rwlock_wrlock(&rwlock));
    bad(EDEADLK, pthread_rwlock_rdlock(&rwlock));
    bad(EDEADLK, pthread_rwlock_timedwrlock(&rwlock, &past));
    bad(EDEADLK, pthread_rwlock_timedrdlock(&rwlock, &past));
    bad(EDEADLK, pthread_rwlock_clockwrlock(&rwlock, CLOCK_MONOTONIC, &past));
    bad(EDEADLK, pthread_rwlock_clockrdlock(&rwlock, CLOCK_MONOTONIC, &past));
    bad(EBUSY, pthread_rwlock_trywrlock(&rwlock));
    bad(EBUSY, pthread_rwlock_tryrdlock(&rwlock));
    bad(0, pthread_rwlock_unlock(&rwlock));
    sem_init(&s[0], 0, 0);
    sem_init(&s[1], 0, 0);
    pthread_t t = must_create(NULL, hold_read, s);
    sem_wait(&s[0]);
    bad(EBUSY, pthread_rwlock_trywrlock(&rwlock));
    bad(ETIMEDOUT, pthread_rwlock_timedwrlock(&rwlock, &past));
    bad(ETIMEDOUT, pthread_rwlock_clockwrlock(&rwlock, CLOCK_MONOTONIC, &past));
    bad(EINVAL, pthread_rwlock_timedwrlock(&rwlock, &minus));
    bad(EINVAL, pthread_rwlock_timedwrlock(&rwlock, &over));
    bad(EINVAL, pthread_rwlock_clockwrlock(&rwlock, CLOCK_MONOTONIC, &over));
    bad(EINVAL, pthread_rwlock_clockwrlock(&rwlock, CLOCK_PROCESS_CPUTIME_ID, &past));
    bad(EINVAL, pthread_rwlock_clockwrlock(&rwlock, -1, &past));
    bad(EINVAL, pthread_rwlock_clockrdlock(&rwlock, 77, &past));
    sem_post(&s[1]);
    must_join(t);
    bad(0, pthread_rwlock_destroy(&rwlock));
    pthread_rwlockattr_destroy(&a);
}

static void barriers_and_spins(void) {
    pthread_barrierattr_t a;
    pthread_barrier_t b;
    pthread_spinlock_t s;
    pthread_barrierattr_init(&a);
    bad(EINVAL, pthread_barrierattr_setpshared(&a, 2));
    bad(EINVAL, pthread_barrierattr_setpshared(&a, -1));
    bad(EINVAL, pthread_barrier_init(&b, NULL, 0));
    bad(EINVAL, pthread_barrier_init(&b, NULL, UINT_MAX));
    pthread_spin_init(&s, PTHREAD_PROCESS_PRIVATE);
    bad(0, pthread_spin_lock(&s));
    bad(EBUSY, pthread_spin_trylock(&s));
    bad(0, pthread_spin_unlock(&s));
    pthread_barrierattr_destroy(&a);
}

static void semaphores(void) {
    sem_t s;
    char name[NAME_MAX + 20], other[64];
    struct timespec soon = past;
    fails(EINVAL, sem_init(&s, 0, (unsigned)SEM_VALUE_MAX + 1) ? -1 : 1);
    fails(EINVAL, sem_init(&s, 1, UINT_MAX) ? -1 : 1);
    sem_init(&s, 0, 0);
    fails(EAGAIN, sem_trywait(&s));
    fails(ETIMEDOUT, sem_timedwait(&s, &soon));
    fails(ETIMEDOUT, sem_timedwait(&s, &negative));
    fails(EINVAL, sem_timedwait(&s, &minus));
    fails(EINVAL, sem_timedwait(&s, &over));
    fails(EINVAL, sem_timedwait(&s, &far_over));
    fails(ETIMEDOUT, sem_clockwait(&s, CLOCK_MONOTONIC, &past));
    fails(EINVAL, sem_clockwait(&s, CLOCK_MONOTONIC, &over));
    fails(EINVAL, sem_clockwait(&s, CLOCK_PROCESS_CPUTIME_ID, &past));
    fails(EINVAL, sem_clockwait(&s, 77, &past));
    sem_destroy(&s);
    sem_init(&s, 0, SEM_VALUE_MAX);
    fails(EOVERFLOW, sem_post(&s));
    is(sem_timedwait(&s, &past), 0, "sem_timedwait of a free one looks at no time");
    sem_destroy(&s);

    snprintf(other, sizeof other, "/odonata-bad-%d", (int)getpid());
    fails(EINVAL, sem_open("", O_CREAT, 0600, 0));
    fails(EINVAL, sem_open("/", O_CREAT, 0600, 0));
    fails(EINVAL, sem_open("/a/b", O_CREAT, 0600, 0));
    fails(ENOENT, sem_open(other, 0));
    fails(EINVAL, sem_open(other, O_CREAT, 0600, (unsigned)SEM_VALUE_MAX + 1));
    memset(name, 'n', sizeof name);
    name[0] = '/';
    name[sizeof name - 1] = 0;
    if (under_ours()) /* the libc says EINVAL, against POSIX and its own man page */
        fails(ENAMETOOLONG, sem_open(name, O_CREAT, 0600, 0));
    fails(ENOENT, sem_unlink(other));
    errno = 0;
    is(sem_unlink(name), -1, "sem_unlink of a name too long");
    ok(errno == ENAMETOOLONG || errno == ENOENT, "ENAMETOOLONG, or ENOENT as the libc has it");
    sem_t *o = sem_open(other, O_CREAT | O_EXCL, 0600, 1);
    ok(o != SEM_FAILED, "sem_open");
    fails(EEXIST, sem_open(other, O_CREAT | O_EXCL, 0600, 1));
    is(sem_close(o), 0, "sem_close");
    fails(EINVAL, sem_close(&s)); /* not from sem_open */
    sem_unlink(other);
    fails(ENOENT, sem_unlink(other));
}

static void standard_c(void) {
    mtx_t m;
    cnd_t c;
    thrd_t t;
    struct timespec bad_time = {0, -1};
    if (under_ours()) { /* the libc takes any number for mtx_plain */
        c11(thrd_error, mtx_init(&m, 77));
        c11(thrd_error, mtx_init(&m, -1));
    }
    c11(thrd_success, mtx_init(&m, mtx_timed));
    c11(thrd_success, mtx_lock(&m));
    c11(thrd_busy, mtx_trylock(&m));
    c11(thrd_timedout, mtx_timedlock(&m, &past));
    c11(thrd_error, mtx_timedlock(&m, &over));
    c11(thrd_success, cnd_init(&c));
    c11(thrd_timedout, cnd_timedwait(&c, &m, &past));
    c11(thrd_error, cnd_timedwait(&c, &m, &over));
    c11(thrd_success, mtx_unlock(&m));
    ok(thrd_sleep(&bad_time, NULL) < -1, "thrd_sleep for a wrong time: negative, and not -1");
    static struct event gate = EVENT_INIT; /* as above */
    pthread_t p = must_create(NULL, wait_gate, &gate);
    t = (thrd_t)p;
    c11(thrd_success, thrd_detach(t));
    c11(thrd_error, thrd_detach(t));
    c11(thrd_error, thrd_join(t, NULL));
    c11(thrd_error, thrd_join(thrd_current(), NULL));
    event_set(&gate);
}

int main(void) {
    clock_gettime(CLOCK_REALTIME, &far_minus);
    far_minus.tv_sec += 1000;
    far_over = far_minus;
    far_minus.tv_nsec = -1;
    far_over.tv_nsec = 1000000000;
    attributes();
    threads();
    int r = in_child(no_right);
    if (r == 77)
        skip("cannot become an ordinary user");
    else
        is(r, 0, "real-time policies without the right: EPERM");
    keys();
    mutexes();
    conditions();
    rwlocks();
    barriers_and_spins();
    semaphores();
    standard_c();
    return done();
}
