/* Reading and writing: every kind of descriptor, by every kind of thread. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "sync.h"

static const struct variant {
    const char *name;
    bool ours, pipe, nonblock;
} variants[] = {
    {"our sockets", true, false, true},          {"our pipe", true, true, true},
    {"blocking sockets", false, false, false},   {"a blocking pipe", false, true, false},
    {"non-blocking sockets", false, false, true}, {"a non-blocking pipe", false, true, true},
};
static const struct variant *v;

static int fds[2]; /* [0] is read from, [1] written to */
static ssize_t result;
static int begun, wrong;

static void make(void) {
    int r;
    if (v->ours)
        r = v->pipe ? mn_pipe(fds) : mn_socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
    else
        r = v->pipe ? pipe2(fds, v->nonblock ? O_NONBLOCK : 0)
                    : socketpair(AF_UNIX, SOCK_STREAM | (v->nonblock ? SOCK_NONBLOCK : 0), 0, fds);
    if (r < 0)
        abort();
    begun = 0;
}

static void unmake(void) {
    for (int i = 0; i < 2; i++)
        if (fds[i] >= 0)
            mn_close(fds[i]);
}

static void *reads(void *arg) {
    char byte;
    int fd = fds[0]; /* before others hear of this thread: they may close it and change fds */
    (void)arg;
    add(&begun, 1);
    result = mn_read(fd, &byte, 1);
    return NULL;
}

static void *fills(void *arg) {
    static char block[65536];
    int fd = fds[1]; /* as in reads() */
    (void)arg;
    add(&begun, 1);
    ssize_t n;
    while ((n = mn_write(fd, block, sizeof block)) > 0)
        continue;
    result = n;
    return NULL;
}

static void *fills_10ms(void *arg) {
    static char block[65536];
    int64_t deadline = after_ms(10);
    (void)arg;
    ssize_t n;
    while ((n = mn_write_until(fds[1], block, sizeof block, deadline)) > 0)
        continue;
    result = late(deadline) ? n : 1;
    return NULL;
}

static void *drains(void *arg) {
    char block[5000];
    size_t *total = arg;
    ssize_t n;
    while ((n = mn_read(fds[0], block, sizeof block)) > 0)
        *total += (size_t)n;
    result = n;
    return NULL;
}

/* ---- several readers */

enum { READERS = 6, BYTES = 600 };
static int seen[BYTES];

static void *reads_bytes(void *arg) {
    unsigned short number;
    (void)arg;
    add(&begun, 1);
    ssize_t n;
    while ((n = mn_read(fds[0], &number, sizeof number)) == sizeof number)
        if (number >= BYTES || add(&seen[number], 1) != 1)
            add(&wrong, 1);
    if (n != 0)
        add(&wrong, 1);
    return NULL;
}

static void several(void) {
    const char *k = kind_name[kind];
    struct runner r[READERS];
    make();
    wrong = 0;
    memset(seen, 0, sizeof seen);
    for (int i = 0; i < READERS; i++)
        start(&r[i], reads_bytes, NULL);
    until(&begun, READERS);
    nap_ms(2);
    unsigned short numbers[BYTES];
    for (unsigned short i = 0; i < BYTES; i++)
        numbers[i] = i;
    for (unsigned at = 0; at < BYTES; at += BYTES / 3) {
        ssize_t n = mn_write_all(fds[1], numbers + at, sizeof numbers / 3);
        if (n != sizeof numbers / 3)
            add(&wrong, 1);
        nap_ms(1);
    }
    mn_close(fds[1]);
    fds[1] = -1;
    for (int i = 0; i < READERS; i++)
        finish(&r[i]);
    int all = 0;
    for (int i = 0; i < BYTES; i++)
        all += seen[i];
    ok(wrong == 0 && all == BYTES, "%s, %s: several readers get everything once, and the end", k, v->name);
    unmake();
}

