/*
 * sem_open, sem_close, sem_unlink.
 *
 * A named semaphore is the file /dev/shm/sem.NAME, as the libc makes it: processes on either implementation
 * share it.
 *
 * Creation is free of races: the file is made under a name of its own, given its content, and only then
 * linked to the final name, so that nobody ever opens a semaphore that is not initialised.  link() fails if
 * the name exists: with O_EXCL that is the answer; without, the existing one is opened, and if that has been
 * unlinked meanwhile, all starts again.
 *
 * Opening the same semaphore again gives the same address and counts a reference; which file it is, device
 * and inode tell, not the name: a name that was unlinked and made anew is another semaphore.  The table of
 * open ones is guarded by a lock that a fork takes and drops, so that the child finds it whole.
 *
 * System calls are made directly: open and close through the libc would be cancellation points, and sem_open
 * is none.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "thr.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "clock.h"
#include "fault.h"
#include "fork.h"
#include "lock.h"
#include "sem.h"
#include "sys.h"

#define PREFIX "/dev/shm/sem."
enum { TRIES = 100 }; /* names for the file to be linked; each is as good as unique */

struct named {
    struct named *next;
    dev_t dev;
    ino_t ino;
    unsigned references;
    sem_t *sem;
};

static struct lock table_lock = {0, RANK_NAMED_SEM};
static struct named *table;

static void fork_prepare(void) {
    lock_take(&table_lock);
}

static void fork_done(void) {
    lock_drop(&table_lock);
}

static pthread_once_t fork_once = PTHREAD_ONCE_INIT;
static void register_fork(void) {
    thr_atfork(fork_prepare, fork_done, fork_done);
}

/* Writes the path for a name; 0, -EINVAL (no name) or -ENAMETOOLONG. */
static int path_of(char path[PATH_MAX], const char *name) {
    while (*name == '/')
        name++;
    size_t len = strlen(name);
    if (len == 0 || strchr(name, '/'))
        return -EINVAL;
    if (len > NAME_MAX - (sizeof "sem." - 1))
        return -ENAMETOOLONG;
    memcpy(path, PREFIX, sizeof PREFIX - 1);
    memcpy(path + sizeof PREFIX - 1, name, len + 1);
    return 0;
}

