/* Other ways to a new process, from main and from threads: vfork, posix_spawn, system, popen, with threads
 * running. */
#include "life.h"

#include <spawn.h>

extern char **environ;

__attribute__((noinline)) static int vfork_exec(char *const argv[]) {
    pid_t pid = vfork();
    if (pid == 0) {
        execv("/bin/sh", argv);
        _exit(127);
    }
    return reaped(pid);
}

__attribute__((noinline)) static int vfork_exit(int status) {
    pid_t pid = vfork();
    if (pid == 0)
        _exit(status);
    return reaped(pid);
}

static int run_all(void) {
    int bad = 0;
    pid_t pid;
    char line[64] = "";
    char *const argv[] = {(char *)"sh", (char *)"-c", (char *)"exit 5", NULL};

    bad += vfork_exec(argv) != 5;
    bad += vfork_exit(6) != 6;

    posix_spawnattr_t sa;
    sigset_t mask;
    posix_spawnattr_init(&sa);
    sigemptyset(&mask);
    posix_spawnattr_setsigmask(&sa, &mask);
    posix_spawnattr_setflags(&sa, POSIX_SPAWN_SETSIGMASK);
    bad += posix_spawn(&pid, "/bin/sh", NULL, &sa, argv, environ) != 0;
    bad += reaped(pid) != 5;
    posix_spawnattr_destroy(&sa);
    bad += posix_spawnp(&pid, "sh", NULL, NULL, argv, environ) != 0;
    bad += reaped(pid) != 5;
    bad += posix_spawn(&pid, "/nowhere/none", NULL, NULL, argv, environ) != ENOENT;

    bad += WEXITSTATUS(system("exit 7")) != 7;
    bad += system(NULL) == 0;

    FILE *f = popen("echo through a pipe", "r");
    if (!f || !fgets(line, sizeof line, f) || strcmp(line, "through a pipe\n"))
        bad++;
    if (f)
        bad += pclose(f) != 0;
    f = popen("cat >/dev/null; exit 3", "w");
    if (f) {
        fprintf(f, "text\n");
        bad += WEXITSTATUS(pclose(f)) != 3;
    } else {
        bad++;
    }
    if (bad)
        fprintf(stderr, "# %d went wrong\n", bad);
    return bad;
}

static void *run_thread(void *arg) {
    (void)arg;
    return (void *)(uintptr_t)run_all();
}

/* system() leaves the signal mask and dispositions as they were, with several at once, too. */
static void *system_thread(void *arg) {
    int bad = 0;
    (void)arg;
    for (int i = 0; i < 5; i++)
        bad += system("true") != 0;
    return (void *)(uintptr_t)bad;
}

/* vfork's child borrows the thread's memory: what it did to a variable is seen, its thread is the caller's
 * again. */
static int vfork_borrows(void) {
    static volatile int shared;
    long tid = gettid_raw();
    pthread_t self = pthread_self();
    pid_t pid = vfork();
    if (pid == 0) {
        shared = 17;
        _exit(0);
    }
    int r = reaped(pid);
    return r == 0 && shared == 17 && gettid_raw() == tid && pthread_equal(self, pthread_self());
}
static void *vfork_thread(void *arg) {
    (void)arg;
    int good = vfork_borrows();
    pthread_mutexattr_t ma;
    pthread_mutex_t m;
    pthread_mutexattr_init(&ma);
    pthread_mutexattr_settype(&ma, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_init(&m, &ma);
    good &= pthread_mutex_lock(&m) == 0;
    vfork_exit(0);
    good &= pthread_mutex_lock(&m) == EDEADLK;
    good &= pthread_mutex_unlock(&m) == 0;
    return (void *)(uintptr_t)good;
}

int main(void) {
    pthread_t t[4];
    is(run_all(), 0, "from main, before any thread");
    pthread_t spare = must_create(NULL, do_pause, NULL);
    is(run_all(), 0, "from main, beside a thread");
    is((long)(uintptr_t)must_join(must_create(NULL, run_thread, NULL)), 0, "from a thread");
    long bad = 0;
    for (int i = 0; i < 4; i++)
        t[i] = must_create(NULL, run_thread, NULL);
    for (int i = 0; i < 4; i++)
        bad += (long)(uintptr_t)must_join(t[i]);
    is(bad, 0, "from four threads at once");
    for (int i = 0; i < 4; i++)
        t[i] = must_create(NULL, system_thread, NULL);
    bad = 0;
    for (int i = 0; i < 4; i++)
        bad += (long)(uintptr_t)must_join(t[i]);
    is(bad, 0, "system from four threads at once");
    struct sigaction sa;
    sigset_t mask;
    sigaction(SIGINT, NULL, &sa);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    ok(sa.sa_handler == SIG_DFL, "SIGINT is as before");
    ok(!sigismember(&mask, SIGCHLD), "and so is the mask");
    ok(vfork_borrows(), "vfork in main");
    is((long)(uintptr_t)must_join(must_create(NULL, vfork_thread, NULL)), 1,
       "vfork in a thread that holds a mutex");
    pthread_cancel(spare);
    must_join(spare);
    return done();
}
