/* not under: asan */ /* a fork takes a second there */
/*
 * fork with live threads: the child has one thread, the caller's copy, with its handle, mask, keys and a new
 * id; it creates, joins, locks and ends as any process does.  From main, from other threads, nested, and many
 * at once.
 */
#include "life.h"

static struct event gate = EVENT_INIT;
static void *at_gate(void *arg) {
    event_wait(&gate);
    return arg;
}

static pthread_key_t key;
static __thread int tls_value;
static pthread_t parents[4];
static int parent_count;

static void *in_new_thread(void *arg) {
    check(tls_value == 0);
    check(pthread_getspecific(key) == NULL);
    char *p = malloc(1000);
    memset(p, 1, 1000);
    free(p);
    tls_value = 9;
    return arg;
}

static int nested(int depth);

/* What a child of fork must be able to do. */
static int child(pthread_t self_before, long tid_before, int depth) {
    int x;
    check(pthread_equal(pthread_self(), self_before));
    check(gettid_raw() == getpid());
    check(gettid_raw() != tid_before);
    check(gettid() == getpid());
    check(count_tasks() == 1);
    check(tls_value == 5);
    check(pthread_getspecific(key) == &tls_value);
    /* Locks owned by the forking thread are the child's; an errorcheck mutex knows its owner by thread id. */
    pthread_mutexattr_t ma;
    pthread_mutex_t m;
    pthread_mutexattr_init(&ma);
    pthread_mutexattr_settype(&ma, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_init(&m, &ma);
    check(pthread_mutex_lock(&m) == 0);
    check(pthread_mutex_lock(&m) == EDEADLK);
    check(pthread_mutex_unlock(&m) == 0);
    check(pthread_mutex_unlock(&m) == EPERM);
    pthread_mutexattr_settype(&ma, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&m, &ma);
    check(pthread_mutex_lock(&m) == 0);
    check(pthread_mutex_lock(&m) == 0);
    check(pthread_mutex_unlock(&m) == 0);
    check(pthread_mutex_unlock(&m) == 0);
    /* The parent's other threads do not exist here. */
    if (under_ours())
        for (int i = 0; i < parent_count; i++)
            check(pthread_kill(parents[i], 0) == ESRCH || pthread_equal(parents[i], pthread_self()));
    for (int round = 0; round < 5; round++) {
        pthread_t t[8];
        for (int i = 0; i < 8; i++)
            check(pthread_create(&t[i], NULL, in_new_thread, &x) == 0);
        for (int i = 0; i < 8; i++) {
            void *v = NULL;
            check(pthread_join(t[i], &v) == 0 && v == &x);
        }
    }
    if (!parked_allowed())
        check(settle_tasks(1) == 1);
    /* A signal to the child's thread arrives. */
    sigset_t usr1;
    int sig = 0;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &usr1, NULL);
    check(pthread_kill(pthread_self(), SIGUSR1) == 0);
    check(sigwait(&usr1, &sig) == 0 && sig == SIGUSR1);
    if (depth > 0)
        check(nested(depth - 1) == 0);
    return check_failed;
}

/* Forks from whatever thread calls it; the child's number of failures. */
static int nested(int depth) {
    pthread_t self = pthread_self();
    long tid = gettid_raw();
    tls_value = 5;
    pthread_setspecific(key, &tls_value);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(20);
        _exit(child(self, tid, depth));
    }
    check(tls_value == 5 && gettid_raw() == tid);
    int r = pid < 0 ? -1 : reaped(pid);
    tls_value = 0;
    pthread_setspecific(key, NULL);
    return r;
}

static void *fork_here(void *arg) {
    (void)arg;
    return (void *)(uintptr_t)nested(2);
}

static void *fork_many(void *arg) {
    int bad = 0;
    (void)arg;
    for (int i = 0; i < 8; i++)
        bad += nested(0) != 0;
    return (void *)(uintptr_t)bad;
}

static volatile int stop;
static void *allocate(void *arg) {
    while (!stop) {
        char *p = malloc(100);
        free(p);
        FILE *f = tmpfile();
        if (f) {
            fprintf(f, "%s", strerror(1));
            fclose(f);
        }
    }
    return arg;
}
static void *churn(void *arg) {
    while (!stop)
        must_join(must_create(NULL, do_nothing, NULL));
    return arg;
}

/* A forked child of a thread returns from the thread's function: the child ends with code 0, as from
 * pthread_exit. */
static void *fork_and_return(void *arg) {
    pid_t pid = fork();
    if (pid)
        *(int *)arg = reaped(pid);
    return NULL;
}

/* The thread that forked is the child's initial thread: exit(), and pthread_join of itself by another. */
static pthread_t forker;
static void *join_forker(void *arg) {
    (void)arg;
    void *v = NULL;
    return (void *)(uintptr_t)(pthread_join(forker, &v) == 0 && v == (void *)33);
}
static void *finish(void *arg) {
    _exit(join_forker(arg) ? 44 : 45);
}
static void *forker_main(void *arg) {
    pid_t pid = fork();
    if (pid == 0) {
        alarm(10);
        forker = pthread_self();
        /* Another thread of the child outlives it, joins it, and ends the process. */
        must_create(NULL, finish, NULL);
        pthread_exit((void *)33);
    }
    *(int *)arg = reaped(pid);
    return NULL;
}
static int raw_fork(void) {
    pid_t pid = _Fork();
    if (pid == 0) {
        int good = gettid_raw() == getpid() && getpid() != 0 && pthread_kill(pthread_self(), 0) == 0;
        _exit(good ? 3 : 4);
    }
    return reaped(pid);
}

static int cancel_in_child(void) {
    pthread_t t = must_create(NULL, do_pause, NULL);
    usleep(1000);
    void *v = NULL;
    check(pthread_cancel(t) == 0);
    check(pthread_join(t, &v) == 0 && v == PTHREAD_CANCELED);
    return check_failed;
}

int main(void) {
    pthread_key_create(&key, NULL);
    is(nested(2), 0, "fork before any thread, nested");
    for (parent_count = 0; parent_count < 4; parent_count++)
        parents[parent_count] = must_create(NULL, at_gate, NULL);
    is(nested(2), 0, "fork from main with four threads, nested");
    is((long)(uintptr_t)must_join(must_create(NULL, fork_here, NULL)), 0, "fork from a thread, nested");
    is((long)(uintptr_t)must_join(must_create(NULL, fork_here, NULL)), 0, "and from the next");
    is(in_child(cancel_in_child), 0, "a thread of a child is cancelled");
    is(raw_fork(), 3, "_Fork");
    int status = -1;
    must_join(must_create(NULL, fork_and_return, &status));
    is(status, 0, "the child returns from the thread function that forked: code 0");
    must_join(must_create(NULL, forker_main, &status));
    is(status, 44, "the thread that forked leaves by pthread_exit, and another joins it");
    event_set(&gate);
    for (int i = 0; i < 4; i++)
        must_join(parents[i]);
    parent_count = 0;

    pthread_t t[4], busy[2];
    busy[0] = must_create(NULL, allocate, NULL);
    busy[1] = must_create(NULL, churn, NULL);
    for (int i = 0; i < 4; i++)
        t[i] = must_create(NULL, fork_many, NULL);
    long bad = 0;
    for (int i = 0; i < 4; i++)
        bad += (long)(uintptr_t)must_join(t[i]);
    stop = 1;
    must_join(busy[0]);
    must_join(busy[1]);
    is(bad, 0, "32 forks from four threads at once, while others allocate and create");
    is(check_failed, 0, "and the parent is as it was");
    must_join(must_create(NULL, do_nothing, NULL));
    return done();
}
