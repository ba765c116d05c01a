/* EVFILT_READ and EVFILT_WRITE: every kind of descriptor, low-water marks, ends, closing and reuse of
 * numbers. */
#include "kq.h"

#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/un.h>

static int kq;
static const char *k;

static void put(int fd, const char *what) {
    if (write(fd, what, strlen(what)) != (ssize_t)strlen(what))
        abort();
}

static int take(int fd) {
    char b[256];
    return (int)read(fd, b, sizeof b);
}

static void add_note(int fd, int filter, unsigned flags) {
    if (change(kq, (uintptr_t)fd, filter, EV_ADD | flags, 0, 0) != 0)
        abort();
}

static void pipes(void) {
    int p[2];
    if (pipe(p) < 0)
        abort();
    add_note(p[0], EVFILT_READ, 0);
    ok(none(kq), "%s: an empty pipe", k);
    put(p[1], "hello");
    ok(next(kq) == 1 && got.ident == (uintptr_t)p[0] && got.data == 5 && !(got.flags & EV_EOF), "%s: 5 bytes",
       k);
    ok(readable(kq) && next(kq) == 1 && got.data == 5, "%s: it stays", k);
    take(p[0]);
    ok(none(kq), "%s: until it is read", k);
    change(kq, (uintptr_t)p[0], EVFILT_READ, EV_ADD, NOTE_LOWAT, 3);
    put(p[1], "ab");
    ok(none(kq) && next_ms(kq, 5) == 0, "%s: below the low-water mark", k);
    put(p[1], "c");
    ok(next(kq) == 1 && got.data == 3, "%s: at it", k);
    change(kq, (uintptr_t)p[0], EVFILT_READ, EV_DISABLE, 0, 0);
    ok(none(kq), "%s: disabled", k);
    change(kq, (uintptr_t)p[0], EVFILT_READ, EV_ENABLE, 0, 0);
    ok(next(kq) == 1, "%s: enabled", k);
    add_note(p[1], EVFILT_WRITE, 0);
    ok(next(kq) == 2, "%s: both ends", k);
    close(p[1]);
    take(p[0]);
    ok(next(kq) == 1 && got.filter == EVFILT_READ && got.flags & EV_EOF && got.data == 0,
       "%s: the end; the closed one is silent", k);
    close(p[0]);
    ok(none(kq), "%s: both are closed", k);

    if (pipe(p) < 0)
        abort();
    add_note(p[1], EVFILT_WRITE, 0);
    ok(next(kq) == 1 && got.filter == EVFILT_WRITE && got.data >= 4096, "%s: room to write", k);
    fcntl(p[1], F_SETFL, O_NONBLOCK);
    char b[4096] = {0};
    while (write(p[1], b, sizeof b) > 0)
        continue;
    ok(none(kq), "%s: full", k);
    for (int i = 0; i < 8; i++)
        if (read(p[0], b, sizeof b) < 0)
            abort();
    ok(next(kq) == 1, "%s: room again", k);
    close(p[0]);
    ok(next(kq) == 1 && got.flags & EV_EOF, "%s: nobody reads", k);
    close(p[1]);
}

