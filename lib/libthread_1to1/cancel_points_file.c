/* Cancellation points on descriptors: files, pipes, terminals. */
#include "cancel_points.h"

#include <fcntl.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/uio.h>
#include <termios.h>
#include <unistd.h>

#include "cancel_arch_calls.h"

/* ---- open and close */

static bool needs_mode(int flags) {
    return flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE;
}

#define OPEN_MODE(flags, mode)                                                                               \
    mode_t mode = 0;                                                                                         \
    if (needs_mode(flags)) {                                                                                 \
        va_list ap;                                                                                          \
        va_start(ap, flags);                                                                                 \
        mode = va_arg(ap, mode_t);                                                                           \
        va_end(ap);                                                                                          \
    }

#define OPEN(name)                                                                                           \
    NEXT_POINT(name);                                                                                        \
    THR_EXPORT int name(const char *path, int flags, ...) {                                                  \
        OPEN_MODE(flags, mode)                                                                               \
        FORWARD(int, name, (const char *, int, ...), (path, flags, mode));                                   \
        return (int)point_result(WINDOW6(SYS_openat, AT_FDCWD, path, flags, mode, 0, 0));                    \
    }
#define OPENAT(name)                                                                                         \
    NEXT_POINT(name);                                                                                        \
    THR_EXPORT int name(int dir, const char *path, int flags, ...) {                                         \
        OPEN_MODE(flags, mode)                                                                               \
        FORWARD(int, name, (int, const char *, int, ...), (dir, path, flags, mode));                         \
        return (int)point_result(WINDOW6(SYS_openat, dir, path, flags, mode, 0, 0));                         \
    }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)
THR_ALIAS(__open, open);
THR_ALIAS(__open64, open64);

/* _FORTIFY_SOURCE's open without a mode, which stops the program when one is needed. */
#define OPEN_MODELESS(name, params, args, dir)                                                               \
    POINT_UNDECLARED(int, name, params, args,                                                                \
                     CHECKED(!needs_mode(flags), WINDOW6(SYS_openat, dir, path, flags, 0, 0, 0)))
OPEN_MODELESS(__open_2, (const char *path, int flags), (path, flags), AT_FDCWD)
OPEN_MODELESS(__open64_2, (const char *path, int flags), (path, flags), AT_FDCWD)
OPEN_MODELESS(__openat_2, (int dir, const char *path, int flags), (dir, path, flags), dir)
OPEN_MODELESS(__openat64_2, (int dir, const char *path, int flags), (dir, path, flags), dir)

POINT(int, creat, (const char *path, mode_t mode), (path, mode), WINDOW_CREAT(path, mode))
POINT(int, creat64, (const char *path, mode_t mode), (path, mode), WINDOW_CREAT(path, mode))

POINT(int, open_by_handle_at, (int mount, struct file_handle *handle, int flags), (mount, handle, flags),
      WINDOW3(SYS_open_by_handle_at, mount, handle, flags))

/* A close that fails with EINTR has closed the descriptor: it must not be taken for one that had no effect. */
NEXT_POINT(close);
THR_EXPORT int close(int fd) {
    FORWARD(int, close, (int), (fd));
    long result = WINDOW3(SYS_close, fd, 0, 0);
    return likely(result == 0) ? 0 : (int)thr_point_failed_done(result);
}
THR_ALIAS(__close, close);

/* ---- read and write */

POINT(ssize_t, read, (int fd, void *buf, size_t n), (fd, buf, n), WINDOW3(SYS_read, fd, buf, n))
POINT(ssize_t, write, (int fd, const void *buf, size_t n), (fd, buf, n), WINDOW3(SYS_write, fd, buf, n))
THR_ALIAS(__read, read);
THR_ALIAS(__write, write);
POINT_UNDECLARED(ssize_t, __read_chk, (int fd, void *buf, size_t n, size_t size), (fd, buf, n, size),
                 CHECKED(n <= size, WINDOW3(SYS_read, fd, buf, n)))

POINT(ssize_t, readv, (int fd, const struct iovec *iov, int n), (fd, iov, n), WINDOW3(SYS_readv, fd, iov, n))
POINT(ssize_t, writev, (int fd, const struct iovec *iov, int n), (fd, iov, n), WINDOW3(SYS_writev, fd, iov, n))

#define PREAD(name)                                                                                          \
    POINT(ssize_t, name, (int fd, void *buf, size_t n, off_t at), (fd, buf, n, at),                          \
          WINDOW6(SYS_pread64, fd, buf, n, at, 0, 0))
#define PREAD_CHK(name)                                                                                      \
    POINT_UNDECLARED(ssize_t, name, (int fd, void *buf, size_t n, off_t at, size_t size),                    \
                     (fd, buf, n, at, size), CHECKED(n <= size, WINDOW6(SYS_pread64, fd, buf, n, at, 0, 0)))
#define PWRITE(name)                                                                                         \
    POINT(ssize_t, name, (int fd, const void *buf, size_t n, off_t at), (fd, buf, n, at),                    \
          WINDOW6(SYS_pwrite64, fd, buf, n, at, 0, 0))
#define PVECTOR(name, nr)                                                                                    \
    POINT(ssize_t, name, (int fd, const struct iovec *iov, int n, off_t at), (fd, iov, n, at),               \
          WINDOW6(nr, fd, iov, n, at, 0, 0))
PREAD(pread)
PREAD(pread64)
PREAD_CHK(__pread_chk)
PREAD_CHK(__pread64_chk)
PWRITE(pwrite)
PWRITE(pwrite64)
THR_ALIAS(__pread64, pread64);
THR_ALIAS(__pwrite64, pwrite64);
PVECTOR(preadv, SYS_preadv)
PVECTOR(preadv64, SYS_preadv)
PVECTOR(pwritev, SYS_pwritev)
PVECTOR(pwritev64, SYS_pwritev)

