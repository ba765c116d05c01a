/*
 * file_open: opening files.
 *
 * A file or directory is opened at once, as long as that has been quick (quick.h), and the caller has no
 * deadline.  Otherwise a name that the kernel has at hand blocks nobody, if it is a file: the look-up is tried
 * by openat2 with RESOLVE_CACHED and O_PATH, which opens nothing, and tells what it is.  Should the name mean
 * something else a moment later, the worker waits, once.  Files that are to be made or cut short, what is not
 * at hand, and what is neither file nor directory go to the pool.
 *
 * The job owns what it touches (offload.h): a server that does not answer, or the other end of a FIFO that
 * nobody opens, holds up an LWP and no thread that has a deadline.  FIFOs wait in the pool for blocking calls:
 * so many that wait for their other ends leave the files alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <mn/file.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "export.h"
#include "fault.h"
#include "file.h"
#include "io/fd.h"
#include "offload.h"
#include "wait/call.h"

struct opening {
    struct mni_job job;
    int dir, flags;
    mode_t mode;
    bool fifo_may_block;
    long result;
    const char *path;
    char copy[];
};
enum { FIFO = -4096 }; /* no errno */

/* A FIFO's open waits for the other end. */
static bool waits(int flags) {
    return !(flags & (O_NONBLOCK | O_PATH)) && (flags & O_ACCMODE) != O_RDWR;
}

static void open_it(struct mni_job *job) {
    struct opening *o = (struct opening *)(void *)job;
    struct stat st;
    if (!o->fifo_may_block && waits(o->flags) &&
        sys(SYS_newfstatat, o->dir, o->path, &st, o->flags & O_NOFOLLOW ? AT_SYMLINK_NOFOLLOW : 0) == 0 &&
        S_ISFIFO(st.st_mode))
        o->result = FIFO;
    else
        mni_sys_whole(o->result, SYS_openat, o->dir, o->path, o->flags, o->mode);
}

/* Nobody waits for it. */
static void drop(struct mni_job *job) {
    struct opening *o = (struct opening *)(void *)job;
    if (o->result >= 0)
        sys(SYS_close, o->result);
    free(o);
}

/* In the runtime. */
static int open_offloaded(int dir, const char *path, int flags, mode_t mode, bool fifo, int64_t deadline) {
    size_t length = strlen(path) + 1;
    struct opening *o = fault("malloc") ? NULL : malloc(offsetof(struct opening, copy) + length);
    if (!o)
        return -ENOMEM;
    *o = (struct opening){{.fn = open_it, .drop = drop}, dir, flags, mode, fifo, -1, o->copy};
    memcpy(o->copy, path, length);
    int r = mni_offload_job(fifo ? MNI_POOL_USER : MNI_POOL_FILE, &o->job, deadline);
    if (r == 0) {
        r = (int)o->result;
        free(o);
    }
    return r;
}

/* Whether that is opened without waiting for anybody; *fifo: it is a FIFO, and is not. */
static bool plain(const struct stat *st, int flags, bool *fifo) {
    *fifo = S_ISFIFO(st->st_mode) && waits(flags);
    return S_ISREG(st->st_mode) || S_ISDIR(st->st_mode);
}

/* Outside the runtime, while that is quick. */
static void open_plain(void *arg) {
    struct opening *o = arg;
    struct stat st;
    if (sys(SYS_newfstatat, o->dir, o->path, &st, o->flags & O_NOFOLLOW ? AT_SYMLINK_NOFOLLOW : 0) == 0 &&
        !plain(&st, o->flags, &o->fifo_may_block))
        o->result = -EAGAIN;
    else
        mni_sys_whole(o->result, SYS_openat, o->dir, o->path, o->flags, o->mode);
}

/* Outside the runtime, by a worker: a name that is at hand. */
static int open_cached(int dir, const char *path, int flags, bool *fifo) {
    if (flags & (O_CREAT | O_TRUNC | __O_TMPFILE))
        return -EAGAIN;
    int seen = mni_file_cached(dir, path, flags & O_NOFOLLOW);
    if (seen < 0)
        return seen;
    struct stat st;
    long r = sys(SYS_fstat, seen, &st);
    sys(SYS_close, seen);
    if (r < 0 || !plain(&st, flags, fifo))
        return -EAGAIN;
    mni_sys_whole(r, SYS_openat, dir, path, flags, 0);
    return (int)r;
}

/* By a worker.  -EAGAIN: it may block; *fifo: the name is a FIFO's. */
static int open_at_once(int dir, const char *path, int flags, mode_t mode, bool *fifo, int64_t deadline) {
    struct opening o = {.dir = dir, .flags = flags, .mode = mode, .path = path};
    if (deadline == MN_FOREVER && mni_quick_run(MNI_QUICK_NAME, open_plain, &o)) {
        *fifo = o.fifo_may_block;
        return (int)o.result;
    }
    mni_leave(mni_cpu_self());
    int r = open_cached(dir, path, flags, fifo);
    mni_enter();
    return r;
}

MN_EXPORT int mn_openat_until(int dir, const char *path, int flags, mode_t mode, int64_t deadline) {
    struct mni_cpu *cpu;
    bool fifo = false;
    if (!path)
        return -EFAULT;
    int r = mni_offload_begin(&cpu);
    if (r == 0) {
        r = -EAGAIN;
        if (cpu)
            r = open_at_once(dir, path, flags, mode, &fifo, deadline);
        if (r == -EAGAIN)
            r = open_offloaded(dir, path, flags, mode, fifo || !cpu, deadline);
        if (r == FIFO)
            r = open_offloaded(dir, path, flags, mode, true, deadline);
    }
    int made __attribute__((cleanup(mni_fd_not_returned))) = r;
    mni_offload_end();
    made = -1;
    return r;
}
MN_EXPORT int mn_openat(int dir, const char *path, int flags, mode_t mode) {
    return mn_openat_until(dir, path, flags, mode, MN_FOREVER);
}
MN_EXPORT int mn_open_until(const char *path, int flags, mode_t mode, int64_t deadline) {
    return mn_openat_until(AT_FDCWD, path, flags, mode, deadline);
}
MN_EXPORT int mn_open(const char *path, int flags, mode_t mode) {
    return mn_open_until(path, flags, mode, MN_FOREVER);
}