static void edges(void) {
    int s[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, s) < 0)
        abort();
    add_note(s[0], EVFILT_READ, EV_CLEAR);
    add_note(s[0], EVFILT_WRITE, EV_CLEAR);
    ok(next(kq) == 1 && got.filter == EVFILT_WRITE, "%s: EV_CLEAR: writable, once", k);
    ok(none(kq), "%s: no more", k);
    put(s[1], "abc");
    ok(next(kq) == 1 && got.filter == EVFILT_READ && got.data == 3, "%s: what arrives makes no WRITE event", k);
    ok(none(kq), "%s: no more", k);
    put(s[1], "d");
    ok(next(kq) == 1 && got.data == 4, "%s: again with the next", k);
    take(s[0]);
    ok(none(kq), "%s: no more", k);
    change(kq, (uintptr_t)s[0], EVFILT_WRITE, EV_DELETE, 0, 0);
    shutdown(s[1], SHUT_WR);
    ok(next(kq) == 1 && got.filter == EVFILT_READ && got.flags & EV_EOF, "%s: shut down", k);
    add_note(s[1], EVFILT_READ, EV_DISPATCH);
    put(s[0], "x");
    ok(next(kq) == 1 && got.ident == (uintptr_t)s[1] && none(kq), "%s: EV_DISPATCH", k);
    change(kq, (uintptr_t)s[1], EVFILT_READ, EV_ENABLE, 0, 0);
    is(next(kq), 1, "%s: enabled", k);
    change(kq, (uintptr_t)s[1], EVFILT_READ, EV_DELETE, 0, 0);
    add_note(s[1], EVFILT_READ, EV_ONESHOT);
    ok(next(kq) == 1 && none(kq) && change(kq, (uintptr_t)s[1], EVFILT_READ, EV_DELETE, 0, 0) == -ENOENT,
       "%s: EV_ONESHOT", k);
    close(s[0]);
    close(s[1]);
}

static int listener(struct sockaddr_in *a) {
    socklen_t size = sizeof *a;
    int l = socket(AF_INET, SOCK_STREAM, 0);
    *a = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    if (l < 0 || bind(l, (struct sockaddr *)a, size) < 0 || listen(l, 8) < 0 ||
        getsockname(l, (struct sockaddr *)a, &size) < 0)
        abort();
    return l;
}

/* The same with a Unix socket, which has no name in the file system. */
static void unix_listener(void) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    socklen_t size = sizeof(sa_family_t);
    int l = socket(AF_UNIX, SOCK_STREAM, 0), c[3];
    if (l < 0 || bind(l, (struct sockaddr *)&a, size) < 0 || listen(l, 8) < 0)
        abort();
    size = sizeof a;
    if (getsockname(l, (struct sockaddr *)&a, &size) < 0)
        abort();
    add_note(l, EVFILT_READ, 0);
    ok(none(kq), "%s: Unix: nobody connects", k);
    for (int i = 0; i < 3; i++) {
        c[i] = socket(AF_UNIX, SOCK_STREAM, 0);
        if (connect(c[i], (struct sockaddr *)&a, size) < 0)
            abort();
    }
    ok(next(kq) == 1 && got.data == 3, "%s: Unix: 3 connections wait", k);
    close(accept(l, NULL, NULL));
    ok(next(kq) == 1 && got.data == 2, "%s: Unix: 2", k);
    close(accept(l, NULL, NULL));
    close(accept(l, NULL, NULL));
    ok(none(kq), "%s: Unix: none", k);
    close(l);
    for (int i = 0; i < 3; i++)
        close(c[i]);
}

static int error_of(int fd) {
    int e = -1;
    socklen_t size = sizeof e;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &size);
    return e;
}

/* A connect that fails, as programs find it out: the error is theirs. */
static void refused(void) {
    struct sockaddr_in a;
    close(listener(&a));
    int c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    connect(c, (struct sockaddr *)&a, sizeof a);
    add_note(c, EVFILT_WRITE, 0);
    ok(next(kq) == 1 && got.flags & EV_EOF && got.fflags == ECONNREFUSED, "%s: a refused connect", k);
    ok(next(kq) == 1 && got.flags & EV_EOF && got.fflags == ECONNREFUSED, "%s: said again", k);
    is(error_of(c), ECONNREFUSED, "%s: the socket has the error", k);
    ok(next(kq) == 1 && got.flags & EV_EOF && got.fflags == 0, "%s: and then not any more", k);
    close(c);
}

