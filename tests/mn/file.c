/* Files: contents, names, directories, FIFOs; with and without what newer kernels offer. */
#include <fcntl.h>
#include <sys/types.h>

#include "procfs.h"
#include "sync.h"

static char dir[64];
static const char *round_name;

static char *in(const char *name) {
    static char paths[8][128];
    static unsigned next;
    char *p = paths[next++ % 8];
    snprintf(p, sizeof paths[0], "%s/%s", dir, name);
    return p;
}

enum { SIZE = 1 << 20 };
static unsigned char *pattern, *got;

static bool same(size_t at, size_t n) {
    return memcmp(got, pattern + at, n) == 0;
}

/* Leaves the file in the page cache, or in part, or not at all. */
static void forget(int fd, off_t from, off_t n) {
    mn_fdatasync(fd);
    posix_fadvise(fd, from, n, POSIX_FADV_DONTNEED);
}

static void contents(void) {
    const char *k = round_name;
    int fd = mn_open(in("data"), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    ok(fd >= 0, "%s: a new file", k);
    is(mn_open(in("data"), O_RDWR | O_CREAT | O_EXCL, 0640), -EEXIST, "%s: there is one already", k);
    is(mn_pwrite(fd, pattern, SIZE, 0), SIZE, "%s: pwrite", k);
    is(mn_fsync(fd), 0, "%s: fsync", k);
    is(mn_pread(fd, got, SIZE, 0), SIZE, "%s: pread", k);
    ok(same(0, SIZE), "%s: what was written", k);
    forget(fd, 0, 0);
    memset(got, 0, SIZE);
    is(mn_pread(fd, got, SIZE, 0), SIZE, "%s: pread from the disk", k);
    ok(same(0, SIZE), "%s: the same", k);
    is(mn_pread(fd, got, 100, SIZE - 10), 10, "%s: up to the end", k);
    ok(same(SIZE - 10, 10), "%s: the last bytes", k);
    is(mn_pread(fd, got, 100, SIZE), 0, "%s: at the end", k);
    is(mn_pread(fd, got, 100, -1), -EINVAL, "%s: a negative offset", k);
    is(mn_pread(fd, got, 0, 0), 0, "%s: no bytes", k);
    is(mn_pread(-1, got, 10, 0), -EBADF, "%s: no descriptor", k);
    if (!mn_self()) {
        is(mn_pread_until(fd, got, 10, 0, 1), -ETIMEDOUT, "%s: reading after the deadline", k);
        is(mn_pwrite_until(fd, got, 10, 0, 1), -ETIMEDOUT, "%s: writing", k);
    }

    /* Pieces of odd sizes, of which some are in the page cache. */
    int wrong = 0;
    uint32_t state = 12345;
    for (int i = 0; i < 20; i++) {
        struct iovec v[20];
        size_t at = 0;
        for (int j = 0; j < 20; j++) {
            v[j] = (struct iovec){got + at, random_next(&state) % 20000};
            at += v[j].iov_len;
        }
        off_t from = random_next(&state) % 400000;
        forget(fd, (off_t)(random_next(&state) % (SIZE / 4096)) * 4096,
               (off_t)(random_next(&state) % 64) * 4096);
        memset(got, 0, at);
        wrong += mn_preadv(fd, v, 20, from) != (ssize_t)at || !same((size_t)from, at);
    }
    is(wrong, 0, "%s: preadv into pieces", k);
    struct iovec v[3] = {{got, 10}, {NULL, 0}, {got + 10, 4000}};
    is(mn_preadv(fd, v, 3, SIZE - 20), 20, "%s: preadv up to the end", k);
    is(mn_preadv(fd, v, 0, 0), 0, "%s: preadv into nothing", k);
    is(mn_preadv(fd, v, -1, 0), -EINVAL, "%s: preadv with a wrong number", k);
    v[1] = (struct iovec){(void *)8, 10};
    is(mn_preadv(fd, v + 1, 1, 0), -EFAULT, "%s: preadv to no memory", k);
    struct iovec w[2] = {{pattern + 7, 13}, {pattern + 20, 5000}};
    is(mn_pwritev(fd, w, 2, 3), 5013, "%s: pwritev", k);
    ok(mn_pread(fd, got, 5013, 3) == 5013 && same(7, 5013), "%s: it is there", k);

    is(mn_ftruncate(fd, 100), 0, "%s: ftruncate", k);
    is(mn_fallocate(fd, 0, 0, 200), 0, "%s: fallocate", k);
    struct stat st;
    ok(mn_fstat(fd, &st) == 0 && st.st_size == 200, "%s: fstat", k);
    is(mn_fstat(-1, &st), -EBADF, "%s: fstat of nothing", k);
    close(fd);
    int ro = mn_open(in("data"), O_RDONLY, 0);
    is(mn_pwrite(ro, "x", 1, 0), -EBADF, "%s: a file open for reading", k);
    is(fcntl(ro, F_GETFL) & (O_ACCMODE | O_NONBLOCK | O_APPEND), O_RDONLY, "%s: flags are as asked for", k);
    close(ro);
    int append = mn_open(in("data"), O_WRONLY | O_APPEND, 0);
    is(mn_pwrite(append, "xyz", 3, 0), 3, "%s: append", k);
    ok(mn_stat(in("data"), &st) == 0 && st.st_size == 203, "%s: at the end", k);
    close(append);
    int cut = mn_open(in("data"), O_WRONLY | O_TRUNC, 0);
    ok(cut >= 0 && mn_fstat(cut, &st) == 0 && st.st_size == 0, "%s: cut short", k);
    close(cut);
}

static void names(void) {
    const char *k = round_name;
    struct stat st;
    char target[64];
    is(mn_open(in("none"), O_RDONLY, 0), -ENOENT, "%s: no such name", k);
    is(mn_open(in("data/x"), O_RDONLY, 0), -ENOTDIR, "%s: no directory", k);
    is(mn_open(NULL, O_RDONLY, 0), -EFAULT, "%s: no path", k);
    is(mn_mkdir(in("sub"), 0700), 0, "%s: mkdir", k);
    is(mn_mkdir(in("sub"), 0700), -EEXIST, "%s: mkdir once more", k);
    ok(mn_stat(in("sub"), &st) == 0 && S_ISDIR(st.st_mode), "%s: stat", k);
    is(mn_stat(in("none"), &st), -ENOENT, "%s: stat of nothing", k);
    is(symlink("sub", in("link")), 0, "%s: a link", k);
    ok(mn_stat(in("link"), &st) == 0 && S_ISDIR(st.st_mode), "%s: stat goes through it", k);
    ok(mn_lstat(in("link"), &st) == 0 && S_ISLNK(st.st_mode), "%s: lstat does not", k);
    ok(mn_readlink(in("link"), target, sizeof target) == 3 && !memcmp(target, "sub", 3), "%s: readlink", k);
    is(mn_open(in("link"), O_RDONLY | O_NOFOLLOW, 0), -ELOOP, "%s: not through a link", k);
    int at = mn_open(in("link"), O_RDONLY | O_DIRECTORY, 0);
    ok(at >= 0, "%s: a directory", k);
    int fd = mn_openat(at, "file", O_WRONLY | O_CREAT, 0600);
    ok(fd >= 0, "%s: openat", k);
    close(fd);
    is(mn_openat(at, "file", O_RDONLY | O_DIRECTORY, 0), -ENOTDIR, "%s: a file is no directory", k);
    ok(mn_fstatat(at, "file", &st, 0) == 0 && S_ISREG(st.st_mode), "%s: fstatat", k);
    ok(mn_fstatat(at, "", &st, AT_EMPTY_PATH) == 0 && S_ISDIR(st.st_mode), "%s: fstatat of the descriptor", k);
    is(mn_mkdirat(at, "deep", 0700), 0, "%s: mkdirat", k);
    is(mn_unlinkat(at, "deep", AT_REMOVEDIR), 0, "%s: unlinkat", k);
    is(mn_renameat(at, "file", at, "moved", 0), 0, "%s: renameat", k);
    is(mn_rmdir(in("sub")), -ENOTEMPTY, "%s: rmdir of a full directory", k);
    is(mn_rename(in("sub/moved"), in("moved")), 0, "%s: rename", k);
    is(mn_unlink(in("moved")), 0, "%s: unlink", k);
    is(mn_unlink(in("moved")), -ENOENT, "%s: once more", k);
    is(mn_unlink(in("link")), 0, "%s: the link, too", k);
    is(mn_rmdir(in("sub")), 0, "%s: rmdir", k);
    close(at);
}

static void directories(void) {
    enum { FILES = 700 };
    const char *k = round_name;
    mn_mkdir(in("many"), 0700);
    char name[300];
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "%s/f%0*d", in("many"), 10 + i % 90, i);
        close(open(name, O_CREAT | O_WRONLY, 0600));
    }
    struct mn_dir *d;
    struct dirent *e;
    is(mn_opendir(NULL, in("many")), -EINVAL, "%s: nowhere to put it", k);
    is(mn_opendir(&d, in("none")), -ENOENT, "%s: no directory", k);
    is(mn_opendir(&d, in("many")), 0, "%s: opendir", k);
    for (int round = 0; round < 2; round++) {
        int n = 0, dots = 0, r;
        while ((r = mn_readdir(d, &e)) == 1) {
            n++;
            dots += e->d_name[0] == '.';
            if (round && e->d_name[0] != '.')
                mn_unlinkat(mn_dirfd(d), e->d_name, 0);
        }
        ok(r == 0 && n == FILES + 2 && dots == 2, "%s: all entries", k);
        is(mn_readdir(d, &e), 0, "%s: the end stays the end", k);
        is(mn_rewinddir(d), 0, "%s: from the beginning", k);
    }
    is(mn_closedir(d), 0, "%s: closedir", k);
    is(mn_rmdir(in("many")), 0, "%s: all removed", k);
}

