/* Moving bytes within the kernel: to and from files, pipes, sockets of both modes; slow peers, deadlines,
 * disk and cache. */
#include <fcntl.h>
#include <mn/io.h>
#include <signal.h>
#include <sys/socket.h>

#include "procfs.h"
#include "sync.h"

enum { SIZE = 3 << 20 };
static unsigned char *pattern, *got;
static char path[] = "./mn-transfer-XXXXXX";
static int file;

static void forget(void) {
    fdatasync(file);
    posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
}

/* ---- a peer that reads slowly, and never blocks its LWP */

struct reader {
    int fd;
    size_t n, pause;
};

static void *reads(void *arg) {
    struct reader *r = arg;
    size_t since = 0;
    ssize_t n;
    while ((n = mn_read(r->fd, got + r->n, SIZE - r->n < 30000 ? SIZE - r->n : 30000)) > 0) {
        r->n += (size_t)n;
        if (r->pause && (since += (size_t)n) > r->pause) {
            since = 0;
            nap_ms(1);
        }
        if (r->n == SIZE)
            break;
    }
    return NULL;
}

enum way { OWN_SOCKET, BLOCKING_SOCKET, NONBLOCKING_SOCKET, OWN_PIPE, BLOCKING_PIPE, WAYS };
static const char *const way_name[] = {"own socket", "blocking socket", "non-blocking socket", "own pipe",
                                       "blocking pipe"};

/* pair[0] to read by us; pair[1] to write. */
static void make(enum way way, int pair[2]) {
    int r = -1;
    switch (way) {
    case OWN_SOCKET:
        r = mn_socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
        break;
    case BLOCKING_SOCKET:
        r = socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
        break;
    case NONBLOCKING_SOCKET:
        r = socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair);
        break;
    case OWN_PIPE:
        r = mn_pipe(pair);
        break;
    default:
        r = pipe(pair);
        break;
    }
    if (r < 0)
        abort();
}

static void sends(enum way way, bool cached, bool with_offset) {
    const char *k = way_name[way];
    int pair[2];
    make(way, pair);
    int flags = fcntl(pair[1], F_GETFL);
    struct reader r = {pair[0], 0, 100000};
    if (!cached)
        forget();
    struct runner runner;
    memset(got, 0, SIZE);
    start(&runner, reads, &r);
    off_t offset = 5;
    lseek(file, 5, SEEK_SET);
    ssize_t n = mn_sendfile(pair[1], file, with_offset ? &offset : NULL, SIZE * 2l);
    is(n, SIZE - 5, "%s: sendfile of a file %s", k, cached ? "in the page cache" : "on the disk");
    is(with_offset ? offset : (long)lseek(file, 0, SEEK_CUR), SIZE, "%s: the offset moves on", k);
    is(fcntl(pair[1], F_GETFL), flags, "%s: flags are left alone", k);
    mn_close(pair[1]);
    finish(&runner);
    ok(r.n == SIZE - 5 && !memcmp(got, pattern + 5, SIZE - 5), "%s: all has come", k);
    mn_close(pair[0]);
}

/* Nobody reads: the deadline passes, and what was moved counts. */
static void stuck(enum way way) {
    const char *k = way_name[way];
    int pair[2];
    make(way, pair);
    off_t offset = 0;
    ssize_t n = mn_sendfile_until(pair[1], file, &offset, SIZE, after_ms(10));
    ok(n > 0 && n < SIZE && offset == n, "%s: a part of it, when nobody reads", k);
    is(mn_sendfile_until(pair[1], file, &offset, SIZE, after_ms(2)), -ETIMEDOUT, "%s: then nothing", k);
    is(offset, n, "%s: the offset stays", k);
    mn_close(pair[0]);
    mn_close(pair[1]);
}

/* ---- a chain: file, pipe, socket, pipe, file */

struct link {
    int in, out;
    ssize_t moved, result;
};

static void *moves(void *arg) {
    struct link *l = arg;
    ssize_t n;
    while ((n = mn_splice(l->in, NULL, l->out, NULL, 1 << 20, 0)) > 0)
        l->moved += n;
    l->result = n;
    mn_close(l->out);
    return NULL;
}

static void chain(enum way sockets, enum way pipes) {
    char name[64];
    snprintf(name, sizeof name, "%s, %s", way_name[sockets], way_name[pipes]);
    int a[2], b[2], s[2], to = open(".", O_TMPFILE | O_RDWR, 0600);
    make(pipes, a);
    make(pipes, b);
    make(sockets, s);
    lseek(file, 0, SEEK_SET);
    struct link l[4] = {{dup(file), a[1], 0, 0}, {a[0], s[1], 0, 0}, {s[0], b[1], 0, 0}, {b[0], dup(to), 0, 0}};
    struct runner r[4];
    for (int i = 0; i < 4; i++)
        start(&r[i], moves, &l[i]);
    for (int i = 0; i < 4; i++)
        finish(&r[i]);
    for (int i = 0; i < 4; i++)
        ok(l[i].moved == SIZE && l[i].result == 0, "%s: part %d of a chain of splices", name, i);
    memset(got, 0, SIZE);
    ok(mn_pread(to, got, SIZE, 0) == SIZE && !memcmp(got, pattern, SIZE), "%s: it is the same file", name);
    close(l[0].in);
    close(to);
    mn_close(a[0]);
    mn_close(s[0]);
    mn_close(b[0]);
}