/* The same of a datagram: the socket is readable, since to read it tells the error. */
static void refused_datagram(void) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof a;
    int u = socket(AF_INET, SOCK_DGRAM, 0), c = socket(AF_INET, SOCK_DGRAM, 0);
    char b[8];
    if (bind(u, (struct sockaddr *)&a, size) < 0 || getsockname(u, (struct sockaddr *)&a, &size) < 0 ||
        connect(c, (struct sockaddr *)&a, size) < 0)
        abort();
    close(u);
    add_note(c, EVFILT_READ, 0);
    ok(none(kq), "%s: nothing was sent", k);
    put(c, "abc");
    ok(next(kq) == 1 && got.ident == (uintptr_t)c && !(got.flags & EV_EOF) && got.data == 0,
       "%s: a datagram that is refused", k);
    ok(recv(c, b, sizeof b, MSG_DONTWAIT) < 0 && errno == ECONNREFUSED, "%s: is an error to read", k);
    ok(none(kq), "%s: once", k);
    close(c);
}

static void sockets(void) {
    struct sockaddr_in a;
    int l = listener(&a), c[3], s;
    add_note(l, EVFILT_READ, 0);
    ok(none(kq), "%s: nobody connects", k);
    for (int i = 0; i < 3; i++) {
        c[i] = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(c[i], (struct sockaddr *)&a, sizeof a) < 0)
            abort();
    }
    ok(next(kq) == 1 && got.data == 3, "%s: 3 connections wait", k);
    s = accept(l, NULL, NULL);
    ok(next(kq) == 1 && got.data == 2, "%s: 2", k);
    close(accept(l, NULL, NULL));
    close(accept(l, NULL, NULL));
    ok(none(kq), "%s: none", k);
    close(l);

    int fresh = socket(AF_INET, SOCK_STREAM, 0);
    add_note(fresh, EVFILT_READ, 0);
    add_note(fresh, EVFILT_WRITE, 0);
    ok(none(kq), "%s: a socket that is not connected", k);
    close(fresh);

    add_note(c[0], EVFILT_READ, 0);
    put(s, "12345678");
    ok(next(kq) == 1 && got.data == 8, "%s: 8 bytes", k);
    struct linger hard = {1, 0};
    setsockopt(s, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(s);
    struct kevent e;
    int r = next(kq);
    while (r == 1 && !(got.flags & EV_EOF))
        r = next(kq);
    ok(r == 1 && got.fflags == ECONNRESET, "%s: reset: EV_EOF with the error", k);
    ok(next(kq) == 1 && got.fflags == ECONNRESET, "%s: said again", k);
    char b[8];
    is(read(c[0], b, sizeof b), 8, "%s: what came before can be read", k);
    ok(read(c[0], b, sizeof b) < 0 && errno == ECONNRESET, "%s: then the error", k);
    for (int i = 0; i < 3; i++)
        close(c[i]);

    int u = socket(AF_INET, SOCK_DGRAM, 0);
    socklen_t size = sizeof a;
    a.sin_port = 0;
    if (bind(u, (struct sockaddr *)&a, size) < 0 || getsockname(u, (struct sockaddr *)&a, &size) < 0)
        abort();
    add_note(u, EVFILT_READ, 0);
    sendto(u, "abcd", 4, 0, (struct sockaddr *)&a, size);
    ok(next(kq) == 1 && got.data == 4, "%s: a datagram", k);
    take(u);
    sendto(u, "", 0, 0, (struct sockaddr *)&a, size);
    ok(next(kq) == 1 && got.data == 0, "%s: an empty one", k);
    take(u);
    ok(none(kq), "%s: none", k);
    close(u);
    (void)e;
}

