/*
 * file_rw: reading and writing files.
 *
 * What is in the page cache is read at once, by preadv2 with RWF_NOWAIT (250 ns; by an LWP of the pool 5 us).
 * Such a read that stops short has met the end of the file, or a page that is not there: a second one tells
 * which (0, or EAGAIN), and the pool is left alone at the end of files.  Only what is missing is read by the
 * pool.
 *
 * Not tried: files opened with O_DIRECT, since their reads wait for the disk all the same, by NOWAIT not for
 * the queue only; and writes in append mode, which would no longer be in one piece if the first part of one
 * were written alone.
 *
 * File systems that do not know NOWAIT say so at once (EOPNOTSUPP: writes on ext4); the attempt costs 150 ns
 * then.  So writes are made at once as long as they have been quick (quick.h), and only otherwise attempted.
 */
#include <errno.h>
#include <fcntl.h>
#include <mn/file.h>

#include "export.h"
#include "feature.h"
#include "file.h"
#include "offload.h"
#include "wait/call.h"

enum { NOWAIT = 8 }; /* RWF_NOWAIT */

static uint32_t nowait_works; /* atomic */

void mni_file_start(void) {
    a32_store(&nowait_works, mni_feature(MNI_RWF_NOWAIT));
    mni_file_cached_start();
}

/* What is left of a transfer: head, then rest[0..n-1]. */
struct transfer {
    bool write;
    int fd, n;
    struct iovec head;
    const struct iovec *rest;
    int64_t offset; /* -1: where the descriptor stands */
    int64_t done;
    long error; /* negative; 0: none */
};

/* One system call: the head, or all of the rest. */
static long step(struct transfer *t, int flags) {
    const struct iovec *v = t->head.iov_len ? &t->head : t->rest;
    int n = t->head.iov_len ? 1 : t->n;
    long r;
    if (flags)
        r = sys(t->write ? SYS_pwritev2 : SYS_preadv2, t->fd, v, n, t->offset, 0, flags);
    else if (t->offset >= 0)
        mni_sys_whole(r, t->write ? SYS_pwritev : SYS_preadv, t->fd, v, n, t->offset, 0);
    else
        mni_sys_whole(r, t->write ? SYS_writev : SYS_readv, t->fd, v, n);
    return r;
}

/* So many bytes more.  False: nothing is left. */
static bool advance(struct transfer *t, long bytes) {
    size_t n = (size_t)bytes;
    t->done += bytes;
    if (t->offset >= 0)
        t->offset += bytes;
    if (n < t->head.iov_len) {
        t->head.iov_base = (char *)t->head.iov_base + n;
        t->head.iov_len -= n;
        return true;
    }
    n -= t->head.iov_len;
    t->head.iov_len = 0;
    for (; t->n > 0; t->rest++, t->n--) {
        if (n < t->rest->iov_len) {
            if (n > 0) {
                t->head.iov_base = (char *)t->rest->iov_base + n;
                t->head.iov_len = t->rest->iov_len - n;
                t->rest++;
                t->n--;
            }
            return true;
        }
        n -= t->rest->iov_len;
    }
    return false;
}

/* In an LWP that may block.  A head is followed by the rest; a call that stops short is the last. */
static void finish(void *arg) {
    struct transfer *t = arg;
    size_t head;
    long r;
    do {
        head = t->head.iov_len;
        if ((r = step(t, 0)) < 0)
            t->error = r;
    } while (r >= 0 && advance(t, r) && head && (size_t)r == head);
}

/* Without blocking.  True: that was all. */
static bool attempt(struct transfer *t) {
    if (!a32_load(&nowait_works)) /* relaxed: a hint */
        return false;
    long flags = sys(SYS_fcntl, t->fd, F_GETFL);
    if (flags < 0) {
        t->error = flags;
        return true;
    }
    if (flags & (t->write ? O_DIRECT | O_APPEND : O_DIRECT))
        return false;
    for (;;) {
        long r = step(t, NOWAIT);
        if (r == -ENOSYS)
            a32_store(&nowait_works, 0);
        if (r == -EAGAIN || r == -EOPNOTSUPP || r == -ENOSYS || r == -EINTR)
            return false;
        if (r < 0)
            t->error = r;
        if (r <= 0 || !advance(t, r))
            return true;
    }
}