/* ---- FIFOs, deadlines, cancellation */

static int opened, begun;

static void *opens(void *arg) {
    set(&begun, 1);
    set(&opened, mn_open(arg, O_RDONLY | O_CLOEXEC, 0));
    return NULL;
}

static void *opens_with_deadline(void *arg) {
    opened = mn_open_until(arg, O_WRONLY | O_CLOEXEC, 0, after_ms(10));
    return NULL;
}

static void *cancelled_calls(void *arg) {
    struct stat st;
    int *sum = arg;
    mn_cancel(mn_self());
    sum[0] = mn_open(dir, O_RDONLY, 0);
    sum[1] = mn_stat(dir, &st);
    sum[2] = (int)mn_pread(sum[5], got, 10, 0);
    sum[3] = mn_fsync(sum[5]);
    return NULL;
}

static void fifos(void) {
    const char *k = round_name;
    char *fifo = in("fifo"), *other = in("other");
    ok(mkfifo(fifo, 0600) == 0 && mkfifo(other, 0600) == 0, "%s: FIFOs", k);
    long fds = count_fds();
    mn_thread t;
    struct mn_pool_use use = {.running = 0};
    for (int i = 0; i < 100 && use.running == 0; i++) { /* on a busy machine an LWP may come too late for it */
        mn_go(&t, opens_with_deadline, fifo);
        mn_join(t, NULL);
        mn_stats_pool(MN_POOL_CALL, &use, sizeof use);
    }
    is(opened, -ETIMEDOUT, "%s: nobody opens its other end", k);
    begun = 0;
    mn_go(&t, opens, other);
    until(&begun, 1);
    for (int i = 0; i < 5000 && mn_stats_pool(MN_POOL_CALL, &use, sizeof use) == 0 && use.running < 2; i++)
        nap_ms(1); /* until an LWP has taken it: what waits for one is withdrawn */
    mn_cancel(t);
    mn_join(t, NULL);
    is(opened, -ECANCELED, "%s: nor before the thread is cancelled", k);
    /* Both were given up while they wait in the kernel. */
    ok(mn_stats_pool(MN_POOL_CALL, &use, sizeof use) == 0 && use.running == 2, "%s: two LWPs still wait", k);
    int ends[2] = {open(fifo, O_RDONLY | O_NONBLOCK), -1};
    while ((ends[1] = open(other, O_WRONLY | O_NONBLOCK)) < 0)
        nap_ms(1);
    for (int i = 0; i < 5000 && mn_stats_pool(MN_POOL_CALL, &use, sizeof use) == 0 && use.running; i++)
        nap_ms(1);
    close(ends[0]);
    close(ends[1]);
    ok(settles_at(count_fds, fds), "%s: descriptors that nobody waits for are closed", k);
    mn_unlink(other);
    opened = begun = 0;
    mn_go(&t, opens, fifo);
    until(&begun, 1);
    int w = mn_open(fifo, O_WRONLY | O_CLOEXEC, 0);
    mn_join(t, NULL);
    ok(w >= 0 && opened >= 0, "%s: both ends", k);
    ok(write(w, "hello", 5) == 5 && read(opened, got, 10) == 5, "%s: they are connected", k);
    close(w);
    close(opened);
    int both = mn_open(fifo, O_RDWR | O_CLOEXEC, 0);
    ok(both >= 0, "%s: one that needs no other end", k);
    close(both);
    is(mn_open(fifo, O_WRONLY | O_NONBLOCK, 0), -ENXIO, "%s: one that does not wait", k);
    mn_unlink(fifo);

    int fd = mn_open(in("data"), O_RDONLY, 0);
    struct stat st;
    is(mn_fsync_until(fd, 1), -ETIMEDOUT, "%s: a deadline that had passed", k);
    is(mn_open_until(in("new"), O_WRONLY | O_CREAT, 0600, 1), -ETIMEDOUT, "%s: also when opening", k);
    is(mn_stat(in("new"), &st), -ENOENT, "%s: and nothing was done", k);
    int sum[6] = {0, 0, 0, 0, 0, fd};
    mn_go(&t, cancelled_calls, sum);
    mn_join(t, NULL);
    ok(sum[0] == -ECANCELED && sum[1] == -ECANCELED && sum[2] == -ECANCELED && sum[3] == -ECANCELED,
       "%s: calls of a cancelled thread", k);
    close(fd);
}

