/* not under: ubsan */ /* faults on purpose */
/*
 * The process ends with threads running: exit, _exit, abort, quick_exit, a fatal signal, from main and from
 * others, and while threads come and go at the same time; no hang, the status is right.
 */
#include "life.h"

static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;

static void *spin(void *arg) {
    volatile unsigned long n = 0;
    for (;;)
        n++;
    return arg;
}
static void *blocked(void *arg) {
    pthread_mutex_lock(&held);
    return arg;
}
static void *churn(void *arg) {
    for (;;) {
        pthread_t t;
        if (pthread_create(&t, NULL, do_nothing, NULL) == 0)
            pthread_join(t, NULL);
    }
    return arg;
}
static void *detached_churn(void *arg) {
    pthread_attr_t a;
    pthread_attr_init(&a);
    pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED);
    for (;;) {
        pthread_t t;
        if (pthread_create(&t, &a, do_nothing, NULL))
            usleep(100);
        sched_yield();
    }
    return arg;
}
static void *writer(void *arg) {
    FILE *f = fopen("/dev/null", "w");
    for (;;)
        fprintf(f, "%d\n", 1);
    return arg;
}

static void company(void) {
    pthread_mutex_lock(&held);
    must_create(NULL, spin, NULL);
    must_create(NULL, blocked, NULL);
    must_create(NULL, do_pause, NULL);
    must_create(NULL, churn, NULL);
    must_create(NULL, detached_churn, NULL);
    must_create(NULL, writer, NULL);
    usleep(5000);
}

static int how;
static volatile int *nowhere;
static void leave(void) {
    switch (how) {
    case 0: exit(11);
    case 1: _exit(12);
    case 2: quick_exit(13);
    case 3: abort();
    case 4: raise(SIGTERM); pause(); break;
    case 5: kill(getpid(), SIGKILL); pause(); break;
    case 6: *nowhere = 1; break;
    case 7: syscall(SYS_exit_group, 14); break;
    }
}
static void *leave_thread(void *arg) {
    leave();
    return arg;
}

static int from_main(void) {
    struct rlimit no = {0, 0};
    setrlimit(RLIMIT_CORE, &no);
    signal(SIGSEGV, SIG_DFL);
    company();
    leave();
    return 1;
}
static int from_thread(void) {
    struct rlimit no = {0, 0};
    setrlimit(RLIMIT_CORE, &no);
    signal(SIGSEGV, SIG_DFL);
    company();
    must_create(NULL, leave_thread, NULL);
    for (;;)
        pause();
    return 1;
}

/* Two threads call exit at once: one wins, the process ends, atexit handlers run once. */
static int counter_fd;
static void count_once(void) {
    if (write(counter_fd, "x", 1) < 0)
        _exit(98);
    usleep(1000);
}
static pthread_barrier_t barrier;
static void *exit_together(void *arg) {
    pthread_barrier_wait(&barrier);
    exit(21);
    return arg;
}
static int two_exits(void) {
    atexit(count_once);
    pthread_barrier_init(&barrier, NULL, 2);
    must_create(NULL, exit_together, NULL);
    exit_together(NULL);
    return 1;
}

/* An atexit handler that joins threads, and one that creates. */
static pthread_t kept;
static struct event gate = EVENT_INIT;
static void *at_gate(void *arg) {
    event_wait(&gate);
    return arg;
}
static void join_at_exit(void) {
    event_set(&gate);
    if (pthread_join(kept, NULL))
        _exit(97);
    pthread_t t;
    if (pthread_create(&t, NULL, do_nothing, &kept) || pthread_join(t, NULL))
        _exit(96);
}
static int joining_handler(void) {
    atexit(join_at_exit);
    kept = must_create(NULL, at_gate, NULL);
    exit(22);
}

static void *write_status(void *arg) {
    usleep(10000);
    exit(23);
    return arg;
}
static int join_forever(void) {
    pthread_t t = must_create(NULL, do_pause, NULL);
    must_create(NULL, write_status, NULL);
    pthread_join(t, NULL);
    return 1;
}

int main(void) {
    static const int want[] = {11, 12, 13, 1000 + SIGABRT, 1000 + SIGTERM, 1000 + SIGKILL, 1000 + SIGSEGV, 14};
    static const char *names[] = {"exit",           "_exit",   "quick_exit", "abort",
                                  "raise(SIGTERM)", "SIGKILL", "a fault",    "exit_group"};
    for (how = 0; how < 8; how++) {
        if (how == 6 && sanitized())
            continue;
        is(in_child(from_main), want[how], "%s in main beside six threads", names[how]);
        is(in_child(from_thread), want[how], "%s in a thread beside six others", names[how]);
    }
    int fds[2];
    if (pipe(fds))
        abort();
    counter_fd = fds[1];
    pid_t pid = fork();
    if (pid == 0) {
        alarm(10);
        exit(two_exits());
    }
    is(reaped(pid), 21, "two threads call exit at once");
    close(fds[1]);
    char buf[8];
    is(read(fds[0], buf, sizeof buf), 1, "handlers run once");
    pid = fork();
    if (pid == 0) {
        alarm(10);
        exit(joining_handler());
    }
    is(reaped(pid), 22, "an atexit handler joins and creates threads");
    is(in_child(join_forever), 23, "exit while main waits in join");
    return done();
}
