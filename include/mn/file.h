/*
 * mn/file.h: files.
 *
 * A file cannot be waited for as a socket can: the call itself blocks, on the disk or on a server.  So these
 * calls are made by an LWP of the pool for files (mn/offload.h) while the caller waits and other threads run;
 * what is known not to block is done at once: reading what is in the page cache, looking at a name that the
 * kernel has at hand.  So are calls that mostly touch memory only (writing, making and removing names), as long
 * as they have been quick: one that is not may hold up the other threads of the caller's CPU for half a slice
 * (mn/run.h), and the next ones of its kind are made by the pool.
 *
 * Each is as the system's function of that name, but:
 *   - it returns a negative errno, and leaves errno alone; it is not interrupted by signals;
 *   - the form with a deadline returns -ETIMEDOUT when the deadline passes before the call was begun, and every form
 *     -ECANCELED when the thread is cancelled before that; the call has then had no effect.  One that was begun is waited
 *     for; reading, writing and stat may be done at once whatever the deadline.  What was transferred in part counts: the
 *     number of bytes is returned;
 *   - past RLIMIT_FSIZE it returns -EFBIG; SIGXFSZ may be raised as well if the limit was set while the runtime runs.
 * Contexts: any.  A foreign LWP or a bound thread makes the call itself; it looks at the deadline once.
 *
 * What is not here (chmod, getxattr, flock, ...) can be called in mn_block_call.
 */
#ifndef MN_FILE_H
#define MN_FILE_H

#include <dirent.h>
#include <mn/time.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Opens a file.  mode counts if a file is made (O_CREAT, O_TMPFILE).  Opening a FIFO waits for its other end,
 * and one that was begun is given up on the deadline or a cancellation, too.  So are other files, but one that is
 * opened without a deadline at once (above) is waited for.  O_CLOEXEC is as the caller says.
 * The descriptor is an ordinary one.
 */
int mn_open(const char *path, int flags, mode_t mode);
int mn_open_until(const char *path, int flags, mode_t mode, int64_t deadline);
int mn_openat(int dir, const char *path, int flags, mode_t mode);
int mn_openat_until(int dir, const char *path, int flags, mode_t mode, int64_t deadline);

/*
 * Read and write at an offset; the descriptor's own position stays.  Fewer bytes than asked for: the end of the
 * file, a full disk, or an error that the next call returns.
 */
ssize_t mn_pread(int fd, void *buffer, size_t size, off_t offset);
ssize_t mn_pread_until(int fd, void *buffer, size_t size, off_t offset, int64_t deadline);
ssize_t mn_pwrite(int fd, const void *buffer, size_t size, off_t offset);
ssize_t mn_pwrite_until(int fd, const void *buffer, size_t size, off_t offset, int64_t deadline);
ssize_t mn_preadv(int fd, const struct iovec *v, int n, off_t offset);
ssize_t mn_preadv_until(int fd, const struct iovec *v, int n, off_t offset, int64_t deadline);
ssize_t mn_pwritev(int fd, const struct iovec *v, int n, off_t offset);
ssize_t mn_pwritev_until(int fd, const struct iovec *v, int n, off_t offset, int64_t deadline);

/*
 * Moves bytes between descriptors within the kernel.  offset: where in the file, moved on; NULL: where the
 * descriptor stands.
 *
 * mn_sendfile: from a file to anything, until all has been moved, or the end of the file.  An error or the
 * deadline is returned if nothing was moved.  A socket in blocking mode, or a device, is written to by other
 * means, with a copy: its flags are its owner's.
 * mn_copy_file_range: from a file to a file, in the same way.
 * mn_splice: one of both is a pipe; what is there now, at least a byte; 0: the end.  With SPLICE_F_NONBLOCK it
 * returns -EAGAIN rather than wait for the descriptors.  A socket or device in blocking mode, once it is ready,
 * keeps an LWP for as long as the system call lasts, whatever the deadline.
 * A foreign LWP may get SIGPIPE.
 *   -ENOMEM, -EMFILE, -ENFILE, -ENOSPC   there is nothing to wait for a descriptor with (mn/io.h)
 */
