/* pthread_once and call_once: once; left early by cancellation and pthread_exit; fork in the middle. */
#include <pthread.h>
#include <sys/wait.h>
#include <threads.h>

#include "tap.h"

static int runs, cleaned;
static pthread_once_t control;

static void slow_init(void) {
    usleep(20000);
    runs++;
}
static void *caller(void *arg) {
    pthread_once(&control, slow_init);
    return (void *)(long)(runs + 0 * (arg != NULL));
}

static void once_only(void) {
    pthread_t t[4];
    void *seen;
    control = PTHREAD_ONCE_INIT;
    for (int i = 0; i < 4; i++)
        pthread_create(&t[i], NULL, caller, NULL);
    for (int i = 0; i < 4; i++) {
        pthread_join(t[i], &seen);
        is((long)seen, 1, "it has run when the call returns");
    }
    is(pthread_once(&control, slow_init), 0, "again");
    is(runs, 1, "it ran once");
    is(control, 2, "the libc's value for done");
}

static void leave_early(void) {
    if (runs++ == 0)
        pthread_exit(NULL);
}
static void wait_for_cancel(void) {
    if (runs++ == 0) {
        for (;;)
            pause();
    }
}
static void clean(void *arg) {
    (void)arg;
    cleaned++;
}
static void (*routine)(void);
static void *leaver(void *arg) {
    pthread_cleanup_push(clean, NULL);
    pthread_once(&control, routine);
    pthread_cleanup_pop(0);
    return arg;
}
static void *late_caller(void *arg) {
    pthread_once(&control, routine);
    return arg;
}

static void left_early(void (*f)(void), int cancel, const char *what) {
    pthread_t first, waiter;
    control = PTHREAD_ONCE_INIT;
    runs = cleaned = 0;
    routine = f;
    pthread_create(&first, NULL, leaver, NULL);
    if (cancel) {
        while (*(volatile int *)&runs == 0)
            usleep(1000);
        pthread_create(&waiter, NULL, late_caller, NULL);
        usleep(50000);
        pthread_cancel(first);
        pthread_join(waiter, NULL);
        is(runs, 2, "%s: a waiter runs it again", what);
    }
    pthread_join(first, NULL);
    is(cleaned, 1, "%s: the caller's cleanup handler runs", what);
    pthread_once(&control, f);
    pthread_once(&control, f);
    is(runs, 2, "%s: the next one runs it again, once", what);
}

/* One inside another, the inner one left early with the outer one. */
static pthread_once_t inner;
static int inner_runs;
static void inner_init(void) {
    if (inner_runs++ == 0)
        pthread_exit(NULL);
}
static void outer_init(void) {
    runs++;
    pthread_once(&inner, inner_init);
}
static void nested(void) {
    pthread_t t;
    runs = 0;
    control = PTHREAD_ONCE_INIT;
    routine = outer_init;
    pthread_create(&t, NULL, late_caller, NULL);
    pthread_join(t, NULL);
    pthread_once(&control, outer_init);
    ok(runs == 2 && inner_runs == 2, "nested: both run again");
}

static void fork_inside(void) {
    runs++;
    if (fork() == 0) {
        alarm(10);
        pthread_once(&control, slow_init); /* the parent's run is not this process's */
        _exit(runs == 2 ? 0 : 1);
    }
    int status;
    wait(&status);
    is(status, 0, "a child starts over");
}

static int c11_runs;
static void c11_init(void) {
    c11_runs++;
}

int main(void) {
    once_only();
    left_early(leave_early, 0, "pthread_exit");
    left_early(wait_for_cancel, 1, "cancelled");
    nested();
    runs = 0;
    control = PTHREAD_ONCE_INIT;
    pthread_once(&control, fork_inside);
    once_flag flag = ONCE_FLAG_INIT;
    call_once(&flag, c11_init);
    call_once(&flag, c11_init);
    is(c11_runs, 1, "call_once");
    return done();
}
