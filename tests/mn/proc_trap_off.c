/* Without mn_trap_faults, a fault of a process is the program's, and libmn says and installs nothing. */
#include <mn.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tap.h"

static volatile int trapped;

static int faults(void *arg) {
    (void)arg;
    __builtin_trap();
}

static int first(void *arg) {
    (void)arg;
    mn_pid pid;
    struct sigaction a, b;
    sigaction(SIGFPE, NULL, &a);
    sigaction(SIGILL, NULL, &b);
    if (a.sa_handler != SIG_DFL || b.sa_handler != SIG_DFL)
        return 3;
    mn_spawn(&pid, faults, NULL);
    while (mn_alive(pid))
        mn_yield();
    return trapped;
}

int main(void) {
    int status;
    signal(SIGFPE, SIG_DFL);
    signal(SIGILL, SIG_DFL);
    pid_t child = fork();
    if (child == 0) {
        struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        _exit(mn_run(first, NULL, NULL));
    }
    waitpid(child, &status, 0);
    ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGILL, "the program dies of it");
    return done();
}
