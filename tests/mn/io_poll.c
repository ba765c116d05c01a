/* mn_poll, mn_select_fds, waiting without reading. */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "sync.h"

static int a[2], b[2], begun, woken, result;
static bool ours;

static void make(void) {
    int r = ours ? mn_socketpair(AF_UNIX, SOCK_STREAM, 0, a) | mn_socketpair(AF_UNIX, SOCK_STREAM, 0, b)
                 : socketpair(AF_UNIX, SOCK_STREAM, 0, a) | socketpair(AF_UNIX, SOCK_STREAM, 0, b);
    if (r < 0)
        abort();
    begun = woken = 0;
}

static void unmake(void) {
    mn_close(a[0]);
    mn_close(a[1]);
    mn_close(b[0]);
    mn_close(b[1]);
}

static struct pollfd polled[6];

static void *polls(void *arg) {
    (void)arg;
    struct pollfd p[6] = {{a[0], POLLIN, 0}, {b[0], POLLIN, 0},  {-1, POLLIN, 0},
                          {a[1], POLLIN, 0}, {b[1], POLLPRI, 0}, {b[1], 0, 0}};
    add(&begun, 1);
    int r = mn_poll(p, 6);
    if (add(&woken, 1) == 1) {
        memcpy(polled, p, sizeof p);
        set(&result, r);
    }
    return NULL;
}

static void *polls_both(void *arg) {
    (void)arg;
    struct pollfd p = {a[0], POLLIN | POLLOUT, 0};
    add(&begun, 1);
    set(&result, mn_poll(&p, 1) == 1 ? p.revents : -1);
    return NULL;
}

static void *waits(void *arg) {
    (void)arg;
    add(&begun, 1);
    set(&result, mn_wait_readable(a[0]));
    add(&woken, 1);
    return NULL;
}

static void *selects(void *arg) {
    (void)arg;
    fd_set r, w;
    FD_ZERO(&r);
    FD_ZERO(&w);
    FD_SET(a[0], &r);
    FD_SET(b[0], &r);
    add(&begun, 1);
    int n = mn_select_fds((a[0] > b[0] ? a[0] : b[0]) + 1, &r, &w, NULL);
    set(&result, n == 1 && FD_ISSET(b[0], &r) && !FD_ISSET(a[0], &r));
    return NULL;
}

static void fill(int fd) {
    static char block[65536];
    while (mn_write_until(fd, block, sizeof block, 1) > 0)
        continue;
}

static void test_with(void) {
    const char *k = kind_name[kind], *o = ours ? "ours" : "foreign";
    struct runner r[4];
    make();
    struct pollfd p[2] = {{a[0], POLLIN, 0}, {b[0], POLLIN | POLLOUT, 0}};
    is(mn_poll_until(p, 1, 1), -ETIMEDOUT, "%s, %s: nothing, and no time", k, o);
    int64_t deadline = after_ms(4);
    is(mn_poll_until(p, 1, deadline), -ETIMEDOUT, "%s, %s: nothing for a while", k, o);
    ok(late(deadline), "%s, %s: which passed", k, o);
    is(mn_poll(p, 2), 1, "%s, %s: one can be written", k, o);
    is(p[1].revents, POLLOUT, "%s, %s: that one", k, o);
    deadline = after_ms(4);
    is(mn_poll_until(NULL, 0, deadline), -ETIMEDOUT, "%s, %s: no descriptors at all", k, o);
    ok(late(deadline), "%s, %s: are waited for all the same", k, o);
    for (int i = 0; i < 4; i++)
        start(&r[i], polls, NULL);
    until(&begun, 4);
    nap_ms(3);
    is(get(&woken), 0, "%s, %s: several poll six", k, o);
    mn_write(b[1], "x", 1);
    for (int i = 0; i < 4; i++)
        finish(&r[i]);
    ok(result == 1 && polled[1].revents == POLLIN && polled[0].revents == 0, "%s, %s: one event wakes them all",
       k, o);
    is(get(&woken), 4, "%s, %s: all four", k, o);
    begun = 0;
    start(&r[0], selects, NULL);
    finish(&r[0]);
    is(result, 1, "%s, %s: select finds it", k, o);
    unmake();

    make();
    start(&r[0], selects, NULL);
    until(&begun, 1);
    nap_ms(2);
    mn_close(b[1]);
    finish(&r[0]);
    is(result, 1, "%s, %s: select sees the end", k, o);
    b[1] = -1;
    unmake();

    make();
    fill(a[0]);
    start(&r[0], polls_both, NULL);
    until(&begun, 1);
    nap_ms(2);
    mn_write(a[1], "x", 1);
    finish(&r[0]);
    is(result, POLLIN, "%s, %s: two directions, one comes", k, o);
    char c;
    mn_read(a[0], &c, 1);
    begun = 0;
    start(&r[0], polls_both, NULL);
    until(&begun, 1);
    nap_ms(2);
    static char block[65536];
    while (mn_read_until(a[1], block, sizeof block, 1) > 0)
        continue;
    finish(&r[0]);
    is(result, POLLOUT, "%s, %s: then the other", k, o);
    unmake();

    make();
    for (int i = 0; i < 4; i++)
        start(&r[i], waits, NULL);
    until(&begun, 4);
    nap_ms(2);
    mn_write(a[1], "x", 1);
    for (int i = 0; i < 4; i++)
        finish(&r[i]);
    is(get(&woken), 4, "%s, %s: all who wait for it learn that it is readable", k, o);
    is(mn_wait_readable_until(a[0], 1), 0, "%s, %s: it still is", k, o);
    mn_read(a[0], &c, 1);
    is(mn_wait_readable_until(a[0], after_ms(2)), -ETIMEDOUT, "%s, %s: it no longer is", k, o);
    is(mn_wait_writable(a[0]), 0, "%s, %s: it is writable", k, o);
    unmake();

    if (kind == FOREIGN)
        return;
    make();
    start(&r[0], polls, NULL);
    until(&begun, 1);
    nap_ms(3);
    mn_close(a[0]);
    finish(&r[0]);
    ok(result >= 1, "%s, %s: closed meanwhile", k, o);
    is(polled[0].revents, POLLNVAL, "%s, %s: as poll(2) would say", k, o);
    a[0] = -1;
    unmake();
    make();
    start(&r[0], waits, NULL);
    until(&begun, 1);
    nap_ms(3);
    mn_close(a[0]);
    finish(&r[0]);
    is(result, -EBADF, "%s, %s: closed under one who waits", k, o);
    a[0] = -1;
    unmake();
    make();
    begun = 0;
    cancel_in(polls, NULL, &begun);
    is(result, -ECANCELED, "%s, %s: mn_poll is cancelled", k, o);
    begun = 0;
    cancel_in(waits, NULL, &begun);
    is(result, -ECANCELED, "%s, %s: mn_wait_readable is cancelled", k, o);
    unmake();
}

