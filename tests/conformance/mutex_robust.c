/* timeout: 120 */
/* Robust and priority-inheriting mutexes: of all types, private and shared, between threads, and between
 * processes of which one may be on the plain libc. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "../tap.h"
#include "peer.h"

static const int types[] = {PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ERRORCHECK};
static const char *const type_names[] = {"normal", "recursive", "errorcheck"};

static struct shared {
    pthread_mutex_t m;
    pthread_cond_t c;
    int step;
} *s;

static void init(pthread_mutex_t *m, int type, int shared, int robust, int protocol) {
    pthread_mutexattr_t a;
    pthread_mutexattr_init(&a);
    pthread_mutexattr_settype(&a, type);
    pthread_mutexattr_setpshared(&a, shared ? PTHREAD_PROCESS_SHARED : PTHREAD_PROCESS_PRIVATE);
    pthread_mutexattr_setrobust(&a, robust ? PTHREAD_MUTEX_ROBUST : PTHREAD_MUTEX_STALLED);
    pthread_mutexattr_setprotocol(&a, protocol);
    memset(m, 0xa5, sizeof *m);
    int r = pthread_mutex_init(m, &a);
    if (r != 0)
        is(r, 0, "init");
}

static struct timespec in(clockid_t clock, int ms) {
    struct timespec t;
    clock_gettime(clock, &t);
    t.tv_nsec += ms * 1000000L;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return t;
}

/* ---- what every mutex does */

static void *others(void *arg) {
    pthread_mutex_t *m = arg;
    struct timespec soon = in(CLOCK_REALTIME, 20);
    is(pthread_mutex_trylock(m), EBUSY, "another thread: trylock");
    is(pthread_mutex_timedlock(m, &soon), ETIMEDOUT, "another thread: timedlock");
    is(pthread_mutex_unlock(m), EPERM, "another thread: unlock");
    pthread_cond_t c = PTHREAD_COND_INITIALIZER;
    is(pthread_cond_timedwait(&c, m, &soon), EPERM, "another thread: wait with it");
    return NULL;
}

static int ready, count;

static void *waits(void *arg) {
    pthread_mutex_t *m = arg;
    pthread_mutex_lock(m);
    ready++;
    int r = pthread_cond_wait(&s->c, m);
    count++;
    pthread_mutex_unlock(m);
    return (void *)(intptr_t)r;
}

/* The libc does not ask who uses a robust mutex before it destroys it. */
static void basics(const char *name, pthread_mutex_t *m, int type, int robust) {
    pthread_t t[4];
    is(pthread_mutex_lock(m), 0, "%s: lock", name);
    if (type != PTHREAD_MUTEX_NORMAL)
        is(pthread_mutex_lock(m), type == PTHREAD_MUTEX_RECURSIVE ? 0 : EDEADLK, "%s: lock again", name);
    if (type == PTHREAD_MUTEX_RECURSIVE)
        is(pthread_mutex_unlock(m), 0, "%s: unlock once", name);
    pthread_create(&t[0], NULL, others, m);
    pthread_join(t[0], NULL);
    if (!robust)
        is(pthread_mutex_destroy(m), EBUSY, "%s: destroy while locked", name);
    is(pthread_mutex_unlock(m), 0, "%s: unlock", name);
    is(pthread_mutex_unlock(m), EPERM, "%s: unlock when it is free", name);

    ready = count = 0;
    for (int i = 0; i < 4; i++)
        pthread_create(&t[i], NULL, waits, m);
    for (int all = 0; !all; usleep(500)) {
        pthread_mutex_lock(m);
        all = ready == 4;
        pthread_mutex_unlock(m);
    }
    if (!robust)
        is(pthread_mutex_destroy(m), EBUSY, "%s: destroy while others wait on a condition with it", name);
    pthread_mutex_lock(m);
    pthread_cond_broadcast(&s->c);
    struct timespec soon = in(CLOCK_REALTIME, 20);
    is(pthread_cond_timedwait(&s->c, m, &soon), ETIMEDOUT, "%s: a wait that nobody ends", name);
    pthread_mutex_unlock(m);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    is(count, 4, "%s: a broadcast wakes them", name);
    is(pthread_mutex_destroy(m), 0, "%s: destroy", name);
}

/* ---- owners that die */

static void *dies(void *arg) {
    pthread_mutex_lock(arg);
    return NULL;
}

static void thread_dies(pthread_mutex_t *m) {
    pthread_t t;
    pthread_create(&t, NULL, dies, m);
    pthread_join(t, NULL);
}

