/*
 * transfer: moving bytes between descriptors within the kernel (mn/file.h).
 *
 * Such a call can block on both of its ends, and has no flag against it: sendfile none at all,
 * SPLICE_F_NONBLOCK is about pipes only.  So it depends on what the ends are:
 *
 *   pipe                          SPLICE_F_NONBLOCK; then mni_poll_wait
 *   socket, O_NONBLOCK            the same
 *   socket, blocking: sendfile    the file is read and sent with MSG_DONTWAIT: sending so much that it has to wait is what
 *                                 such a socket is used for, and each slow peer would keep an LWP
 *   device: sendfile              the same by mn_write, which waits for room where the device can be polled
 *   otherwise blocking            once it is ready, by an LWP of the pool for blocking calls
 *   file that is read             at once if it is in the page cache; otherwise by an LWP of the pool for files, which then
 *                                 waits for nothing but the disk
 *   file that is written          by the pool for files
 *
 * Whether a file is in the page cache is asked of a byte in each PROBE bytes (RWF_NOWAIT).  A page between them
 * that is not there makes the worker wait for the disk, and lose its cpu, if that takes long.  The kernel reads
 * ahead and evicts in larger pieces, so that is rare.
 *
 * What is long goes in pieces, so that deadline and cancellation are looked at in between.
 */
#include <errno.h>
#include <fcntl.h>
#include <mn/file.h>
#include <mn/io.h>
#include <stdlib.h>

#include "export.h"
#include "fault.h"
#include "file.h"
#include "freed.h"
#include "io/poll.h"
#include "offload.h"
#include "wait/call.h"

enum {
    PROBE = 64 << 10,
    PIECE = 256 << 10,      /* moved at once by a worker */
    LONG_PIECE = 16 << 20,  /* by an LWP of a pool */
    COPY = 64 << 10,        /* through memory */
};

enum end { END_FILE, END_PIPE, END_SOCKET, END_OTHER };

/* What a descriptor is: enum end, or a negative errno. */
static int end_of(int fd) {
    struct stat st;
    long r = sys(SYS_fstat, fd, &st);
    if (r < 0)
        return (int)r;
    if (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode))
        return END_FILE;
    return S_ISFIFO(st.st_mode) ? END_PIPE : S_ISSOCK(st.st_mode) ? END_SOCKET : END_OTHER;
}

static bool blocks(int fd) {
    long flags = sys(SYS_fcntl, fd, F_GETFL);
    return flags >= 0 && !(flags & O_NONBLOCK);
}

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

/* As a whole call: until one of both may be ready. */
static int wait_for(int fd, unsigned what, int64_t deadline) {
    struct mni_cpu *cpu = mni_call_begin();
    int r = mni_call_cancelled(cpu) ? -ECANCELED : mni_poll_wait(fd, what, deadline);
    mni_call_end_moved(cpu);
    return r;
}

/* Whether that part of a file can be read without waiting for the disk; up to where it ends. */
static bool at_hand(int fd, off_t from, size_t size) {
    for (size_t at = 0; at < size; at += PROBE) {
        long r = mni_file_probe(fd, from + (off_t)at);
        if (r <= 0)
            return r == 0;
    }
    return mni_file_probe(fd, from + (off_t)size - 1) >= 0;
}

/* ---- one system call, by whoever */

struct move {
    long nr; /* SYS_sendfile, SYS_splice, SYS_copy_file_range */
    int in, out;
    off_t *in_offset, *out_offset;
    size_t size;
    unsigned flags;
    long result;
};

static void make(void *arg) {
    struct move *m = arg;
    if (m->nr == SYS_sendfile)
        mni_sys_whole(m->result, m->nr, m->out, m->in, m->in_offset, m->size);
    else
        mni_sys_whole(m->result, m->nr, m->in, m->in_offset, m->out, m->out_offset, m->size, m->flags);
}

static long offloaded(enum mni_pool pool, struct move *m, int64_t deadline) {
    int r = mni_offload_call(pool, make, m, deadline);
    return r < 0 ? r : m->result;
}

/* By the caller's LWP, since it does not block. */
static long direct(struct move *m) {
    make(m);
    struct mni_cpu *cpu = mni_enter();
    if (cpu) {
        mni_charge(cpu, m->result);
        mni_leave_slice(cpu);
    }
    return m->result;
}

/* ---- sendfile */

/* To a descriptor that does not block. */
static long send_piece(struct move *m, size_t left, int64_t deadline) {
    off_t at = *m->in_offset;
    m->size = least(left, PIECE);
    if (mni_worker_self() && !at_hand(m->in, at, m->size)) {
        m->size = least(left, LONG_PIECE);
        return offloaded(MNI_POOL_FILE, m, deadline);
    }
    return direct(m);
}

/* To a socket in blocking mode, or a device. */
static long send_copy(struct move *m, char *buffer, int to, size_t left, int64_t deadline) {
    ssize_t n = mn_pread_until(m->in, buffer, least(left, COPY), *m->in_offset, deadline);
    if (n > 0) {
        n = to == END_SOCKET
                ? mn_send_until(m->out, buffer, (size_t)n, (size_t)n < left ? MSG_MORE : 0, deadline)
                : mn_write_all_until(m->out, buffer, (size_t)n, deadline);
        if (n > 0)
            *m->in_offset += n;
    }
    return n;
}

