/* Buffers with a page that is not there: what a call says, and that what it leaves behind is not lost. */
#include "sync.h"

#include <mn/io.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

enum { PAGE = 4096, PART = 100 };
static char *good, *edge; /* a page; the last PART bytes and some of it, before one that cannot be touched */
static const char *k;

static void put(int fd) {
    char b[PART];
    memset(b, 'b', sizeof b);
    if (mn_write(fd, b, sizeof b) != PART)
        abort();
}

static void *put_later(void *arg) {
    nap_ms(5);
    put(*(int *)arg);
    return NULL;
}

static void ends(int from, int to, const char *what) {
    put(to);
    is(mn_read(from, good + PAGE, PART), -EFAULT, "%s: %s: nowhere to put it", k, what);
    is(mn_read(from, good, PAGE), PART, "%s: %s: it is still there, and had at once", k, what);

    /* Two pieces, of which there is room for one: the read ends short, and what is left is no news to
     * anybody. */
    put(to);
    put(to);
    is(mn_read(from, edge, 2 * PART), PART, "%s: %s: the first of two pieces", k, what);
    struct pollfd p = {.fd = from, .events = POLLIN};
    is(mn_poll_until(&p, 1, after_ms(20000)), 1, "%s: %s: poll sees the second", k, what);
    struct mn_case c = {.kind = MN_CASE_READABLE};
    c.fd = from;
    is(mn_select(&c, 1, after_ms(20000)), 0, "%s: %s: select does", k, what);
    is(mn_wait_readable_until(from, after_ms(20000)), 0, "%s: %s: who waits for it does", k, what);
    is(mn_read_until(from, good, PAGE, after_ms(10)), PART,
       "%s: %s: a read has it, at its deadline at the latest", k, what);

    put(to);
    put(to);
    is(mn_read(from, edge, 2 * PART), PART, "%s: %s: again the first of two", k, what);
    struct runner r;
    start(&r, put_later, &to);
    int got = 0;
    while (got < 2 * PART)
        got += (int)mn_read(from, good, PAGE);
    is(got, 2 * PART, "%s: %s: all of it, when more has come", k, what);
    finish(&r);
    mn_close(from);
    mn_close(to);
}

/* What the library looks at itself: the system calls say the same of it. */
static void nowhere(int fd) {
    struct iovec *no_vector = NULL;
    struct pollfd *no_list = NULL;
    struct iovec one = {good, 1};
    struct msghdr *no_message = NULL, no_data = {.msg_iovlen = 1}, long_data = {.msg_iov = &one};
    int *no_pair = NULL;
    long_data.msg_iovlen = (size_t)1 << 40;
    is(mn_readv_until(fd, no_vector, 1, 0), -EFAULT, "%s: readv without a vector", k);
    is(mn_writev(fd, no_vector, 1), -EFAULT, "%s: writev", k);
    is(mn_poll_until(no_list, 1, 0), -EFAULT, "%s: poll without a list", k);
    is(mn_recvmsg_until(fd, no_message, 0, 0), -EFAULT, "%s: recvmsg without a message", k);
    is(mn_recvmsg_until(fd, &no_data, 0, 0), -EFAULT, "%s: one without a vector", k);
    is(mn_recvmsg_until(fd, &long_data, 0, 0), -EMSGSIZE, "%s: one that is too long", k);
    is(mn_sendmsg(fd, no_message, 0), -EFAULT, "%s: sendmsg without a message", k);
    is(mn_sendmsg(fd, &no_data, 0), -EFAULT, "%s: one without a vector", k);
    is(mn_sendmsg(fd, &long_data, 0), -EMSGSIZE, "%s: one that is too long", k);
    is(mn_pipe(no_pair), -EFAULT, "%s: pipe to nowhere", k);
    is(mn_socketpair(AF_UNIX, SOCK_STREAM, 0, no_pair), -EFAULT, "%s: a pair of sockets", k);
}

static void test(void) {
    int p[2];
    k = kind_name[kind];
    if (mn_socketpair(AF_UNIX, SOCK_STREAM, 0, p) < 0)
        abort();
    ends(p[0], p[1], "socket");
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, p) < 0)
        abort();
    ends(p[0], p[1], "socket that is not ours");
    if (mn_socketpair(AF_UNIX, SOCK_STREAM, 0, p) < 0)
        abort();
    put(p[1]);
    is(mn_write(p[0], good + PAGE, 1), -EFAULT, "%s: nothing to write", k);
    is(mn_write(p[0], good, 1), 1, "%s: and then something", k);
    nowhere(p[0]);
    mn_close(p[0]);
    mn_close(p[1]);
}

int main(void) {
    good = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (good == MAP_FAILED || mprotect(good + PAGE, PAGE, PROT_NONE) < 0)
        abort();
    edge = good + PAGE - PART - PART / 2;
    kinds(test);
    return done();
}
