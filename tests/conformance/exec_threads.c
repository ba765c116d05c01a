/* exec with threads running, from main and from another thread: one program, one thread, the process's id. */
#include "life.h"

extern char **environ;
static const char *self_path;
static char pid_text[32];

static void exec_self(const char *what) {
    snprintf(pid_text, sizeof pid_text, "%d", (int)getpid());
    execl(self_path, self_path, what, pid_text, (char *)NULL);
    _exit(126);
}
static void *exec_thread(void *arg) {
    exec_self(arg);
    return NULL;
}
static void *spin(void *arg) {
    volatile unsigned long n = 0;
    for (;;)
        n++;
    return arg;
}

static void company(void) {
    must_create(NULL, spin, NULL);
    must_create(NULL, do_pause, NULL);
    for (int i = 0; i < 3; i++)
        must_join(must_create(NULL, do_nothing, NULL));
}
static int from_main(void) {
    company();
    exec_self("after");
    return 1;
}
static int from_thread(void) {
    company();
    must_create(NULL, exec_thread, (void *)"after");
    for (;;)
        pause();
    return 1;
}
static int main_left(void) {
    company();
    must_create(NULL, exec_thread, (void *)"after");
    pthread_exit(NULL);
}
static int failing(void) {
    company();
    check(execl("/nowhere/none", "none", (char *)NULL) == -1);
    check(errno == ENOENT);
    must_join(must_create(NULL, do_nothing, NULL));
    return check_failed;
}
/* The mask and pending signals of the calling thread go over. */
static void *exec_masked(void *arg) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    pthread_sigmask(SIG_SETMASK, &set, NULL);
    exec_self(arg);
    return NULL;
}
static int masked(void) {
    company();
    must_create(NULL, exec_masked, (void *)"masked");
    for (;;)
        pause();
    return 1;
}

static int after(const char *what, const char *pid) {
    sigset_t set;
    check(atoi(pid) == getpid());
    check(gettid_raw() == getpid());
    check(count_tasks() == 1);
    pthread_sigmask(SIG_SETMASK, NULL, &set);
    check(sigismember(&set, SIGUSR2) == !strcmp(what, "masked"));
    check(!sigismember(&set, SIGUSR1));
    for (int s = 1; s < 65; s++) { /* the libc's own two are nobody's to block */
        sigset_t raw;
        syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &raw, 8);
        if (s != SIGUSR2)
            check(!(((unsigned long *)&raw)[0] >> (s - 1) & 1));
    }
    must_join(must_create(NULL, do_nothing, NULL));
    return check_failed ? 1 : 33;
}

int main(int argc, char **argv) {
    static char path[4096];
    if (argc == 3)
        return after(argv[1], argv[2]);
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0)
        abort();
    path[n] = 0;
    self_path = path;
    is(in_child(from_main), 33, "exec in main, threads running");
    is(in_child(from_thread), 33, "exec in a thread");
    is(in_child(main_left), 33, "exec in a thread after main left");
    is(in_child(masked), 33, "the calling thread's mask goes over, and no other");
    is(in_child(failing), 0, "exec that fails leaves the threads alone");
    return done();
}
