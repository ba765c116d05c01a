/*
 * A child made by a raw clone: none of fork's handlers has run in it, and the libc still has its parent's
 * thread id.  Chromium's sandbox makes its processes so, puts the new id where the libc keeps it, and stops
 * unless a mutex says that it is owned by that id.  After that all that goes by a thread's id is right in the
 * child.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "../tap.h"

/* Where the libc keeps the calling thread's id: it tells debuggers. */
static pid_t *libc_word(void) {
    const uint32_t *field = dlsym(RTLD_DEFAULT, "_thread_db_pthread_tid");
    return field ? (pid_t *)((uintptr_t)pthread_self() + field[2]) : NULL;
}

static int owner(void) {
    pthread_mutex_t m = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
    pthread_mutex_lock(&m);
    int id = m.__data.__owner;
    pthread_mutex_unlock(&m);
    return id;
}

/* The CPU clock of a thread has its id in it: clock_getcpuclockid(3). */
static int clock_id(pthread_t t) {
    clockid_t clock = 0;
    return pthread_getcpuclockid(t, &clock) == 0 ? ~(clock >> 3) : -1;
}

static volatile sig_atomic_t caught;

static void on_signal(int sig) {
    (void)sig;
    caught++;
}

static pthread_t main_thread;
static int thread_sees_main, killed;

static void *thread(void *arg) {
    (void)arg;
    thread_sees_main = clock_id(main_thread);
    killed = pthread_kill(main_thread, SIGUSR1);
    return NULL;
}

static void *nothing(void *arg) {
    return arg;
}

enum { CHILD_LINES = 8 };

static void in_child(void) {
    pid_t *word = libc_word(), id = (pid_t)syscall(SYS_gettid);
    is(owner(), *word, "a mutex's owner is the id that the libc has");
    *word = id;
    is(owner(), id, "and the new one when the child has put it there");
    is(clock_id(pthread_self()), id, "so is the id in the CPU clock");

    pthread_mutex_t m = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
    pthread_mutex_lock(&m);
    is(pthread_mutex_lock(&m), EDEADLK, "it is known who holds a mutex");
    pthread_mutex_unlock(&m);

    pthread_t t;
    if (ok(pthread_create(&t, NULL, thread, NULL) == 0, "the child creates a thread")) {
        pthread_join(t, NULL);
        is(thread_sees_main, id, "which sees the new id of the first thread too");
        is(killed, 0, "and signals it");
        is(caught, 1, "in the child");
    }
}

static int child(void *arg) {
    (void)arg;
    alarm(30);
    in_child();
    _exit(tap_failed);
}

static long by_syscall(void) {
    return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static long by_clone(void) {
    static char stack[65536] __attribute__((aligned(64)));
    return clone(child, stack + sizeof stack, SIGCHLD, NULL);
}

static long by_Fork(void) {
    return _Fork();
}

static void try(long (*how)(void), const char *name) {
    pthread_t t;
    ok(pthread_create(&t, NULL, nothing, NULL) == 0 && pthread_join(t, NULL) == 0, "a thread that ends");
    long pid = how();
    if (pid == 0)
        child(NULL);
    int status = -1;
    ok(pid > 0 && waitpid((pid_t)pid, &status, 0) == pid, "the child of %s ends", name);
    tap_count += CHILD_LINES;
    is(status, 0, "and has nothing to complain of");
    is(caught, 0, "nobody signalled the parent");
}

int main(void) {
    main_thread = pthread_self();
    signal(SIGUSR1, on_signal);
    if (!libc_word()) {
        skip("the libc does not tell where it keeps the id");
        return done();
    }
    is(*libc_word(), syscall(SYS_gettid), "the libc's word is where it says");
    is(owner(), *libc_word(), "a mutex's owner");
    try(by_syscall, "syscall()");
    try(by_clone, "clone()");
    try(by_Fork, "_Fork()");
    return done();
}
