/*
 * file: calls on files and names that are one system call each (mn/file.h).
 */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <mn/file.h>

#include "export.h"
#include "feature.h"
#include "offload.h"
#include "wait/call.h"

struct call {
    long nr, result;
    const long *arg;
};

static void make(void *arg) {
    struct call *c = arg;
    mni_sys_whole(c->result, c->nr, c->arg[0], c->arg[1], c->arg[2], c->arg[3], c->arg[4]);
}

long mni_file_sys6(enum mni_quick kind, int64_t deadline, long nr, const long arg[5]) {
    struct call c = {nr, 0, arg};
    struct mni_cpu *cpu;
    int r = mni_offload_begin(&cpu);
    if (r == 0)
        r = mni_offload_quick(kind, make, &c, deadline);
    mni_offload_end();
    return r < 0 ? r : c.result;
}

/* ---- what is at hand */

static uint32_t cached_works; /* atomic */

void mni_file_cached_start(void) {
    a32_store(&cached_works, mni_feature(MNI_RESOLVE_CACHED));
}

/* As the kernel has it (linux/openat2.h is not everywhere). */
struct how {
    uint64_t flags, mode, resolve;
};
enum { CACHED = 0x20 };

int mni_file_cached(int dir, const char *path, int flags) {
    if (!a32_load(&cached_works)) /* relaxed: a hint */
        return -EAGAIN;
    struct how how = {(uint64_t)(O_PATH | O_CLOEXEC | flags), 0, CACHED};
    long r = sys(SYS_openat2, dir, path, &how, sizeof how);
    if (r == -ENOSYS || r == -EINVAL)
        a32_store(&cached_works, 0); /* an older kernel */
    /* That there is no such name is known as well; any other error is the real call's to report. */
    return r >= 0 || r == -ENOENT ? (int)r : -EAGAIN;
}

/* ---- status */

MN_EXPORT int mn_fstat(int fd, struct stat *st) {
    return (int)sys(SYS_fstat, fd, st);
}

struct status {
    int dir, flags, result;
    const char *path;
    struct stat *st;
};

static void status(void *arg) {
    struct status *s = arg;
    mni_sys_whole(s->result, SYS_newfstatat, s->dir, s->path, s->st, s->flags);
}

/* A name that the kernel has at hand.  Outside the runtime; -EAGAIN: it has not. */
static int status_cached(const struct status *s) {
    if (s->flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT))
        return -EAGAIN;
    int fd = mni_file_cached(s->dir, s->path, s->flags & AT_SYMLINK_NOFOLLOW ? O_NOFOLLOW : 0);
    if (fd < 0)
        return fd;
    int r = (int)sys(SYS_fstat, fd, s->st);
    sys(SYS_close, fd);
    return r;
}

MN_EXPORT int mn_fstatat_until(int dir, const char *path, struct stat *st, int flags, int64_t deadline) {
    struct status s = {dir, flags, -EAGAIN, path, st};
    struct mni_cpu *cpu;
    int r = mni_offload_begin(&cpu);
    if (r == 0 && !(cpu && mni_quick_run(MNI_QUICK_NAME, status, &s))) {
        if (cpu) {
            mni_leave(cpu);
            s.result = status_cached(&s);
            mni_enter();
        }
        if (s.result == -EAGAIN)
            r = mni_offload(MNI_POOL_FILE, status, &s, deadline);
    }
    mni_offload_end();
    return r < 0 ? r : s.result;
}
MN_EXPORT int mn_fstatat(int dir, const char *path, struct stat *st, int flags) {
    return mn_fstatat_until(dir, path, st, flags, MN_FOREVER);
}
MN_EXPORT int mn_stat_until(const char *path, struct stat *st, int64_t deadline) {
    return mn_fstatat_until(AT_FDCWD, path, st, 0, deadline);
}
MN_EXPORT int mn_stat(const char *path, struct stat *st) {
    return mn_stat_until(path, st, MN_FOREVER);
}
MN_EXPORT int mn_lstat_until(const char *path, struct stat *st, int64_t deadline) {
    return mn_fstatat_until(AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW, deadline);
}
MN_EXPORT int mn_lstat(const char *path, struct stat *st) {
    return mn_lstat_until(path, st, MN_FOREVER);
}

/* ---- contents */