/* to: what the output is. */
static ssize_t send_all(struct move *m, char *buffer, int to, size_t size, int64_t deadline) {
    size_t done = 0;
    long r = 0;
    while (done < size) {
        if (buffer) {
            r = send_copy(m, buffer, to, size - done, deadline);
        } else if (to == END_FILE) {
            m->size = least(size - done, LONG_PIECE);
            r = offloaded(MNI_POOL_FILE, m, deadline);
        } else {
            r = mni_offload_none();
            if (r == 0)
                r = send_piece(m, size - done, deadline);
        }
        if (r == -EAGAIN) {
            r = wait_for(m->out, MNI_POLL_WRITE, deadline);
            if (r == 0)
                continue;
        }
        if (r <= 0)
            break;
        done += (size_t)r;
    }
    return done ? (ssize_t)done : r;
}

MN_EXPORT ssize_t mn_sendfile_until(int out, int in, off_t *offset, size_t size, int64_t deadline) {
    int from = end_of(in), to = end_of(out);
    if (from < 0 || to < 0)
        return from < 0 ? from : to;
    if (from != END_FILE)
        return -EINVAL;
    off_t at = offset ? *offset : (off_t)sys(SYS_lseek, in, 0, SEEK_CUR);
    if (at < 0)
        return offset ? -EINVAL : at;
    struct move m = {.nr = to == END_PIPE ? SYS_splice : SYS_sendfile,
                     .in = in,
                     .out = out,
                     .in_offset = &at,
                     .flags = SPLICE_F_NONBLOCK};
    char *buffer MNI_FREED = NULL;
    if ((to == END_OTHER || (to == END_SOCKET && blocks(out))) && !(buffer = fault("malloc") ? NULL : malloc(COPY)))
        return -ENOMEM;
    ssize_t r = send_all(&m, buffer, to, size, deadline);
    if (offset)
        *offset = at;
    else
        sys(SYS_lseek, in, at, SEEK_SET);
    return r;
}

MN_EXPORT ssize_t mn_sendfile(int out, int in, off_t *offset, size_t size) {
    return mn_sendfile_until(out, in, offset, size, MN_FOREVER);
}

/* ---- splice */

/* Who makes the call, so that it does not hold up a worker. */
enum by { BY_CALLER, BY_FILES, BY_OTHERS };

static enum by whom(int fd, int end) {
    if (end == END_FILE)
        return BY_FILES;
    return end == END_PIPE || !blocks(fd) ? BY_CALLER : BY_OTHERS;
}

/* A system call moves something, fails, or says that one of both is not ready. */
static ssize_t splice_some(struct move *m, size_t size, bool waits, int64_t deadline) {
    int from = end_of(m->in), to = end_of(m->out);
    if (from < 0 || to < 0)
        return from < 0 ? from : to;
    enum by in = whom(m->in, from), out = whom(m->out, to), by = in > out ? in : out;
    m->size = least(size, by == BY_CALLER ? PIECE : LONG_PIECE);
    for (;;) {
        long r = mni_offload_none();
        /* An LWP is not to wait for what can be waited for. */
        if (r == 0 && in == BY_OTHERS)
            r = wait_for(m->in, MNI_POLL_READ, waits ? deadline : 0);
        if (r == 0 && out == BY_OTHERS)
            r = wait_for(m->out, MNI_POLL_WRITE, waits ? deadline : 0);
        if (r < 0)
            return r == -ETIMEDOUT && !waits ? -EAGAIN : r;
        r = by == BY_CALLER ? direct(m)
                            : offloaded(by == BY_FILES ? MNI_POOL_FILE : MNI_POOL_USER, m, deadline);
        if (r != -EAGAIN || !waits)
            return r;
        if ((from != END_FILE && (r = wait_for(m->in, MNI_POLL_READ, deadline)) < 0) ||
            (to != END_FILE && (r = wait_for(m->out, MNI_POLL_WRITE, deadline)) < 0))
            return r;
    }
}

MN_EXPORT ssize_t mn_splice_until(int in, off_t *in_offset, int out, off_t *out_offset, size_t size,
                                  unsigned flags, int64_t deadline) {
    struct move m = {.nr = SYS_splice,
                     .in = in,
                     .out = out,
                     .in_offset = in_offset,
                     .out_offset = out_offset,
                     .flags = flags | SPLICE_F_NONBLOCK};
    return splice_some(&m, size, !(flags & SPLICE_F_NONBLOCK), deadline);
}

MN_EXPORT ssize_t mn_splice(int in, off_t *in_offset, int out, off_t *out_offset, size_t size, unsigned flags) {
    return mn_splice_until(in, in_offset, out, out_offset, size, flags, MN_FOREVER);
}

/* ---- copy_file_range */

MN_EXPORT ssize_t mn_copy_file_range_until(int in, off_t *in_offset, int out, off_t *out_offset, size_t size,
                                           unsigned flags, int64_t deadline) {
    struct move m = {SYS_copy_file_range, in, out, in_offset, out_offset, 0, flags, 0};
    size_t done = 0;
    long r = 0;
    while (done < size) {
        m.size = least(size - done, LONG_PIECE);
        r = offloaded(MNI_POOL_FILE, &m, deadline);
        if (r <= 0)
            break;
        done += (size_t)r;
    }
    return done ? (ssize_t)done : r;
}

MN_EXPORT ssize_t mn_copy_file_range(int in, off_t *in_offset, int out, off_t *out_offset, size_t size,
                                     unsigned flags) {
    return mn_copy_file_range_until(in, in_offset, out, out_offset, size, flags, MN_FOREVER);
}