static void deaths(const char *name, pthread_mutex_t *m) {
    thread_dies(m);
    is(pthread_mutex_lock(m), EOWNERDEAD, "%s: lock after the owner died", name);
    is(pthread_mutex_consistent(m), 0, "%s: consistent", name);
    is(pthread_mutex_consistent(m), EINVAL, "%s: consistent already", name);
    is(pthread_mutex_unlock(m), 0, "%s: unlock", name);
    is(pthread_mutex_lock(m), 0, "%s: lock, as new", name);
    is(pthread_mutex_unlock(m), 0, "%s: unlock", name);

    thread_dies(m);
    is(pthread_mutex_trylock(m), EOWNERDEAD, "%s: trylock after the owner died", name);
    pthread_mutex_consistent(m);
    pthread_mutex_unlock(m);
    thread_dies(m);
    struct timespec later = in(CLOCK_REALTIME, 60000);
    is(pthread_mutex_timedlock(m, &later), EOWNERDEAD, "%s: timedlock after the owner died", name);
    pthread_mutex_consistent(m);

    /* Of two that wait on a condition, one dies with the mutex, the other hears of it. */
    pthread_t t;
    ready = 0;
    pthread_create(&t, NULL, waits, m);
    for (int there = 0; !there; usleep(500)) {
        pthread_mutex_unlock(m);
        pthread_mutex_lock(m);
        there = ready;
    }
    pthread_mutex_unlock(m);
    pid_t pid = -1;
    if (m == &s->m && (pid = fork()) == 0) {
        pthread_mutex_lock(m);
        _exit(0);
    }
    if (pid > 0)
        waitpid(pid, NULL, 0);
    else
        thread_dies(m);
    pthread_cond_signal(&s->c);
    void *r;
    pthread_join(t, &r);
    is((long)(intptr_t)r, EOWNERDEAD, "%s: a wait ends with EOWNERDEAD", name);
    is(pthread_mutex_lock(m), ENOTRECOVERABLE, "%s: not made consistent before unlock: lock", name);
    is(pthread_mutex_unlock(m), EPERM, "%s: ... unlock", name);
    is(pthread_mutex_trylock(m), ENOTRECOVERABLE, "%s: ... trylock", name);
    is(pthread_mutex_destroy(m), 0, "%s: ... destroy", name);
}

static void *tries(void *arg) {
    return (void *)(intptr_t)pthread_mutex_trylock(arg);
}

/* A thread is not taken for one that died with the mutex, whose LWP or kernel id it may have. */
static void stalls(const char *name, pthread_mutex_t *m) {
    pthread_t t;
    void *r;
    thread_dies(m);
    pthread_create(&t, NULL, tries, m);
    pthread_join(t, &r);
    is((long)(intptr_t)r, EBUSY, "%s: trylock after the owner died", name);
}

/* ---- between processes */

static void reach(int step) {
    __atomic_store_n(&s->step, step, __ATOMIC_RELEASE);
}

static void wait_for(int step) {
    while (__atomic_load_n(&s->step, __ATOMIC_ACQUIRE) < step)
        usleep(500);
}

/* Takes the mutex of a process that is about to be killed, gives it back, takes it once more, and is killed
 * itself. */
static int peer(void) {
    reach(1);
    if (pthread_mutex_lock(&s->m) != EOWNERDEAD || pthread_mutex_consistent(&s->m) != 0)
        return 1;
    if (pthread_mutex_unlock(&s->m) != 0 || pthread_mutex_lock(&s->m) != 0)
        return 2;
    reach(2);
    pause();
    return 3;
}

static void processes(const char *name, int protocol, const char *self) {
    init(&s->m, PTHREAD_MUTEX_NORMAL, 1, 1, protocol);
    reach(0);
    pid_t owner = fork();
    if (owner == 0) {
        pthread_mutex_lock(&s->m);
        reach(1);
        pause();
    }
    wait_for(1);
    reach(0);
    pid_t other = peer_start(peer, self);
    wait_for(1);
    usleep(20000); /* the peer waits by now; if not, the test is only an easier one */
    int status;
    kill(owner, SIGKILL);
    waitpid(owner, &status, 0);
    wait_for(2);
    is(pthread_mutex_trylock(&s->m), EBUSY, "%s: the peer has got the mutex of the dead owner", name);
    kill(other, SIGKILL);
    waitpid(other, &status, 0);
    is(WIFSIGNALED(status) ? 0 : status, 0, "%s: the peer's result", name);
    is(pthread_mutex_lock(&s->m), EOWNERDEAD, "%s: and we that of the dead peer", name);
    is(pthread_mutex_consistent(&s->m), 0, "%s: consistent", name);
    is(pthread_mutex_unlock(&s->m), 0, "%s: unlock", name);
    is(pthread_mutex_destroy(&s->m), 0, "%s: destroy", name);
}

int main(int argc, char **argv) {
    s = peer_memory(argc, argv, sizeof *s);
    alarm(100);
    if (argc > 2)
        return peer();
    pthread_mutex_t own;
    for (int i = 0; i < 24; i++) {
        int type = types[i % 3], shared = i / 3 % 2, robust = i / 6 % 2;
        int protocol = i / 12 ? PTHREAD_PRIO_INHERIT : PTHREAD_PRIO_NONE;
        if (!robust && protocol == PTHREAD_PRIO_NONE)
            continue;
        char name[64];
        snprintf(name, sizeof name, "%s%s%s%s", type_names[i % 3], shared ? ", shared" : "",
                 robust ? ", robust" : "", protocol ? ", inherit" : "");
        pthread_mutex_t *m = shared ? &s->m : &own;
        init(m, type, shared, robust, protocol);
        basics(name, m, type, robust);
        init(m, type, shared, robust, protocol);
        if (robust)
            deaths(name, m);
        else
            is(pthread_mutex_consistent(m), EINVAL, "%s: consistent", name), stalls(name, m);
    }
    for (int protocol = PTHREAD_PRIO_NONE; protocol <= PTHREAD_PRIO_INHERIT; protocol++) {
        processes("forked", protocol, NULL);
        processes("libc", protocol, argv[0]);
    }
    return done();
}
