/* not under: tsan */ /* it has an LWP of its own: the process is never without foreign ones */
/*
 * A deadlock is reported, with who waits for whom; and whatever is none is not.
 *
 * Each case is a child process, since its threads wait for ever: what it writes on standard error is looked at.
 * A case that is no deadlock says so by ending: it is let go from outside, long after a report would have come.
 */
#include <mn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tap.h"

static char text[65536];
static int fds[2];

/* Runs it in a child until it has written `until`, or has ended; returns its status, or -1 if it had to be
 * killed. */
static int child(int (*fn)(void), const char *until) {
    int p[2], status = -1;
    size_t n = 0;
    bool killed = false;
    if (pipe(p))
        return -1;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(p[1], 2);
        alarm(40);
        close(p[0]);
        _exit(fn());
    }
    close(p[1]);
    text[0] = '\0';
    alarm(50);
    for (ssize_t got; n < sizeof text - 1 && (got = read(p[0], text + n, sizeof text - 1 - n)) > 0;) {
        n += (size_t)got;
        text[n] = '\0';
        if (until && strstr(text, until)) {
            kill(pid, SIGKILL);
            killed = true;
            break;
        }
    }
    close(p[0]);
    waitpid(pid, &status, 0);
    alarm(0);
    return killed ? -1 : status;
}

static int says(const char *what) {
    if (strstr(text, what))
        return 1;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        printf("# %s\n", line);
    fflush(stdout);
    return 0;
}

static struct mn_mutex a, b;
static uint32_t locked;

static void both(void) {
    __atomic_add_fetch(&locked, 1, __ATOMIC_ACQ_REL);
    while (__atomic_load_n(&locked, __ATOMIC_ACQUIRE) < 2)
        mn_yield();
}

static void *a_then_b(void *arg) {
    mn_mutex_lock(&a);
    both();
    mn_mutex_lock(&b);
    return arg;
}
static void *b_then_a(void *arg) {
    mn_mutex_lock(&b);
    both();
    mn_mutex_lock(&a);
    return arg;
}

static void go(mn_thread *t, const char *name, void *(*fn)(void *), unsigned flags) {
    struct mn_attr attr = {.name = name, .flags = flags};
    if (mn_go_attr(t, &attr, fn, NULL))
        _exit(9);
}

static int cycle_main(void *arg) {
    mn_thread t[2];
    (void)arg;
    go(&t[0], "one", a_then_b, 0);
    go(&t[1], "two", b_then_a, 0);
    return mn_join(t[0], NULL);
}
static int cycle(void) {
    return mn_run(cycle_main, NULL, NULL);
}

static void *park(void *arg) {
    mn_park("the end of the world");
    return arg;
}
static int park_main(void *arg) {
    mn_thread t;
    (void)arg;
    go(&t, "parked", park, 0);
    return mn_join(t, NULL);
}
static int parked(void) {
    return mn_run(park_main, NULL, NULL);
}
static int bound_main(void *arg) {
    mn_thread t;
    (void)arg;
    go(&t, "bound", park, MN_BOUND);
    return mn_join(t, NULL);
}
static int bound(void) {
    return mn_run(bound_main, NULL, NULL);
}
static int aborts(void) {
    struct mn_config c = {.deadlock = MN_DEADLOCK_ABORT};
    signal(SIGABRT, SIG_DFL);
    return mn_run(park_main, NULL, &c);
}

/* What is called wakes one: all go on. */
static mn_thread to_wake;
static void wake(void *arg) {
    (void)arg;
    mn_unpark(to_wake);
}
static int wake_main(void *arg) {
    (void)arg;
    mn_on_deadlock(MN_DEADLOCK_REPORT, wake, NULL);
    go(&to_wake, NULL, park, 0);
    return mn_join(to_wake, NULL) ? 1 : 7;
}
static int called(void) {
    return mn_run(wake_main, NULL, NULL);
}

/* ---- none */

static void *foreign(void *arg) {
    sleep(1);
    mn_unpark(to_wake);
    return arg;
}
static int foreign_main(void *arg) {
    pthread_t lwp;
    (void)arg;
    go(&to_wake, NULL, park, 0);
    pthread_create(&lwp, NULL, foreign, NULL);
    pthread_detach(lwp);
    return mn_join(to_wake, NULL) ? 1 : 7;
}
static int with_foreign(void) {
    return mn_run(foreign_main, NULL, NULL);
}

