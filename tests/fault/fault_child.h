/* A fault test runs itself again, with other rules in ODONATA_FAULT: they are read once in a process. */
#ifndef FAULT_CHILD_H
#define FAULT_CHILD_H

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs this program with the argument `what` under the rules; its exit code, or 1000 + the signal it died
 * of. */
static inline int under_faults(const char *rules, const char *what) {
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        setenv("ODONATA_FAULT", rules, 1);
        execl("/proc/self/exe", "fault-test", what, (char *)NULL);
        _exit(99);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return 98;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

#endif
