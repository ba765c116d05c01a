/* file: what calls on files share; see file.c and file_rw.c. */
#ifndef MNI_FILE_H
#define MNI_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "quick.h"
#include "sys.h"

/* A system call by an LWP of the pool for files, or at once, as a whole call: outside the runtime.  Its result,
 * -ETIMEDOUT, -ECANCELED. */
#define mni_file_sys(kind, deadline, ...)                                                                      \
    mni_file_sys6((kind), (deadline), MNI_FILE_PICK(__VA_ARGS__, 0, 0, 0, 0, 0, 0))
#define MNI_FILE_PICK(nr, a, b, c, d, e, ...) (nr), (const long[]){(long)(a), (long)(b), (long)(c), (long)(d), (long)(e)}
long mni_file_sys6(enum mni_quick kind, int64_t deadline, long nr, const long arg[5]);

/* A system call that is not interrupted. */
#define mni_sys_whole(result, ...)                                                                                      \
    do                                                                                                                  \
        (result) = sys(__VA_ARGS__);                                                                                    \
    while ((result) == -EINTR)

/*
 * Reads or writes a file that cannot be polled; offset -1: where the descriptor stands.  Inside the runtime, as
 * mni_wait.  The number of bytes; a negative errno, -ETIMEDOUT and -ECANCELED if nothing was transferred.
 */
int64_t mni_file_read(int fd, const struct iovec *v, int n, int64_t offset, int64_t deadline);
int64_t mni_file_write(int fd, const struct iovec *v, int n, int64_t offset, int64_t deadline);

/* Whether that byte of a file is in the page cache: 1; 0: the file ends before; a negative errno: it is not,
 * or not known. */
int mni_file_probe(int fd, int64_t offset);

/* A name that the kernel has at hand, by an O_PATH descriptor (flags: O_NOFOLLOW): it, -ENOENT, or -EAGAIN:
 * it may block. */
int mni_file_cached(int dir, const char *path, int flags);
void mni_file_cached_start(void);

/* What the kernel offers: read from ODONATA_DISABLE as the runtime starts. */
void mni_file_start(void);

#endif