MN_EXPORT int mn_fsync_until(int fd, int64_t deadline) {
    return (int)mni_file_sys(MNI_QUICK_NONE, deadline, SYS_fsync, fd);
}
MN_EXPORT int mn_fsync(int fd) {
    return mn_fsync_until(fd, MN_FOREVER);
}
MN_EXPORT int mn_fdatasync_until(int fd, int64_t deadline) {
    return (int)mni_file_sys(MNI_QUICK_NONE, deadline, SYS_fdatasync, fd);
}
MN_EXPORT int mn_fdatasync(int fd) {
    return mn_fdatasync_until(fd, MN_FOREVER);
}
MN_EXPORT int mn_ftruncate_until(int fd, off_t size, int64_t deadline) {
    return (int)mni_file_sys(MNI_QUICK_SIZE, deadline, SYS_ftruncate, fd, size);
}
MN_EXPORT int mn_ftruncate(int fd, off_t size) {
    return mn_ftruncate_until(fd, size, MN_FOREVER);
}
MN_EXPORT int mn_fallocate_until(int fd, int mode, off_t offset, off_t size, int64_t deadline) {
    return (int)mni_file_sys(MNI_QUICK_SIZE, deadline, SYS_fallocate, fd, mode, offset, size);
}
MN_EXPORT int mn_fallocate(int fd, int mode, off_t offset, off_t size) {
    return mn_fallocate_until(fd, mode, offset, size, MN_FOREVER);
}

/* ---- names */

MN_EXPORT int mn_unlinkat_until(int dir, const char *path, int flags, int64_t deadline) {
    return (int)mni_file_sys(MNI_QUICK_NAME, deadline, SYS_unlinkat, dir, path, flags);
}
MN_EXPORT int mn_unlinkat(int dir, const char *path, int flags) {
    return mn_unlinkat_until(dir, path, flags, MN_FOREVER);
}
MN_EXPORT int mn_unlink_until(const char *path, int64_t deadline) {
    return mn_unlinkat_until(AT_FDCWD, path, 0, deadline);
}
MN_EXPORT int mn_unlink(const char *path) {
    return mn_unlink_until(path, MN_FOREVER);
}
MN_EXPORT int mn_rmdir_until(const char *path, int64_t deadline) {
    return mn_unlinkat_until(AT_FDCWD, path, AT_REMOVEDIR, deadline);
}
MN_EXPORT int mn_rmdir(const char *path) {
    return mn_rmdir_until(path, MN_FOREVER);
}
MN_EXPORT int mn_renameat_until(int from_dir, const char *from, int to_dir, const char *to, unsigned flags,
                                int64_t deadline) {
    return (int)mni_file_sys(MNI_QUICK_NAME, deadline, SYS_renameat2, from_dir, from, to_dir, to, flags);
}
MN_EXPORT int mn_renameat(int from_dir, const char *from, int to_dir, const char *to, unsigned flags) {
    return mn_renameat_until(from_dir, from, to_dir, to, flags, MN_FOREVER);
}
MN_EXPORT int mn_rename_until(const char *from, const char *to, int64_t deadline) {
    return mn_renameat_until(AT_FDCWD, from, AT_FDCWD, to, 0, deadline);
}
MN_EXPORT int mn_rename(const char *from, const char *to) {
    return mn_rename_until(from, to, MN_FOREVER);
}
MN_EXPORT int mn_mkdirat_until(int dir, const char *path, mode_t mode, int64_t deadline) {
    return (int)mni_file_sys(MNI_QUICK_NAME, deadline, SYS_mkdirat, dir, path, mode);
}
MN_EXPORT int mn_mkdirat(int dir, const char *path, mode_t mode) {
    return mn_mkdirat_until(dir, path, mode, MN_FOREVER);
}
MN_EXPORT int mn_mkdir_until(const char *path, mode_t mode, int64_t deadline) {
    return mn_mkdirat_until(AT_FDCWD, path, mode, deadline);
}
MN_EXPORT int mn_mkdir(const char *path, mode_t mode) {
    return mn_mkdir_until(path, mode, MN_FOREVER);
}
MN_EXPORT ssize_t mn_readlinkat_until(int dir, const char *path, char *target, size_t size, int64_t deadline) {
    return mni_file_sys(MNI_QUICK_NAME, deadline, SYS_readlinkat, dir, path, target, size);
}
MN_EXPORT ssize_t mn_readlinkat(int dir, const char *path, char *target, size_t size) {
    return mn_readlinkat_until(dir, path, target, size, MN_FOREVER);
}
MN_EXPORT ssize_t mn_readlink_until(const char *path, char *target, size_t size, int64_t deadline) {
    return mn_readlinkat_until(AT_FDCWD, path, target, size, deadline);
}
MN_EXPORT ssize_t mn_readlink(const char *path, char *target, size_t size) {
    return mn_readlink_until(path, target, size, MN_FOREVER);
}