static int result, begun;

static void *waits_for_data(void *arg) {
    set(&begun, 1);
    result = (int)mn_splice(((int *)arg)[0], NULL, ((int *)arg)[1], NULL, 100, 0);
    return NULL;
}

static void splice_waits(enum way sockets) {
    const char *k = way_name[sockets];
    int s[2], p[2], both[2];
    make(sockets, s);
    make(OWN_PIPE, p);
    both[0] = s[0];
    both[1] = p[1];
    is(mn_splice(s[0], NULL, p[1], NULL, 10, SPLICE_F_NONBLOCK), -EAGAIN, "%s: splice that does not wait", k);
    is(mn_splice_until(s[0], NULL, p[1], NULL, 10, 0, after_ms(5)), -ETIMEDOUT, "%s: splice up to a deadline",
       k);
    if (mn_self()) {
        begun = 0;
        cancel_in(waits_for_data, both, &begun);
        is(result, -ECANCELED, "%s: a cancelled splice", k);
    }
    struct runner r;
    begun = 0;
    start(&r, waits_for_data, both);
    until(&begun, 1);
    nap_ms(2);
    if (write(s[1], "hello", 5) != 5)
        abort();
    finish(&r);
    is(result, 5, "%s: splice of what is there", k);
    ok(mn_read(p[0], got, 10) == 5 && !memcmp(got, "hello", 5), "%s: it has come", k);
    mn_close(s[0]);
    mn_close(s[1]);
    mn_close(p[0]);
    mn_close(p[1]);
}

static void test(void) {
    /* A worker is not killed by it, nor is the LWP when it is a worker no more. */
    signal(SIGPIPE, kind == GREEN ? SIG_DFL : SIG_IGN);
    const char *k = kind_name[kind];
    for (int way = 0; way < WAYS; way++) {
        sends((enum way)way, true, way & 1);
        sends((enum way)way, false, !(way & 1));
        if (kind == GREEN)
            stuck((enum way)way);
    }
    for (int way = OWN_SOCKET; way <= NONBLOCKING_SOCKET; way++) {
        chain((enum way)way, OWN_PIPE);
        splice_waits((enum way)way);
    }
    chain(BLOCKING_SOCKET, BLOCKING_PIPE);
    int to = open(".", O_TMPFILE | O_RDWR, 0600);
    off_t from = 0, at = 0;
    is(mn_copy_file_range(file, &from, to, &at, SIZE * 2l, 0), SIZE, "%s: copy_file_range", k);
    ok(from == SIZE && at == SIZE, "%s: both offsets move on", k);
    memset(got, 0, SIZE);
    ok(mn_pread(to, got, SIZE, 0) == SIZE && !memcmp(got, pattern, SIZE), "%s: it is a copy", k);
    from = 10;
    lseek(to, 100, SEEK_SET);
    is(mn_sendfile(to, file, &from, 1000), 1000, "%s: sendfile to a file", k);
    ok(mn_pread(to, got, 1000, 100) == 1000 && !memcmp(got, pattern + 10, 1000), "%s: it is there", k);
    int null = open("/dev/null", O_WRONLY);
    from = 0;
    is(mn_sendfile(null, file, &from, SIZE), SIZE, "%s: sendfile to a device", k);
    close(null);
    int pair[2];
    make(OWN_SOCKET, pair);
    from = SIZE;
    is(mn_sendfile(pair[1], file, &from, 10), 0, "%s: sendfile from the end", k);
    is(mn_sendfile(pair[1], file, &from, 0), 0, "%s: sendfile of nothing", k);
    from = -1;
    is(mn_sendfile(pair[1], file, &from, 10), -EINVAL, "%s: a negative offset", k);
    is(mn_sendfile(pair[1], -1, NULL, 10), -EBADF, "%s: no input", k);
    is(mn_sendfile(-1, file, NULL, 10), -EBADF, "%s: no output", k);
    is(mn_sendfile(to, pair[1], NULL, 10), -EINVAL, "%s: not from a file", k);
    is(mn_splice(file, NULL, to, NULL, 10, 0), -EINVAL, "%s: splice without a pipe", k);
    is(mn_copy_file_range(pair[0], NULL, to, NULL, 10, 0), -EINVAL, "%s: copy_file_range from no file", k);
    mn_close(pair[0]);
    from = 0;
    is(mn_sendfile(pair[1], file, &from, SIZE), -EPIPE, "%s: sendfile to who has gone", k);
    mn_close(pair[1]);
    make(OWN_PIPE, pair);
    mn_close(pair[0]);
    from = 0;
    is(mn_sendfile(pair[1], file, &from, SIZE), -EPIPE, "%s: the same with a pipe", k);
    mn_close(pair[1]);
    close(to);
}

int main(void) {

    pattern = malloc(SIZE);
    got = malloc(SIZE);
    for (uint32_t i = 0, state = 7; i < SIZE; i++)
        pattern[i] = (unsigned char)random_next(&state);
    file = mkstemp(path);
    if (file < 0 || write(file, pattern, SIZE) != SIZE)
        abort();
    unlink(path);
    long fds = count_fds();
    kinds(test);
    ok(count_fds() <= fds + 4, "no descriptor is left"); /* but for those of the poller */
    return done();
}