ssize_t mn_sendfile(int out, int in, off_t *offset, size_t size);
ssize_t mn_sendfile_until(int out, int in, off_t *offset, size_t size, int64_t deadline);
ssize_t mn_splice(int in, off_t *in_offset, int out, off_t *out_offset, size_t size, unsigned flags);
ssize_t mn_splice_until(int in, off_t *in_offset, int out, off_t *out_offset, size_t size, unsigned flags,
                        int64_t deadline);
ssize_t mn_copy_file_range(int in, off_t *in_offset, int out, off_t *out_offset, size_t size, unsigned flags);
ssize_t mn_copy_file_range_until(int in, off_t *in_offset, int out, off_t *out_offset, size_t size,
                                 unsigned flags, int64_t deadline);

/* What was written is on the disk when they return; fdatasync leaves out what is not needed to read it back. */
int mn_fsync(int fd);
int mn_fsync_until(int fd, int64_t deadline);
int mn_fdatasync(int fd);
int mn_fdatasync_until(int fd, int64_t deadline);
int mn_ftruncate(int fd, off_t size);
int mn_ftruncate_until(int fd, off_t size, int64_t deadline);
int mn_fallocate(int fd, int mode, off_t offset, off_t size);
int mn_fallocate_until(int fd, int mode, off_t offset, off_t size, int64_t deadline);

/* What is known of a file.  mn_fstat is never offloaded. */
int mn_stat(const char *path, struct stat *st);
int mn_stat_until(const char *path, struct stat *st, int64_t deadline);
int mn_lstat(const char *path, struct stat *st);
int mn_lstat_until(const char *path, struct stat *st, int64_t deadline);
int mn_fstatat(int dir, const char *path, struct stat *st, int flags);
int mn_fstatat_until(int dir, const char *path, struct stat *st, int flags, int64_t deadline);
int mn_fstat(int fd, struct stat *st);

/* Names.  mn_renameat: flags as renameat2. */
int mn_unlink(const char *path);
int mn_unlink_until(const char *path, int64_t deadline);
int mn_unlinkat(int dir, const char *path, int flags);
int mn_unlinkat_until(int dir, const char *path, int flags, int64_t deadline);
int mn_rename(const char *from, const char *to);
int mn_rename_until(const char *from, const char *to, int64_t deadline);
int mn_renameat(int from_dir, const char *from, int to_dir, const char *to, unsigned flags);
int mn_renameat_until(int from_dir, const char *from, int to_dir, const char *to, unsigned flags,
                      int64_t deadline);
int mn_mkdir(const char *path, mode_t mode);
int mn_mkdir_until(const char *path, mode_t mode, int64_t deadline);
int mn_mkdirat(int dir, const char *path, mode_t mode);
int mn_mkdirat_until(int dir, const char *path, mode_t mode, int64_t deadline);
int mn_rmdir(const char *path);
int mn_rmdir_until(const char *path, int64_t deadline);
/* The length of the target, which is not terminated; size: the target was cut off, perhaps. */
ssize_t mn_readlink(const char *path, char *target, size_t size);
ssize_t mn_readlink_until(const char *path, char *target, size_t size, int64_t deadline);
ssize_t mn_readlinkat(int dir, const char *path, char *target, size_t size);
ssize_t mn_readlinkat_until(int dir, const char *path, char *target, size_t size, int64_t deadline);

/*
 * A directory's entries, in no order, "." and ".." among them.  mn_readdir stores the next in *entry and
 * returns 1, or 0 at the end.  The entry is good until the next call with the same directory; not two threads
 * at a time.
 *   -ENOMEM   of mn_opendir
 */
struct mn_dir;
int mn_opendir(struct mn_dir **dir, const char *path);
int mn_opendir_until(struct mn_dir **dir, const char *path, int64_t deadline);
int mn_readdir(struct mn_dir *dir, struct dirent **entry);
int mn_readdir_until(struct mn_dir *dir, struct dirent **entry, int64_t deadline);
int mn_rewinddir(struct mn_dir *dir);
int mn_dirfd(const struct mn_dir *dir);
int mn_closedir(struct mn_dir *dir);

#ifdef __cplusplus
}
#endif

#endif