static int all(void *arg) {
    (void)arg;
    contents();
    names();
    directories();
    if (mn_self())
        fifos();
    mn_unlink(in("data"));
    return 0;
}

/* ---- many at once */

static int failures;

static void *busy(void *arg) {
    uint32_t state = (uint32_t)(uintptr_t)arg * 2654435761u | 1;
    char name[16], buffer[6000];
    snprintf(name, sizeof name, "b%d", (int)(uintptr_t)arg);
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    for (int i = 0; i < (int)(8 * scale()) + 1; i++) {
        int fd = mn_open(path, O_RDWR | O_CREAT, 0600);
        size_t n = 1 + random_next(&state) % sizeof buffer, at = random_next(&state) % SIZE / 2;
        bool bad = fd < 0 || mn_pwrite(fd, pattern + at, n, (off_t)at) != (ssize_t)n;
        if (random_next(&state) % 4 == 0)
            forget(fd, 0, 0);
        int64_t deadline = random_next(&state) % 3 ? MN_FOREVER : now() + random_next(&state) % 20000;
        ssize_t r = mn_pread_until(fd, buffer, n, (off_t)at, deadline);
        bad |=
            r == -ETIMEDOUT ? deadline == MN_FOREVER : r != (ssize_t)n || memcmp(buffer, pattern + at, n) != 0;
        close(fd);
        if (bad)
            add(&failures, 1);
    }
    mn_unlink(path);
    return NULL;
}

