/* Whether an LWP of this process would run if a CPU were free: it does not sleep in the kernel. */
#ifndef MNI_OS_RUNNABLE_H
#define MNI_OS_RUNNABLE_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "sys.h"

/* About 10 us; false also when it cannot be told. */
static inline bool lwp_runnable(int tid) {
    char text[128];
    snprintf(text, sizeof text, "/proc/self/task/%d/stat", tid);
    long fd = sys(SYS_openat, AT_FDCWD, text, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return false;
    long n = sys(SYS_read, fd, text, sizeof text - 1);
    sys(SYS_close, fd);
    text[n > 0 ? n : 0] = '\0';
    const char *end = strrchr(text, ')'); /* of the name, which may have any characters */
    return end && end[1] == ' ' && end[2] == 'R';
}

#endif
