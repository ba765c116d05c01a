/*
 * Handlers of pthread_atfork: prepare in reverse order before, parent and child in order after, in the thread
 * that forks; they may create threads in the parent and child, and a handler may be registered by a thread.
 */
#include "life.h"

static char order[400];
static void note(const char *s) {
    strcat(order, s);
    strcat(order, " ");
}

static long caller, handler_in;
static void prepare1(void) {
    note("P1");
    handler_in = gettid_raw();
}
static void prepare2(void) {
    note("P2");
}
static void prepare3(void) {
    note("P3");
}
static void parent1(void) {
    note("p1");
}
static void parent2(void) {
    note("p2");
}
static void child1(void) {
    note("c1");
}
static void child2(void) {
    note("c2");
    check(gettid_raw() == getpid());
}

static pthread_mutex_t library_lock = PTHREAD_MUTEX_INITIALIZER;
static volatile int stop;
static int inside;
static void lock_it(void) {
    pthread_mutex_lock(&library_lock);
}
static void unlock_it(void) {
    pthread_mutex_unlock(&library_lock);
}
static void *use_lock(void *arg) {
    while (!stop) {
        pthread_mutex_lock(&library_lock);
        inside = 1;
        inside = 0;
        pthread_mutex_unlock(&library_lock);
    }
    return arg;
}

static void *registers(void *arg) {
    (void)arg;
    return (void *)(uintptr_t)pthread_atfork(prepare3, NULL, NULL);
}

static int child_creates;
static void child_thread(void) {
    pthread_t t;
    if (child_creates) {
        check(pthread_create(&t, NULL, do_nothing, NULL) == 0);
        check(pthread_join(t, NULL) == 0);
    }
}
static void parent_thread(void) {
    if (child_creates)
        must_join(must_create(NULL, do_nothing, NULL));
}

static const char *child_wants;
static int fork_once(void) {
    order[0] = 0;
    caller = gettid_raw();
    pid_t pid = fork();
    if (pid == 0) {
        alarm(10);
        if (strcmp(order, child_wants))
            fprintf(stderr, "# got %s\n", order);
        check(!strcmp(order, child_wants));
        pthread_t t;
        check(pthread_create(&t, NULL, do_nothing, NULL) == 0);
        check(pthread_join(t, NULL) == 0);
        _exit(check_failed);
    }
    return reaped(pid);
}
static void *fork_in_thread(void *arg) {
    *(int *)arg = fork_once();
    return NULL;
}

int main(void) {
    is(pthread_atfork(prepare1, parent1, child1), 0, "pthread_atfork");
    is(pthread_atfork(prepare2, parent2, child2), 0, "a second");
    is(pthread_atfork(NULL, NULL, NULL), 0, "none of three");
    child_wants = "P2 P1 c1 c2 ";
    is(fork_once(), 0, "prepare in reverse order, child in order");
    ok(!strcmp(order, "P2 P1 p1 p2 "), "prepare in reverse order, parent in order (%s)", order);
    is(handler_in, caller, "in the thread that forks");

    int r = -1;
    must_join(must_create(NULL, fork_in_thread, &r));
    is(r, 0, "the same from a thread");
    ok(!strcmp(order, "P2 P1 p1 p2 "), "the same from a thread, in the parent");
    is(handler_in, caller, "in the thread that forks");

    is((long)(uintptr_t)must_join(must_create(NULL, registers, NULL)), 0, "registered by a thread");
    child_wants = "P3 P2 P1 c1 c2 ";
    is(fork_once(), 0, "is called");

    /* _Fork and vfork call none. */
    order[0] = 0;
    pid_t pid = _Fork();
    if (pid == 0)
        _exit(order[0] ? 1 : 0);
    is(reaped(pid), 0, "_Fork calls none in the child");
    ok(!order[0], "nor in the parent");

    /* system, popen and posix_spawn are no forks in this sense. */
    ok(system("true") == 0 && !order[0], "system calls none");

    pthread_atfork(NULL, parent_thread, child_thread);
    child_creates = 1;
    is(fork_once(), 0, "handlers that create threads");
    child_creates = 0;

    /* What they are for: a library's lock is free in the child, whoever held it. */
    pthread_atfork(lock_it, unlock_it, unlock_it);
    pthread_t t = must_create(NULL, use_lock, NULL);
    int bad = 0;
    for (int i = 0; i < 40; i++) {
        order[0] = 0;
        pid = fork();
        if (pid == 0) {
            alarm(10);
            check(inside == 0);
            check(pthread_mutex_trylock(&library_lock) == 0);
            _exit(check_failed);
        }
        bad += reaped(pid) != 0;
    }
    stop = 1;
    must_join(t);
    is(bad, 0, "a lock taken in prepare is free and consistent in 40 children");
    is(check_failed, 0, "and in the parent");
    return done();
}
