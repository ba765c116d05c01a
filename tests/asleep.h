/* Whether a thread sleeps in the kernel: for tests of what happens to one that waits already. */
#ifndef TEST_ASLEEP_H
#define TEST_ASLEEP_H

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Waits up to five seconds until the thread with this kernel id sleeps; seen twice, so that it has settled. */
static inline int wait_asleep(int tid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
    int seen = 0;
    for (int i = 0; i < 5000 && seen < 2; i++) {
        char buf[256] = "";
        int fd = open(path, O_RDONLY);
        if (fd < 0)
            return 0;
        ssize_t n = read(fd, buf, sizeof buf - 1);
        close(fd);
        const char *state = n > 0 ? strrchr(buf, ')') : NULL;
        seen = state && state[2] == 'S' ? seen + 1 : 0;
        usleep(1000);
    }
    return seen >= 2;
}

#endif
