/* fault_life.h: runs of a whole program, which is this one again, with calls that fail (ODONATA_FAULT). */
#ifndef FAULT_LIFE_H
#define FAULT_LIFE_H

#include <malloc.h>
#include <mn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* In the child: the end. */
static inline void wrong(const char *what, long got) {
    printf("# %s: %ld\n", what, got);
    fflush(stdout);
    _exit(1);
}

/* In the child: starts the runtime three times, and sees that nothing is left.  works: whether a result is no failure; it
 * does not return from one that is none of those to be expected. */
static inline int life_of(int (*everything)(void *), bool (*works)(const char *what, int64_t r)) {
    size_t first = 0;
    for (int i = 0; i < 3; i++) {
        int r = -1;
        for (int k = 0; k < 1000 && !works("mn_run", r = mn_run(everything, NULL, NULL)); k++)
            continue;
        if (r != 0)
            wrong("mn_run", r);
        size_t used = mallinfo2().uordblks;
        if (i == 0)
            first = used;
        else if (used > first + 200000 /* what LWPs keep for later */)
            wrong("malloc's memory grows", (long)(used - first));
    }
    return 0;
}

/* For rules under which each N-th call fails: a start of many workers makes more calls than N, and never succeeds. */
static inline void few_workers(void) {
    const char *workers = getenv("MN_WORKERS");
    if (workers && atoi(workers) > 2)
        setenv("MN_WORKERS", "2", 1);
}

/* Runs this program with the argument "life"; rules: of failures, or NULL.  0: it ended well. */
static inline int life_under(const char *rules) {
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        if (rules)
            setenv("ODONATA_FAULT", rules, 1);
        alarm(60);
        execl("/proc/self/exe", "fault-test", "life", (char *)NULL);
        _exit(97);
    }
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

#endif