static int map(int fd, sem_t **sem) {
    if (fault("mmap"))
        return -ENOMEM;
    long at = sys(SYS_mmap, NULL, sizeof(sem_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at < 0 && at > -4096)
        return (int)at;
    *sem = (sem_t *)at;
    return 0;
}

/* The address for an open file: the one it has already in this process, or else `fresh`, or else a new mapping.
 * Uses up `fresh`. */
static int find_or_add_locked(int fd, sem_t *fresh, sem_t **sem) {
    struct stat st;
    int r = fstat(fd, &st) == 0 ? 0 : -errno;
    if (r == 0 && (size_t)st.st_size < sizeof(sem_t))
        r = -EINVAL; /* not a semaphore */
    struct named *n = NULL;
    if (r == 0) {
        for (n = table; n && (n->dev != st.st_dev || n->ino != st.st_ino);)
            n = n->next;
        if (n && n->references == UINT_MAX)
            r = -EMFILE;
    }
    if (r == 0 && n) {
        n->references++;
        *sem = n->sem;
    } else if (r == 0) {
        n = fault("malloc") ? NULL : malloc(sizeof *n);
        r = n ? 0 : -ENOMEM;
        if (r == 0 && !fresh)
            r = map(fd, &fresh);
        if (r == 0) {
            *n = (struct named){table, st.st_dev, st.st_ino, 1, fresh};
            table = n;
            *sem = fresh;
            return 0;
        }
        free(n);
    }
    if (fresh)
        sys(SYS_munmap, fresh, sizeof(sem_t));
    return r;
}

static int find_or_add(int fd, sem_t *fresh, sem_t **sem) {
    pthread_once(&fork_once, register_fork);
    lock_take(&table_lock);
    int r = find_or_add_locked(fd, fresh, sem);
    lock_drop(&table_lock);
    return r;
}

static int open_existing(const char *path, int oflag, sem_t **sem) {
    int fd = (int)sys(SYS_openat, AT_FDCWD, path,
                      (oflag & ~(O_CREAT | O_ACCMODE)) | O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return fd;
    int r = find_or_add(fd, NULL, sem);
    sys(SYS_close, fd);
    return r;
}

/* A new file under a name of its own in the directory of the semaphores; its descriptor or an error. */
static int make_file(char path[PATH_MAX], mode_t mode) {
    static uint32_t counter;
    for (int i = 0; i < TRIES; i++) {
        uint64_t salt = clock_now_ns() * 0x9e3779b97f4a7c15u;
        snprintf(path, PATH_MAX, "%s%d.%u.%x", PREFIX, (int)sys(SYS_gettid), a32_add(&counter, 1),
                 (unsigned)(salt >> 32));
        int fd = (int)sys(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
        if (fd != -EEXIST)
            return fd;
    }
    return -EEXIST;
}

static int create_new(const char *path, mode_t mode, unsigned value, sem_t **sem) {
    if (value > SEM_VALUE_MAX)
        return -EINVAL;
    char temporary[PATH_MAX];
    int fd = make_file(temporary, mode);
    if (fd < 0)
        return fd;
    union {
        sem_t sem;
        struct sem s;
    } content;
    memset(&content, 0, sizeof content);
    sem_fill(&content.s, value, SEM_SHARED);
    long n = sys(SYS_write, fd, &content, sizeof content);
    int r = n == (long)sizeof content ? 0 : n < 0 ? (int)n : -ENOSPC;
    sem_t *fresh = NULL;
    if (r == 0)
        r = map(fd, &fresh);
    if (r == 0) {
        r = (int)sys(SYS_linkat, AT_FDCWD, temporary, AT_FDCWD, path, 0);
        if (r == 0)
            r = find_or_add(fd, fresh, sem);
        else
            sys(SYS_munmap, fresh, sizeof(sem_t));
    }
    sys(SYS_unlinkat, AT_FDCWD, temporary, 0);
    sys(SYS_close, fd);
    return r;
}

THR_EXPORT sem_t *sem_open(const char *name, int oflag, ...) {
    char path[PATH_MAX];
    sem_t *sem = SEM_FAILED;
    mode_t mode = 0;
    unsigned value = 0;
    if (oflag & O_CREAT) {
        va_list ap;
        va_start(ap, oflag);
        mode = va_arg(ap, mode_t);
        value = va_arg(ap, unsigned);
        va_end(ap);
    }
    int saved = errno;
    int r = path_of(path, name);
    while (r == 0) {
        r = oflag & O_CREAT && oflag & O_EXCL ? -ENOENT : open_existing(path, oflag & ~O_EXCL, &sem);
        if (r != -ENOENT || !(oflag & O_CREAT))
            break;
        r = create_new(path, mode, value, &sem);
        if (r != -EEXIST || oflag & O_EXCL)
            break;
        r = 0; /* someone else made it just now: open that one */
    }
    errno = r == 0 ? saved : -r;
    return r == 0 ? sem : SEM_FAILED;
}

THR_EXPORT int sem_close(sem_t *sem) {
    lock_take(&table_lock);
    struct named **at = &table;
    while (*at && (*at)->sem != sem)
        at = &(*at)->next;
    struct named *n = *at;
    bool last = n && --n->references == 0;
    if (last)
        *at = n->next;
    lock_drop(&table_lock);
    if (!n) {
        errno = EINVAL;
        return -1;
    }
    if (last) {
        sys(SYS_munmap, n->sem, sizeof(sem_t));
        free(n);
    }
    return 0;
}

THR_EXPORT int sem_unlink(const char *name) {
    char path[PATH_MAX];
    int r = path_of(path, name);
    if (r == -EINVAL)
        r = -ENOENT; /* no semaphore has such a name */
    if (r == 0)
        r = (int)sys(SYS_unlinkat, AT_FDCWD, path, 0);
    if (r == -EPERM)
        r = -EACCES; /* a sticky directory's answer; POSIX knows only this one */
    if (r < 0) {
        errno = -r;
        return -1;
    }
    return 0;
}