/* A file is always ready, for what is not asked; poll(2) then waits for the others. */
static void beside_files(void) {
    const char *k = kind_name[kind];
    int file = open("/proc/self/stat", O_RDONLY), null = open("/dev/null", O_WRONLY);
    ours = true;
    make();
    struct pollfd p[3] = {{file, 0, 0}, {null, POLLPRI, 0}, {a[0], POLLIN, 0}};
    is(mn_poll_until(p, 3, after_ms(3)), -ETIMEDOUT, "%s: files of which nothing is asked", k);
    mn_write(a[1], "x", 1);
    is(mn_poll(p, 3), 1, "%s: do not hide the others", k);
    is(p[2].revents, POLLIN, "%s: which are ready", k);
    fd_set e;
    FD_ZERO(&e);
    FD_SET(file, &e);
    is(mn_select_fds_until(file + 1, NULL, NULL, &e, after_ms(2)), -ETIMEDOUT, "%s: nor has a file an exception", k);
    close(null);
    close(file);
    unmake();
}

/* poll(2) says of an end or an error what nobody asked for; select(2) does not. */
static void unasked(void) {
    const char *k = kind_name[kind];
    fd_set w, e;
    ours = true;
    make();
    mn_close(a[1]);
    FD_ZERO(&e);
    FD_SET(a[0], &e);
    is(mn_select_fds_until(a[0] + 1, NULL, NULL, &e, after_ms(2)), -ETIMEDOUT, "%s: an end is no exception", k);
    ok(FD_ISSET(a[0], &e), "%s: and leaves the sets as they are", k);
    mn_write(b[1], "x", 1);
    FD_SET(b[0], &e);
    FD_ZERO(&w);
    FD_SET(b[0], &w);
    is(mn_select_fds(FD_SETSIZE, NULL, &w, &e), 1, "%s: nor does it hide the others", k);
    ok(FD_ISSET(b[0], &w) && !FD_ISSET(a[0], &e) && !FD_ISSET(b[0], &e), "%s: which are in their sets", k);
    a[1] = -1;
    unmake();
}

static void test(void) {
    beside_files();
    unasked();
    for (int i = 0; i < 2; i++) {
        ours = i == 0;
        test_with();
    }
    struct pollfd p = {12345, POLLIN, 0};
    is(mn_poll(&p, 1), 1, "%s: a descriptor that is not open", kind_name[kind]);
    is(p.revents, POLLNVAL, "%s: POLLNVAL", kind_name[kind]);
    is(mn_wait_readable(-3), -EBADF, "%s: a negative one", kind_name[kind]);
}

int main(void) {
    kinds(test);
    return done();
}