static void others(void) {
    int v = eventfd(3, EFD_NONBLOCK);
    add_note(v, EVFILT_READ, 0);
    ok(next(kq) == 1 && got.data == 3, "%s: an eventfd's count", k);
    take(v);
    ok(none(kq), "%s: 0", k);
    close(v);

    char name[] = "/tmp/kq_fd.XXXXXX";
    int f = mkstemp(name);
    put(f, "0123456789");
    lseek(f, 4, SEEK_SET);
    add_note(f, EVFILT_READ, 0);
    ok(next(kq) == 1 && got.data == 6, "%s: a file: bytes to its end", k);
    ok(next(kq) == 1, "%s: it stays", k);
    lseek(f, 0, SEEK_END);
    ok(none(kq) && !readable(kq), "%s: at the end", k);
    int other = open(name, O_WRONLY | O_APPEND);
    put(other, "ab");
    ok(next(kq) == 1 && got.data == 2, "%s: somebody appends", k);
    lseek(f, 20, SEEK_SET);
    ok(next(kq) == 1 && got.data == -8, "%s: behind the end", k);
    change(kq, (uintptr_t)f, EVFILT_READ, EV_DELETE, 0, 0);
    add_note(f, EVFILT_WRITE, EV_ONESHOT);
    is(next(kq), 1, "%s: a file can be written", k);
    add_note(f, EVFILT_READ, 0);
    close(f);
    ok(none(kq), "%s: closed", k);
    close(other);
    unlink(name);

    snprintf(name, sizeof name, "/tmp/kq_fd.%d", (int)getpid() % 100000);
    if (mkfifo(name, 0600) < 0)
        abort();
    int r = open(name, O_RDONLY | O_NONBLOCK), w = open(name, O_WRONLY);
    add_note(r, EVFILT_READ, 0);
    put(w, "xyz");
    ok(next(kq) == 1 && got.data == 3, "%s: a FIFO", k);
    take(r);
    close(w);
    ok(next(kq) == 1 && got.flags & EV_EOF, "%s: the last writer has gone", k);
    w = open(name, O_WRONLY);
    ok(none(kq), "%s: another comes", k);
    put(w, "1");
    ok(next(kq) == 1 && got.data == 1 && !(got.flags & EV_EOF), "%s: and writes", k);
    close(r);
    close(w);
    unlink(name);
}

/* The number of a descriptor that was closed is another's: events of the old file are nobody's. */
static void reuse(unsigned flags) {
    int p[2], q[2];
    if (pipe(p) < 0)
        abort();
    int number = p[0], alive = dup(p[0]);
    add_note(number, EVFILT_READ, flags);
    add_note(alive, EVFILT_READ, EV_CLEAR);
    close(number);
    if (pipe(q) < 0 || (q[0] != number && dup2(q[0], number) < 0))
        abort();
    put(q[1], "zz");
    put(p[1], "abc");
    int n = 0;
    for (int i = 0; i < 3; i++) {
        struct kevent e[4];
        struct timespec zero = {0, 0};
        int m = mn_kevent(kq, NULL, 0, e, 4, &zero);
        for (int j = 0; j < m; j++)
            n += e[j].ident == (uintptr_t)number ? 100 : 1;
    }
    is(n, 1, "%s: closed, its file alive, the number reused: one event, of the duplicate", k);
    is(change(kq, (uintptr_t)number, EVFILT_READ, EV_ENABLE, 0, 0), -ENOENT, "%s: the new one has no note", k);
    add_note(number, EVFILT_READ, 0);
    put(q[1], "12");
    ok(next(kq) == 1 && got.ident == (uintptr_t)number && got.data == 4, "%s: until it is given one", k);
    close(alive);
    close(p[1]);
    if (q[0] != number)
        close(q[0]);
    close(number);
    is(change(kq, (uintptr_t)number, EVFILT_READ, EV_DELETE, 0, 0), -EBADF, "%s: closed: EBADF", k);
    close(q[1]);
    ok(none(kq), "%s: nothing is left", k);
}

