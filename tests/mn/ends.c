/* How a program ends: exit() and exec from a green thread, main() returning beside threads; mn_run from one LWP
 * after another. */
#include <mn.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/wait.h>

#include "tap.h"

static void *spins(void *arg) {
    for (;;)
        mn_yield();
    return arg;
}

static void *parks(void *arg) {
    for (;;)
        mn_park(arg);
    return NULL;
}

static void at_exit(void) {
    puts("atexit");
}

static void crowd(void) {
    for (int i = 0; i < 20; i++) {
        mn_go(NULL, i % 2 ? spins : parks, NULL);
        mn_go_attr(NULL, &(struct mn_attr){.flags = i % 10 ? 0 : MN_BOUND}, parks, NULL);
    }
    mn_sleep(1000000);
}

static void *exits(void *arg) {
    printf("from a thread\n");
    exit((int)(intptr_t)arg);
}

static int green_exit(void *arg) {
    crowd();
    mn_go_attr(NULL, arg, exits, (void *)21);
    return (int)(intptr_t)parks(NULL);
}

static int main_exit(void *arg) {
    crowd();
    exits(arg);
    return 0;
}

static int executes(void *arg) {
    crowd();
    (void)arg;
    execl("/bin/sh", "sh", "-c", "echo executed; exit 23", (char *)NULL);
    return 1;
}

static int aborts(void *arg) {
    crowd();
    (void)arg;
    abort();
}

static int c_exit_by_foreign(void *arg) {
    pthread_t lwp;
    crowd();
    pthread_create(&lwp, NULL, exits, arg);
    return (int)(intptr_t)parks(NULL);
}

static void in_run_green(void) {
    mn_run(green_exit, NULL, NULL);
}
static void in_run_bound(void) {
    struct mn_attr bound = {.flags = MN_BOUND};
    mn_run(green_exit, &bound, NULL);
}
static void in_run_main(void) {
    mn_run(main_exit, (void *)21, NULL);
}
static void in_run_foreign(void) {
    mn_run(c_exit_by_foreign, (void *)21, NULL);
}
static void in_run_exec(void) {
    mn_run(executes, NULL, NULL);
}
static void in_run_abort(void) {
    mn_run(aborts, NULL, NULL);
}
static void started(void) {
    mn_start(NULL);
    crowd();
    printf("main returns\n");
    exit(21);
}

/* Runs it in a process of its own, and compares status and output. */
static void ends(const char *what, void (*fn)(void), int want, const char *output) {
    int out[2];
    char text[256];
    size_t n = 0;
    if (pipe(out) < 0)
        abort();
    pid_t pid = fork();
    if (pid == 0) {
        alarm(30);
        dup2(out[1], 1);
        close(out[0]);
        close(out[1]);
        atexit(at_exit);
        fn();
        _exit(99);
    }
    close(out[1]);
    for (ssize_t got; n < sizeof text - 1 && (got = read(out[0], text + n, sizeof text - 1 - n)) > 0;)
        n += (size_t)got;
    text[n] = 0;
    close(out[0]);
    int status = 0;
    waitpid(pid, &status, 0);
    is(WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status), want, "%s: status", what);
    if (!ok(!strcmp(text, output), "%s: output", what))
        printf("# %s\n", text);
}

static void *parks_once(void *arg) {
    mn_park(arg);
    return NULL;
}

static int counts(void *arg) {
    mn_thread t;
    mn_go(NULL, parks_once, NULL);
    if (mn_go(&t, parks_once, NULL) < 0 || mn_unpark(t) < 0 || mn_join(t, NULL) < 0)
        return -1;
    return ++*(int *)arg;
}

static void *runs(void *arg) {
    return (void *)(intptr_t)mn_run(counts, arg, NULL);
}

static atomic_int ran, busy;

static int meets(void *arg) {
    (void)arg;
    mn_sleep(1000000);
    return 100;
}

static void *competes(void *arg) {
    for (int i = 0; i < 50; i++) {
        int r = mn_run(meets, NULL, NULL);
        if (r == 100)
            atomic_fetch_add(&ran, 1);
        else if (r == -EBUSY)
            atomic_fetch_add(&busy, 1);
        else
            return arg;
        usleep(200);
    }
    return NULL;
}

int main(void) {
    ends("exit in a green thread", in_run_green, 21, "from a thread\natexit\n");
    ends("exit in a bound thread", in_run_bound, 21, "from a thread\natexit\n");
    ends("exit in mn_run's function", in_run_main, 21, "from a thread\natexit\n");
    ends("exit in a foreign LWP", in_run_foreign, 21, "from a thread\natexit\n");
    ends("exec in a green thread", in_run_exec, 23, "executed\n");
    ends("abort in a green thread", in_run_abort, 1006, "");
    ends("exit in main beside threads", started, 21, "main returns\natexit\n");

    pthread_t lwp[4];
    void *result;
    int count = 0, wrong = 0;
    for (int i = 1; i <= 20; i++) {
        pthread_create(&lwp[0], NULL, runs, &count);
        pthread_join(lwp[0], &result);
        wrong += (intptr_t)result != i;
    }
    is(wrong, 0, "mn_run from twenty LWPs, one after another");
    for (int i = 0; i < 4; i++)
        pthread_create(&lwp[i], NULL, competes, &count);
    for (int i = 0; i < 4; i++) {
        pthread_join(lwp[i], &result);
        wrong += result != NULL;
    }
    is(wrong, 0, "from four at once: each gets its result or -EBUSY");
    is(atomic_load(&ran) + atomic_load(&busy), 200, "and nothing else");
    ok(atomic_load(&ran) >= 1, "%d ran, %d were refused", atomic_load(&ran), atomic_load(&busy));
    return done();
}
