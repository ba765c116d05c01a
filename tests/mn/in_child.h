/* in_child.h: how a program ends, tried in a child, and what it says on standard error. */
#ifndef IN_CHILD_H
#define IN_CHILD_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static char text[65536]; /* what the last child wrote on standard error */

/* Runs body in a child, which exits with what it returns: the wait status.  After so many seconds it is
 * SIGALRM. */
static inline int run_child(int (*body)(void), unsigned seconds) {
    int fds[2], status;
    if (pipe(fds) != 0)
        exit(1);
    pid_t child = fork();
    if (child == 0) {
        struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        dup2(fds[1], 2);
        alarm(seconds);
        _exit(body());
    }
    close(fds[1]);
    size_t got = 0;
    ssize_t n;
    while (got < sizeof text - 1 && (n = read(fds[0], text + got, sizeof text - 1 - got)) > 0)
        got += (size_t)n;
    text[got] = 0;
    close(fds[0]);
    waitpid(child, &status, 0);
    return status;
}

static inline bool died(int status, int sig) {
    return WIFSIGNALED(status) && WTERMSIG(status) == sig;
}

static inline bool exited(int status, int code) {
    if (WIFEXITED(status) && WEXITSTATUS(status) == code)
        return true;
    printf("# status %#x\n# %s\n", (unsigned)status, text);
    return false;
}

#endif
