/* A fault test runs itself again, with other rules in ODONATA_FAULT: they are read once in a process. */
#ifndef FAULT_CHILD_H
#define FAULT_CHILD_H

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../tap.h"

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

/* For the child: it has failed there, and returns 1. */
#define CHECK(cond)                                                                                            \
    do {                                                                                                       \
        if (!(cond)) {                                                                                         \
            printf("# line %d: %s\n", __LINE__, #cond);                                                        \
            fflush(stdout);                                                                                    \
            return 1;                                                                                          \
        }                                                                                                      \
    } while (0)

/* A function to run under rules; 0: it went well. */
struct fault_case {
    const char *name;
    int (*fn)(void);
    const char *rules;
};

/* What main returns: with no argument each case is run in a child, with its name it is that child. */
static inline int fault_cases(const struct fault_case *cases, unsigned n, int argc, char **argv) {
    for (unsigned i = 0; i < n; i++) {
        if (argc < 2)
            is(under_faults(cases[i].rules, cases[i].name), 0, "%s, while %s", cases[i].name, cases[i].rules);
        else if (strcmp(argv[1], cases[i].name) == 0)
            return cases[i].fn();
    }
    return argc < 2 ? done() : 97;
}

#endif