static int many(void *arg) {
    (void)arg;
    mn_thread t[24];
    for (int i = 0; i < 24; i++)
        mn_go(&t[i], busy, (void *)(uintptr_t)(i + 1));
    for (int i = 0; i < 24; i++)
        mn_join(t[i], NULL);
    is(failures, 0, "%s: many at once", round_name);
    struct mn_pool_use s;
    /* An LWP wakes the caller before it has counted itself out. */
    for (int i = 0; i < 5000 && mn_stats_pool(MN_POOL_FILE, &s, sizeof s) == 0 && s.running; i++)
        nap_ms(1);
    ok(s.most <= 4 && s.running == 0, "%s: by four LWPs", round_name);
    return 0;
}

int main(void) {
    strcpy(dir, "./mn-file-XXXXXX"); /* not in /tmp, which may have no pages to forget */
    if (!mkdtemp(dir))
        abort();
    pattern = malloc(SIZE);
    got = malloc(SIZE);
    for (uint32_t i = 0, state = 1; i < SIZE; i++)
        pattern[i] = (unsigned char)random_next(&state);
    round_name = "no runtime";
    all(NULL);
    static const struct {
        const char *name, *without;
    } rounds[] = {{"as it is", ""},
                  {"nothing at once", "quick"},
                  {"no RWF_NOWAIT", "quick,rwf_nowait"},
                  {"no RESOLVE_CACHED", "quick,resolve_cached"},
                  {"an old kernel", "quick,rwf_nowait,resolve_cached"}};
    for (unsigned i = 0; i < sizeof rounds / sizeof *rounds; i++) {
        round_name = rounds[i].name;
        setenv("ODONATA_DISABLE", rounds[i].without, 1);
        is(mn_run(all, NULL, NULL), 0, "%s", round_name);
        is(mn_run(many, NULL, &(struct mn_config){.file_lwps = 4}), 0, "%s", round_name);
    }
    ok(settles_at(count_lwps, 1), "no LWP is left");
    rmdir(dir);
    free(pattern);
    free(got);
    return done();
}