static void on_alarm(int number) {
    (void)number;
    mn_unpark(to_wake);
}
static int handler_main(void *arg) {
    (void)arg;
    go(&to_wake, NULL, park, 0);
    alarm(1);
    return mn_join(to_wake, NULL) ? 1 : 7;
}
static int with_handler(void) {
    signal(SIGALRM, on_alarm);
    return mn_run(handler_main, NULL, NULL);
}

static int sleep_main(void *arg) {
    (void)arg;
    return mn_sleep(500000000) ? 1 : 7;
}
static int with_timer(void) {
    return mn_run(sleep_main, NULL, NULL);
}

static int read_main(void *arg) {
    char c;
    (void)arg;
    return mn_read(fds[0], &c, 1) == 1 ? 7 : 1;
}
static int with_descriptor(void) {
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds))
        return 1;
    if (fork() == 0) {
        usleep(500000);
        _exit(write(fds[1], "x", 1) != 1);
    }
    mn_adopt(fds[0]);
    return mn_run(read_main, NULL, NULL);
}

static void *slow(void *arg) {
    usleep(500000);
    return arg;
}
static int blocked_main(void *arg) {
    mn_thread t;
    (void)arg;
    go(&t, NULL, slow, 0);
    return mn_join(t, NULL) ? 1 : 7;
}
static int with_blocked(void) {
    return mn_run(blocked_main, NULL, NULL);
}
static void call(void *arg) {
    (void)arg;
    usleep(500000);
}
static int offload_main(void *arg) {
    (void)arg;
    mn_block_call(call, NULL);
    return 7;
}
static int with_offload(void) {
    return mn_run(offload_main, NULL, NULL);
}
static int bound_busy_main(void *arg) {
    mn_thread t;
    (void)arg;
    go(&t, NULL, slow, MN_BOUND);
    return mn_join(t, NULL) ? 1 : 7;
}
static int with_bound(void) {
    return mn_run(bound_busy_main, NULL, NULL);
}
static int embedded(void) {
    if (mn_start(NULL))
        return 1;
    go(&to_wake, NULL, park, 0);
    usleep(500000);
    mn_unpark(to_wake);
    return mn_join(to_wake, NULL) == 0 && mn_stop(MN_FOREVER) == 0 ? 7 : 1;
}
static int off_main(void *arg) {
    (void)arg;
    mn_on_deadlock(MN_DEADLOCK_OFF, NULL, NULL);
    go(&to_wake, NULL, park, 0);
    return mn_join(to_wake, NULL);
}
static int off(void) {
    alarm(1);
    return mn_run(off_main, NULL, NULL);
}

static void none(int (*fn)(void), const char *name) {
    int status = child(fn, NULL);
    ok(WIFEXITED(status) && WEXITSTATUS(status) == 7, "%s: goes on", name);
    ok(!strstr(text, "deadlock"), "%s: is no deadlock", name);
}

int main(void) {
    child(cycle, "3 threads\n");
    ok(says("deadlock: 3 threads wait"), "a deadlock is found");
    ok(says("\"one\" waits: mutex 0x") && says(", held by thread "), "who waits for whom");
    ok(says("\"main\" waits: join of thread "), "and who waits for those");
    ok(says("a_then_b") || says("+0x"), "with backtraces");
    child(parked, "2 threads\n");
    ok(says("deadlock: 2 threads wait") && says("\"parked\" waits: the end of the world"),
       "a thread that is parked");
    child(bound, "2 threads\n");
    ok(says("deadlock: 2 threads wait") && says("\"bound\" waits: the end of the world"), "a bound thread");
    int status = child(aborts, NULL);
    ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && says("deadlock: 2 threads"),
       "and the program is aborted");
    status = child(called, NULL);
    ok(WIFEXITED(status) && WEXITSTATUS(status) == 7 && says("deadlock: 2 threads"),
       "or a function is called, which wakes one");
    is(mn_on_deadlock(0, NULL, NULL), -EINVAL, "no such choice");
    is(mn_on_deadlock(4, NULL, NULL), -EINVAL, "nor this");

    none(with_foreign, "a foreign LWP");
    none(with_handler, "a signal handler");
    none(with_timer, "a timer");
    none(with_descriptor, "a descriptor");
    none(with_blocked, "a thread in the kernel");
    none(with_offload, "a call that was offloaded");
    none(with_bound, "a bound thread in the kernel");
    none(embedded, "a runtime that was started by mn_start");
    status = child(off, NULL);
    ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM && !strstr(text, "deadlock"),
       "nothing is said if that was chosen");
    return done();
}
