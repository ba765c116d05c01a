/* not under: asan, tsan */ /* the tools stop, or say so now and then, in a child of a fork that starts
 * threads */
/* fork: the child has no runtime and says so; it can start one; its signal mask is the program's, and so are its
 * CPUs, though workers are bound. */
#include <mn.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "tap.h"

static void *as_pointer(long n) {
    return (void *)(intptr_t)n;
}

static void *give_back(void *arg) {
    return arg;
}

static void *parks(void *arg) {
    return as_pointer(mn_park(arg));
}

static int run_in_child(void *arg) {
    mn_thread t;
    void *result = NULL;
    for (long i = 0; i < 100; i++)
        if (mn_go(&t, give_back, as_pointer(i)) < 0 || mn_join(t, &result) < 0 || result != as_pointer(i))
            return 1;
    mn_go(NULL, parks, "left behind");
    return (int)(intptr_t)arg;
}

static __thread bool is_foreign;
static cpu_set_t cpus; /* the program's */

/* What a child finds; 0, or the number of what was wrong. */
static int look(mn_thread known) {
    mn_thread t;
    if (mn_workers() != 0)
        return 1;
    if (mn_self() != 0 || mn_cpu() != -1)
        return 2;
    if (mn_go(&t, give_back, NULL) != -EPERM || mn_go(NULL, give_back, NULL) != -EPERM)
        return 3;
    if (mn_go_attr(&t, &(struct mn_attr){.flags = MN_BOUND}, give_back, NULL) != -EPERM)
        return 4;
    if (mn_park("x") != -EPERM || mn_park_until("x", mn_after(1000)) != -EPERM)
        return 5;
    if (mn_stop(MN_FOREVER) != -EPERM)
        return 6;
    if (mn_join(known, NULL) != -ESRCH || mn_unpark(known) != -ESRCH || mn_cancel(known) != -ESRCH ||
        mn_detach(known) != -ESRCH)
        return 7;
    if (mn_defer(free, NULL) != -EPERM || mn_undefer(true) != -EPERM)
        return 8;
    if (mn_cancelled() || mn_sleep(1000) != 0 || mn_yield() != 0)
        return 9;
    sigset_t now;
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    for (int s = 1; s < SIGRTMAX; s++)
        if (!is_foreign && sigismember(&now, s) != (s == SIGUSR2)) /* what main() blocked */
            return 10;
    cpu_set_t own;
    sched_getaffinity(0, sizeof own, &own);
    if (!is_foreign && (!CPU_EQUAL(&own, &cpus) || prctl(PR_GET_TIMERSLACK) == 1))
        return 11;
    return 0;
}

static int status_of(pid_t pid) {
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void children(const char *who) {
    mn_thread known;
    mn_go(&known, parks, "known");
    pid_t pid = fork();
    if (pid == 0)
        _exit(look(known));
    is(status_of(pid), 0, "%s: the child of a fork has no runtime", who);
    pid = fork();
    if (pid == 0)
        _exit(mn_run(run_in_child, as_pointer(7), NULL));
    is(status_of(pid), 7, "%s: it can run one", who);
    pid = fork();
    if (pid == 0) {
        int r = mn_start(NULL);
        if (r == 0)
            r = run_in_child(as_pointer(3));
        _exit(r == 3 && mn_stop(MN_FOREVER) == 0 && look(known) == 0 ? 3 : 4);
    }
    is(status_of(pid), 3, "%s: start one, stop it, and is without one again", who);
    pid = fork();
    if (pid == 0) {
        pid = fork();
        if (pid == 0)
            _exit(look(known) == 0 && mn_run(run_in_child, as_pointer(9), NULL) == 9 ? 9 : 10);
        _exit(status_of(pid));
    }
    is(status_of(pid), 9, "%s: so does a child of the child", who);
    pid = fork();
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", "kill -TERM $$; sleep 1; exit 3", (char *)NULL);
        _exit(127);
    }
    is(status_of(pid), 1000 + SIGTERM, "%s: what it executes can be ended by a signal", who);
    mn_unpark(known);
    void *result = NULL;
    is(mn_join(known, &result), 0, "%s: the parent goes on", who);
    ok(result == NULL, "%s: nothing of its threads was touched", who);
}

static void *fork_and_return(void *arg) {
    pid_t pid = fork();
    if (pid == 0)
        return arg; /* the child's only thread has ended */
    return as_pointer(status_of(pid));
}

static void *fork_and_exit(void *arg) {
    pid_t pid = fork();
    if (pid == 0)
        mn_exit(arg);
    return as_pointer(status_of(pid));
}

static void *fork_bound(void *arg) {
    children(arg);
    return fork_and_return(NULL);
}

static atomic_int quit;

/* Threads that start, park, end and join all the time, so that a fork finds locks and queues in any state. */
static void *busy(void *arg) {
    mn_thread t;
    while (!atomic_load(&quit)) {
        if (mn_go(&t, give_back, NULL) == 0)
            mn_join(t, NULL);
        mn_park_until("a moment", mn_after(1000));
        mn_sleep(1);
    }
    return arg;
}

static void forks_beside_work(void) {
    mn_thread workers[8];
    long wrong = 0;
    atomic_store(&quit, 0);
    for (int i = 0; i < 8; i++)
        mn_go_attr(&workers[i], &(struct mn_attr){.flags = i % 4 == 3 ? MN_BOUND : 0}, busy, NULL);
    int n = (int)(40 * scale()) + 1;
    for (int i = 0; i < n; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            alarm(30);
            _exit(look(workers[0]) ? 1 : mn_run(run_in_child, as_pointer(5), NULL));
        }
        int status = status_of(pid);
        wrong += status != 5;
        if (status != 5)
            ok(0, "child %d of %d ended with %d", i, n, status);
        mn_sleep(100000);
    }
    atomic_store(&quit, 1);
    for (int i = 0; i < 8; i++)
        mn_join(workers[i], NULL);
    is(wrong, 0, "%d forks while threads come and go", n);
}

static void *foreign(void *arg) {
    is_foreign = true;
    children(arg);
    atomic_store(&quit, 2);
    return NULL;
}

static int first(void *arg) {
    (void)arg;
    mn_thread t;
    void *result;
    children("green");
    mn_go(&t, fork_and_return, as_pointer(1));
    mn_join(t, &result);
    is((long)(intptr_t)result, 0, "the child of a green thread whose function returns there ends well");
    mn_go(&t, fork_and_exit, as_pointer(1));
    mn_join(t, &result);
    is((long)(intptr_t)result, 0, "so does one that calls mn_exit");
    mn_go_attr(&t, &(struct mn_attr){.flags = MN_BOUND}, fork_bound, (void *)"bound");
    mn_join(t, &result);
    is((long)(intptr_t)result, 0, "the child of a bound thread whose function returns there ends well");
    pthread_t lwp;
    pthread_create(&lwp, NULL, foreign, (void *)"foreign");
    while (atomic_load(&quit) != 2)
        mn_sleep(1000000);
    pthread_join(lwp, NULL);
    forks_beside_work();
    return 0;
}

static int forks(void *arg) {
    (void)arg;
    pid_t pid = fork();
    if (pid == 0)
        return 12;
    return status_of(pid);
}

int main(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    pthread_sigmask(SIG_SETMASK, &set, NULL);
    sched_getaffinity(0, sizeof cpus, &cpus);
    is(mn_run(first, NULL, &(struct mn_config){.pin = 1}), 0, "mn_run");
    is(mn_run(forks, NULL, NULL), 12, "a child in which mn_run's function returns exits with that");
    return done();
}