static void test_variant(void) {
    const char *k = kind_name[kind];
    struct runner r;
    char byte = 'x', two[2];

    make();
    int before = fcntl(fds[0], F_GETFL);
    int64_t deadline = after_ms(5);
    is(mn_read_until(fds[0], &byte, 1, 1), -ETIMEDOUT, "%s, %s: nothing to read, and no time", k, v->name);
    is(mn_read_until(fds[0], &byte, 1, deadline), -ETIMEDOUT, "%s, %s: nothing to read for a while", k,
       v->name);
    ok(late(deadline), "%s, %s: which passed", k, v->name);
    start(&r, reads, NULL);
    until(&begun, 1);
    nap_ms(2);
    is(mn_write(fds[1], "a", 1), 1, "%s, %s: a byte", k, v->name);
    finish(&r);
    is(result, 1, "%s, %s: is read", k, v->name);
    is(mn_write(fds[1], "bc", 2), 2, "%s, %s: two bytes", k, v->name);
    is(mn_read_until(fds[0], two, 2, 1), 2, "%s, %s: are read without waiting, whatever the deadline", k,
       v->name);
    is(fcntl(fds[0], F_GETFL), before, "%s, %s: its flags are what they were", k, v->name);
    unmake();

    make();
    start(&r, fills_10ms, NULL);
    finish(&r);
    is(result, -ETIMEDOUT, "%s, %s: it can be filled", k, v->name);
    size_t total = 0;
    start(&r, drains, &total);
    nap_ms(2);
    mn_close(fds[1]);
    fds[1] = -1;
    finish(&r);
    ok(result == 0 && total > 1000, "%s, %s: and emptied to the end", k, v->name);
    unmake();

    make();
    start(&r, fills, NULL);
    until(&begun, 1);
    nap_ms(5);
    mn_close(fds[0]);
    fds[0] = -1;
    finish(&r);
    ok(result == -EPIPE || result == -ECONNRESET, "%s, %s: a writer hears that nobody reads any more", k,
       v->name);
    unmake();

    several();

    if (kind == FOREIGN)
        return; /* nobody can wake a plain call of poll() */
    for (int dir = 0; dir < 2; dir++) {
        make();
        start(&r, dir ? fills : reads, NULL);
        until(&begun, 1);
        nap_ms(5);
        is(mn_close(fds[dir]), 0, "%s, %s: closed under a thread that waits", k, v->name);
        fds[dir] = -1;
        finish(&r);
        is(result, -EBADF, "%s, %s: which hears of it", k, v->name);
        unmake();

        make();
        start(&r, dir ? fills : reads, NULL);
        until(&begun, 1);
        until_waits(&r);
        is(mn_adopt(fds[dir]), 0, "%s, %s: adopted under a thread that waits", k, v->name);
        finish(&r);
        is(result, -EBADF, "%s, %s: which hears of that, too", k, v->name);
        unmake();

        make();
        cancel_in(dir ? fills : reads, NULL, &begun);
        is(result, -ECANCELED, "%s, %s: a %s is cancelled", k, v->name, dir ? "writer" : "reader");
        unmake();
    }
}

/* A terminal: neither a socket, nor one that knows RWF_NOWAIT. */
static int terminal(int *screen) {
    int keys = posix_openpt(O_RDWR | O_NOCTTY);
    const char *name = keys >= 0 && grantpt(keys) == 0 && unlockpt(keys) == 0 ? ptsname(keys) : NULL;
    return name && (*screen = open(name, O_RDWR | O_NOCTTY)) >= 0 ? keys : -1;
}

enum { LINES = 100000 };

static void *writes_lines(void *arg) {
    char *lines = malloc(LINES);
    memset(lines, '\n', LINES);
    intptr_t r = mn_write_all(*(int *)arg, lines, LINES);
    free(lines);
    return (void *)r;
}

/* What poll(2) says of a terminal promises room for one byte: so a call may block after all. */
static void held_up(int screen, int keys) {
    const char *k = kind_name[kind];
    struct runner r[2];
    static char shown[4096];
    for (int i = 0; i < 2; i++)
        start(&r[i], writes_lines, &screen);
    int64_t before = now();
    for (int i = 0; i < 20; i++)
        nap_ms(1);
    ok(now() - before < 10000000000l, "%s: others go on while a terminal shows nothing", k);
    long most = 4l * LINES, n = 0; /* each line as two characters, by each */
    for (ssize_t got; n < most && (got = mn_read_until(keys, shown, sizeof shown, after_ms(20000))) > 0;)
        n += got;
    is(n, most, "%s: then it shows all", k);
    for (int i = 0; i < 2; i++)
        is((intptr_t)finish(&r[i]), LINES, "%s: all was written", k);
}

