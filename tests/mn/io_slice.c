/* What system calls move is charged to the slice: who moves much lets others run, and is not taken off its CPU
 * for it. */
#include "sync.h"

#include <mn/file.h>
#include <mn/io.h>
#include <mn/proc.h>
#include <string.h>
#include <sys/socket.h>

enum { PIECE = 32 << 10, TIMES = 100 };
static char piece[PIECE];
static int ends[2], in, out; /* a pair of sockets; a pipe */

/* Slices of 1,000 that the caller has used up. */
static long slices(void) {
    struct mn_proc_report r;
    int error = mn_proc_inspect_until(mn_pid_self(), &r, sizeof r, 0);
    if (error != 0 && error != -ETIMEDOUT)
        abort();
    return (long)(r.reductions / 1000);
}

static void empty(void) {
    if (mn_read_all(ends[1], piece, PIECE) != PIECE)
        abort();
}

static void by_socket(void) {
    if (mn_write_all(ends[0], piece, PIECE) != PIECE)
        abort();
    empty();
}

static void by_pipe(void) {
    if (mn_write_all(in, piece, PIECE) != PIECE)
        abort();
    for (ssize_t left = PIECE, n; left > 0; left -= n)
        if ((n = mn_splice(out, NULL, ends[0], NULL, (size_t)left, 0)) <= 0)
            abort();
    empty();
}

static void count(const char *what, void (*move)(void)) {
    long before = slices();
    for (int i = 0; i < TIMES; i++)
        move();
    long used = slices() - before;
    ok(used >= 3, "%s, %d times %d KiB: %ld slices", what, TIMES, PIECE >> 10, used);
}

static int body(void *arg) {
    (void)arg;
    is(mn_attach(), 0, "a process");
    is(mn_socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0, "two ends");
    int p[2];
    is(mn_pipe(p), 0, "a pipe");
    out = p[0];
    in = p[1];
    count("sockets", by_socket);
    count("a pipe to a socket", by_pipe);

    long before = slices();
    for (int i = 0; i < TIMES; i++)
        if (mn_write(ends[0], piece, 100) != 100 || mn_read(ends[1], piece, 100) != 100)
            abort();
    ok(slices() - before <= 2, "small pieces: %ld slices", slices() - before);
    mn_close(ends[0]);
    mn_close(ends[1]);
    mn_close(in);
    mn_close(out);
    return 0;
}

int main(void) {
    is(mn_run(body, NULL, NULL), 0, "mn_run");
    return done();
}