/* The number goes from a file to another, and back. */
static void back_again(void) {
    int s[2], t[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, s) < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, t) < 0)
        abort();
    int keep = dup(s[0]), right = 1;
    for (int i = 0; i < 3; i++) {
        right &= change(kq, (uintptr_t)s[0], EVFILT_READ, EV_ADD, 0, 0) == 0 &&
                 change(kq, (uintptr_t)s[0], EVFILT_WRITE, EV_ADD, 0, 0) == 0;
        put(s[1], "x");
        right &= next(kq) == 2;
        take(s[0]);
        right &= next(kq) == 1 && got.filter == EVFILT_WRITE;
        dup2(t[0], s[0]);
        put(s[1], "y");
        right &= none(kq) && none(kq);
        right &= change(kq, (uintptr_t)s[0], EVFILT_READ, EV_ENABLE, 0, 0) == -ENOENT;
        right &= change(kq, (uintptr_t)s[0], EVFILT_WRITE, EV_ENABLE, 0, 0) == -ENOENT;
        dup2(keep, s[0]);
        take(s[0]);
    }
    ok(right, "%s: a number that is a file's again", k);
    close(keep);
    for (int i = 0; i < 2; i++) {
        close(s[i]);
        close(t[i]);
    }
    ok(none(kq), "%s: nothing is left", k);
}

/* The number becomes that of a file, which no set takes. */
static void replaced(void) {
    int p[2], null = open("/dev/null", O_RDONLY);
    if (pipe(p) < 0 || null < 0)
        abort();
    add_note(p[0], EVFILT_READ, 0);
    dup2(null, p[0]);
    is(change(kq, (uintptr_t)p[0], EVFILT_READ, EV_DELETE, 0, 0), -ENOENT, "%s: what became a file has no note", k);
    close(null);
    close(p[0]);
    close(p[1]);
}

static void *waits_in(void *arg) {
    struct kevent e;
    return (void *)(intptr_t)mn_kevent(*(int *)arg, NULL, 0, &e, 1, NULL);
}

static void adopted(void) {
    struct runner r;
    int p[2], mine = mn_kqueue();
    if (pipe(p) < 0)
        abort();
    change(mine, (uintptr_t)p[0], EVFILT_READ, EV_ADD, 0, 0);
    start(&r, waits_in, &mine);
    nap_ms(5);
    is(mn_adopt(mine), 0, "%s: a kqueue is adopted while somebody waits in it", k);
    put(p[1], "x");
    is((intptr_t)finish(&r), 1, "%s: who hears of the event", k);
    mn_close(mine);
    close(p[0]);
    close(p[1]);
}

static int one[2], two[2], rounds;

static void *echoes(void *arg) {
    int mine = mn_kqueue();
    (void)arg;
    change(mine, (uintptr_t)one[1], EVFILT_READ, EV_ADD, 0, 0);
    for (int i = 0; i < rounds; i++) {
        struct kevent e;
        if (mn_kevent_until(mine, NULL, 0, &e, 1, after_ms(20000)) != 1 || e.data != 4)
            return "lost";
        take(one[1]);
        put(two[1], "pong");
    }
    mn_close(mine);
    return NULL;
}

static void ping_pong(void) {
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, one) < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, two) < 0)
        abort();
    rounds = (int)(300 * scale());
    struct runner r;
    start(&r, echoes, NULL);
    add_note(two[0], EVFILT_READ, 0);
    int i = 0;
    for (; i < rounds; i++) {
        put(one[0], "ping");
        if (next(kq) != 1 || got.data != 4)
            break;
        take(two[0]);
    }
    ok(finish(&r) == NULL && i == rounds, "%s: %d rounds between two kqueues", k, i);
    for (int j = 0; j < 2; j++) {
        close(one[j]);
        close(two[j]);
    }
}

static void test(void) {
    k = kind_name[kind];
    kq = mn_kqueue();
    pipes();
    edges();
    unix_listener();
    refused();
    refused_datagram();
    sockets();
    others();
    reuse(0);
    reuse(EV_CLEAR);
    reuse(EV_DISPATCH);
    reuse(EV_ONESHOT);
    back_again();
    replaced();
    adopted();
    ping_pong();
    close(kq);
}

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    kinds(test);
    return done();
}