#define PVECTOR2(name, nr)                                                                                   \
    POINT(ssize_t, name, (int fd, const struct iovec *iov, int n, off_t at, int flags),                      \
          (fd, iov, n, at, flags), WINDOW6(nr, fd, iov, n, at, 0, flags))
PVECTOR2(preadv2, SYS_preadv2)
PVECTOR2(preadv64v2, SYS_preadv2)
PVECTOR2(pwritev2, SYS_pwritev2)
PVECTOR2(pwritev64v2, SYS_pwritev2)

/* ---- the rest */

POINT(int, fsync, (int fd), (fd), WINDOW3(SYS_fsync, fd, 0, 0))
POINT(int, fdatasync, (int fd), (fd), WINDOW3(SYS_fdatasync, fd, 0, 0))
POINT(int, msync, (void *start, size_t n, int flags), (start, n, flags), WINDOW3(SYS_msync, start, n, flags))
POINT(int, tcdrain, (int fd), (fd), WINDOW3(SYS_ioctl, fd, TCSBRK, 1))
POINT(int, sync_file_range, (int fd, off64_t at, off64_t n, unsigned flags), (fd, at, n, flags),
      WINDOW6(SYS_sync_file_range, fd, at, n, flags, 0, 0))
POINT(int, fallocate, (int fd, int mode, off_t at, off_t n), (fd, mode, at, n),
      WINDOW6(SYS_fallocate, fd, mode, at, n, 0, 0))
POINT(int, fallocate64, (int fd, int mode, off64_t at, off64_t n), (fd, mode, at, n),
      WINDOW6(SYS_fallocate, fd, mode, at, n, 0, 0))
POINT(ssize_t, copy_file_range, (int in, off64_t *in_at, int out, off64_t *out_at, size_t n, unsigned flags),
      (in, in_at, out, out_at, n, flags), WINDOW6(SYS_copy_file_range, in, in_at, out, out_at, n, flags))
POINT(ssize_t, splice, (int in, off64_t *in_at, int out, off64_t *out_at, size_t n, unsigned flags),
      (in, in_at, out, out_at, n, flags), WINDOW6(SYS_splice, in, in_at, out, out_at, n, flags))
POINT(ssize_t, tee, (int in, int out, size_t n, unsigned flags), (in, out, n, flags),
      WINDOW6(SYS_tee, in, out, n, flags, 0, 0))
POINT(ssize_t, vmsplice, (int fd, const struct iovec *iov, size_t n, unsigned flags), (fd, iov, n, flags),
      WINDOW6(SYS_vmsplice, fd, iov, n, flags, 0, 0))
POINT(ssize_t, getrandom, (void *buf, size_t n, unsigned flags), (buf, n, flags),
      WINDOW3(SYS_getrandom, buf, n, flags))

/* ---- fcntl and lockf: points where they wait for a lock */

static int fcntl_plain(int fd, int cmd, void *arg) {
    if (cmd == F_GETOWN) {
        /* The kernel's F_GETOWN returns a process group as a negative number, which may look like an error. */
        struct f_owner_ex owner;
        long result = sys(SYS_fcntl, fd, F_GETOWN_EX, &owner);
        if (result == 0)
            return owner.type == F_OWNER_PGRP ? -owner.pid : owner.pid;
        return (int)plain_result(result);
    }
    return (int)plain_result(sys(SYS_fcntl, fd, cmd, arg));
}

#define FCNTL(name)                                                                                          \
    NEXT_POINT(name);                                                                                        \
    THR_EXPORT int name(int fd, int cmd, ...) {                                                              \
        va_list ap;                                                                                          \
        va_start(ap, cmd);                                                                                   \
        void *arg = va_arg(ap, void *);                                                                      \
        va_end(ap);                                                                                          \
        FORWARD(int, name, (int, int, ...), (fd, cmd, arg));                                                 \
        if (cmd != F_SETLKW && cmd != F_OFD_SETLKW)                                                          \
            return fcntl_plain(fd, cmd, arg);                                                                \
        return (int)point_result(WINDOW3(SYS_fcntl, fd, cmd, arg));                                          \
    }
FCNTL(fcntl)
FCNTL(fcntl64)
THR_ALIAS(__fcntl, fcntl);

static int lock_file(int fd, int cmd, off64_t n) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_CUR, .l_start = 0, .l_len = n};
    switch (cmd) {
    case F_LOCK:
        return (int)point_result(WINDOW3(SYS_fcntl, fd, F_SETLKW, &lock));
    case F_TLOCK:
        return fcntl_plain(fd, F_SETLK, &lock);
    case F_ULOCK:
        lock.l_type = F_UNLCK;
        return fcntl_plain(fd, F_SETLK, &lock);
    case F_TEST:
        lock.l_type = F_RDLCK;
        if (fcntl_plain(fd, F_GETLK, &lock) < 0)
            return -1;
        if (lock.l_type == F_UNLCK || lock.l_pid == (pid_t)sys(SYS_getpid))
            return 0;
        errno = EACCES;
        return -1;
    default:
        errno = EINVAL;
        return -1;
    }
}

NEXT_POINT(lockf);
THR_EXPORT int lockf(int fd, int cmd, off_t n) {
    FORWARD(int, lockf, (int, int, off_t), (fd, cmd, n));
    return lock_file(fd, cmd, n);
}
NEXT_POINT(lockf64);
THR_EXPORT int lockf64(int fd, int cmd, off64_t n) {
    FORWARD(int, lockf64, (int, int, off64_t), (fd, cmd, n));
    return lock_file(fd, cmd, n);
}