static void others(void) {
    const char *k = kind_name[kind];
    char buffer[64];
    uint64_t one = 1;
    int e = eventfd(0, 0);
    is(mn_read_until(e, &one, 8, after_ms(3)), -ETIMEDOUT, "%s: an eventfd is empty", k);
    one = 7;
    is(mn_write(e, &one, 8), 8, "%s: it is written", k);
    one = 0;
    is(mn_read(e, &one, 8), 8, "%s: and read", k);
    is((long)one, 7, "%s: the number", k);
    close(e);
    FILE *f = tmpfile();
    int fd = fileno(f);
    is(mn_write_all(fd, "something", 9), 9, "%s: a file is written", k);
    lseek(fd, 4, SEEK_SET);
    is(mn_read_all(fd, buffer, sizeof buffer), 5, "%s: and read to its end", k);
    ok(memcmp(buffer, "thing", 5) == 0, "%s: where it stood", k);
    is(mn_read(fd, buffer, 1), 0, "%s: the end", k);
    is(mn_adopt(fd), -EPERM, "%s: a file cannot be adopted", k);
    fclose(f);
    int zero = open("/dev/zero", O_RDONLY), null = open("/dev/null", O_WRONLY);
    is(mn_read(zero, buffer, 64), 64, "%s: /dev/zero", k);
    is(mn_write(null, buffer, 64), 64, "%s: /dev/null", k);
    close(zero);
    close(null);
    is(mn_read(-1, buffer, 1), -EBADF, "%s: no descriptor", k);
    is(mn_read(1000000000, buffer, 1), -EBADF, "%s: no such descriptor", k);
    is(mn_close(-1), -EBADF, "%s: cannot be closed", k);
    is(mn_close(12345), -EBADF, "%s: nor one that is not open", k);
    is(mn_readv(0, NULL, -1), -EINVAL, "%s: a negative count", k);
    int deaf = socket(AF_UNIX, SOCK_STREAM, 0), no_socket[2];
    if (pipe(no_socket) < 0)
        abort();
    is(mn_accept_until(deaf, NULL, NULL, after_ms(5)), -EINVAL, "%s: a socket that does not listen", k);
    is(mn_accept_until(no_socket[0], NULL, NULL, after_ms(5)), -ENOTSOCK, "%s: none at all", k);
    close(deaf);
    close(no_socket[0]);
    close(no_socket[1]);
    int screen, keys = terminal(&screen);
    if (keys >= 0) {
        struct iovec pieces[3] = {{buffer, 0}, {(char[]){"ab"}, 2}, {buffer, 0}};
        is(mn_writev(screen, pieces, 3), 2, "%s: a terminal, the first piece empty", k);
        is(mn_read(keys, buffer, 4), 2, "%s: which shows it", k);
        held_up(screen, keys);
        close(screen);
        close(keys);
    }

    /* One that is ours, its duplicate, and a number that is used again. */
    int p[2];
    mn_pipe(p);
    int d = dup(p[0]);
    is(mn_read_until(p[0], buffer, 1, 1), -ETIMEDOUT, "%s: a pipe", k);
    is(mn_read_until(d, buffer, 1, after_ms(2)), -ETIMEDOUT, "%s: its duplicate", k);
    mn_close(p[0]);
    mn_write(p[1], "z", 1);
    is(mn_read(d, buffer, 4), 1, "%s: the duplicate lives on", k);
    int q[2];
    if (pipe(q) < 0)
        abort();
    is(mn_read_until(q[0], buffer, 1, after_ms(2)), -ETIMEDOUT, "%s: a number used again is another descriptor",
       k);
    close(q[0]);
    close(q[1]);
    if (pipe(q) < 0 || write(q[1], "12", 2) != 2)
        abort();
    is(mn_read(q[0], buffer, 4), 2, "%s: also when it was closed behind our back", k);
    close(q[0]);
    close(q[1]);
    close(d);
    mn_close(p[1]);
}

static void test(void) {
    for (v = variants; v < variants + sizeof variants / sizeof *variants; v++)
        test_variant();
    others();
}

int main(void) {
    signal(SIGPIPE, SIG_IGN); /* foreign LWPs that write into a pipe */
    kinds(test);
    return done();
}
