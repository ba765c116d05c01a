/*
 * A deadline that has passed: the call is made once, whatever was known of the descriptor.  A thread that only
 * tries, and never waits, would otherwise never hear that there is something: nobody looks for events while
 * nobody waits.  Nor would one that cannot wait.
 */
#include <errno.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "sync.h"

static char block[65536];

static void reads(int fds[2], const char *name) {
    char byte;
    ok(mn_read_until(fds[0], &byte, 1, 0) == -ETIMEDOUT && mn_read_until(fds[0], &byte, 1, 0) == -ETIMEDOUT,
       "%s: nothing to read", name);
    ok(write(fds[1], "x", 1) == 1 && mn_read_until(fds[0], &byte, 1, 0) == 1 && byte == 'x',
       "%s: a byte that has come", name);
    ok(mn_read_until(fds[0], &byte, 1, after_ms(1)) == -ETIMEDOUT, "%s: a deadline that is to come", name);
    ok(write(fds[1], "yz", 2) == 2 && mn_read_until(fds[0], block, 9, 0) == 2,
       "%s: a short read, and it is in the set", name);
    ok(mn_read_until(fds[0], &byte, 1, 0) == -ETIMEDOUT, "%s: nothing is left", name);
}

static void writes(int fds[2], const char *name) {
    ssize_t n;
    while ((n = mn_write_until(fds[1], block, sizeof block, 0)) > 0)
        continue;
    ok(n == -ETIMEDOUT && mn_write_until(fds[1], block, sizeof block, 0) == -ETIMEDOUT, "%s: it is full", name);
    while (recv(fds[0], block, sizeof block, MSG_DONTWAIT) > 0)
        continue;
    ok(mn_write_until(fds[1], "x", 1, 0) == 1, "%s: there is room again", name);
}

static void accepts(void) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof a;
    int listener = mn_socket(AF_INET, SOCK_STREAM, 0), c = socket(AF_INET, SOCK_STREAM, 0), s;
    if (bind(listener, (struct sockaddr *)&a, sizeof a) || listen(listener, 5) ||
        getsockname(listener, (struct sockaddr *)&a, &length))
        abort();
    ok(mn_accept_until(listener, NULL, NULL, 0) == -ETIMEDOUT, "nobody to accept");
    if (connect(c, (struct sockaddr *)&a, sizeof a))
        abort();
    ok((s = mn_accept_until(listener, NULL, NULL, 0)) >= 0, "somebody");
    mn_close(s);
    close(c);
    mn_close(listener);
}

/* No descriptor is left for the set of descriptors to wait for, which the first wait makes: each call says so,
 * but asks the kernel first. */
static void no_set(void) {
    int fds[2];
    if (mn_socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
        abort();
    struct rlimit old, none;
    getrlimit(RLIMIT_NOFILE, &old);
    none = old;
    none.rlim_cur = 0;
    setrlimit(RLIMIT_NOFILE, &none);
    char byte;
    ok(mn_read(fds[0], &byte, 1) == -EMFILE && mn_read(fds[0], &byte, 1) == -EMFILE, "nothing to wait by");
    ok(write(fds[1], "x", 1) == 1 && mn_read(fds[0], &byte, 1) == 1 && byte == 'x', "what has come is read");
    setrlimit(RLIMIT_NOFILE, &old);
    mn_close(fds[0]);
    mn_close(fds[1]);
}

static void all(const char *name) {
    int fds[2];
    if (mn_socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
        abort();
    reads(fds, name);
    writes(fds, name);
    mn_close(fds[0]);
    mn_close(fds[1]);
}

static void *foreign(void *arg) {
    (void)arg;
    all("foreign");
    return NULL;
}

static int run(void *arg) {
    (void)arg;
    no_set();
    all("green");
    accepts();
    pthread_t t;
    if (pthread_create(&t, NULL, foreign, NULL))
        abort();
    pthread_join(t, NULL);
    return 0;
}

int main(void) {
    ok(mn_run(run, NULL, NULL) == 0, "mn_run");
    return done();
}
