/*
 * pthread_setname_np, pthread_getname_np: the kernel's name of an LWP, 15 bytes and a NUL.
 *
 * For the caller itself by prctl; for another thread through /proc/self/task/TID/comm, the only way there is.
 * Without /proc (a chroot) another thread's name is out of reach, and open's error says so, as in the libc.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "sys.h"
#include "target.h"
#include "thr.h"

enum { NAME_SIZE = 16 }; /* with the NUL: the kernel's TASK_COMM_LEN */

/* The comm file of one of our LWPs; a descriptor or a negative errno. */
static int open_comm(uint32_t tid, int flags) {
    char path[48];
    snprintf(path, sizeof path, "/proc/self/task/%u/comm", tid);
    return (int)sys(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC);
}

static int write_comm(uint32_t tid, const char *name, size_t length) {
    if (length == 0)
        length = 1; /* an empty write would change nothing: write the NUL */
    int fd = open_comm(tid, O_RDWR);
    if (fd < 0)
        return fd;
    long n;
    do
        n = sys(SYS_write, fd, name, length);
    while (n == -EINTR);
    sys(SYS_close, fd);
    return n < 0 ? (int)n : n != (long)length ? -EIO : 0;
}

static int read_comm(uint32_t tid, char *name) {
    int fd = open_comm(tid, O_RDONLY);
    if (fd < 0)
        return fd;
    long n;
    do
        n = sys(SYS_read, fd, name, NAME_SIZE);
    while (n == -EINTR);
    sys(SYS_close, fd);
    if (n <= 0)
        return n < 0 ? (int)n : -ESRCH; /* nothing to read: the LWP is gone */
    name[n - 1] = '\0'; /* in place of the newline */
    return 0;
}

THR_EXPORT int pthread_setname_np(pthread_t t, const char *name) {
    size_t length = strnlen(name, NAME_SIZE);
    if (length >= NAME_SIZE)
        return ERANGE;
    struct target target;
    int err = target_take(t, &target);
    if (err < 0)
        return -err;
    if (target.self)
        err = (int)sys(SYS_prctl, PR_SET_NAME, name);
    else
        err = write_comm(target.tid, name, length);
    if (err == 0)
        thr_taint(target.thr, TAINT_NAME);
    target_drop(&target);
    return -err;
}

THR_EXPORT int pthread_getname_np(pthread_t t, char *name, size_t size) {
    if (size < NAME_SIZE)
        return ERANGE;
    struct target target;
    int err = target_take(t, &target);
    if (err < 0)
        return -err;
    if (target.self)
        err = (int)sys(SYS_prctl, PR_GET_NAME, name);
    else
        err = read_comm(target.tid, name);
    target_drop(&target);
    return -err;
}