int mni_file_probe(int fd, int64_t offset) {
    char byte;
    const struct iovec v = {&byte, 1};
    /* Relaxed: a hint. */
    return a32_load(&nowait_works) ? (int)sys(SYS_preadv2, fd, &v, 1, offset, 0, NOWAIT) : -EAGAIN;
}

static int64_t transfer(struct transfer *t, int64_t deadline) {
    struct mni_cpu *cpu = mni_worker_self() ? mni_cpu_self() : NULL;
    if (!cpu) {
        finish(t);
    } else {
        bool all = t->write && mni_quick_run(MNI_QUICK_WRITE, finish, t);
        if (!all) {
            /* The buffer's pages may have to be fetched: the cpu is not kept meanwhile. */
            mni_leave(mni_cpu_self());
            all = attempt(t);
            mni_enter();
        }
        if (!all) {
            int r = mni_offload(MNI_POOL_FILE, finish, t, deadline);
            if (r < 0)
                t->error = r;
        }
        mni_charge(mni_cpu_self(), t->done);
    }
    return t->done ? t->done : t->error;
}

int64_t mni_file_read(int fd, const struct iovec *v, int n, int64_t offset, int64_t deadline) {
    struct transfer t = {.fd = fd, .n = n, .rest = v, .offset = offset};
    return transfer(&t, deadline);
}

int64_t mni_file_write(int fd, const struct iovec *v, int n, int64_t offset, int64_t deadline) {
    struct transfer t = {.write = true, .fd = fd, .n = n, .rest = v, .offset = offset};
    return transfer(&t, deadline);
}

/* ---- the calls */

static ssize_t call(bool write, int fd, const struct iovec *v, int n, off_t offset, int64_t deadline) {
    if (offset < 0)
        return -EINVAL;
    struct mni_cpu *cpu;
    int64_t r = mni_offload_begin(&cpu);
    if (r == 0 && !cpu && mni_passed(deadline))
        r = -ETIMEDOUT;
    if (r == 0)
        r = write ? mni_file_write(fd, v, n, offset, deadline) : mni_file_read(fd, v, n, offset, deadline);
    mni_offload_end();
    return r;
}

MN_EXPORT ssize_t mn_preadv_until(int fd, const struct iovec *v, int n, off_t offset, int64_t deadline) {
    return call(false, fd, v, n, offset, deadline);
}
MN_EXPORT ssize_t mn_preadv(int fd, const struct iovec *v, int n, off_t offset) {
    return call(false, fd, v, n, offset, MN_FOREVER);
}
MN_EXPORT ssize_t mn_pwritev_until(int fd, const struct iovec *v, int n, off_t offset, int64_t deadline) {
    return call(true, fd, v, n, offset, deadline);
}
MN_EXPORT ssize_t mn_pwritev(int fd, const struct iovec *v, int n, off_t offset) {
    return call(true, fd, v, n, offset, MN_FOREVER);
}
MN_EXPORT ssize_t mn_pread_until(int fd, void *buffer, size_t size, off_t offset, int64_t deadline) {
    const struct iovec v = {buffer, size};
    return call(false, fd, &v, 1, offset, deadline);
}
MN_EXPORT ssize_t mn_pread(int fd, void *buffer, size_t size, off_t offset) {
    return mn_pread_until(fd, buffer, size, offset, MN_FOREVER);
}
MN_EXPORT ssize_t mn_pwrite_until(int fd, const void *buffer, size_t size, off_t offset, int64_t deadline) {
    const struct iovec v = {(void *)(uintptr_t)buffer, size};
    return call(true, fd, &v, 1, offset, deadline);
}
MN_EXPORT ssize_t mn_pwrite(int fd, const void *buffer, size_t size, off_t offset) {
    return mn_pwrite_until(fd, buffer, size, offset, MN_FOREVER);
}
