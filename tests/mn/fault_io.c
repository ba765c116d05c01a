/* timeout: 240 */
/*
 * Sockets, pipes and polling when the kernel or memory refuses, or a call is interrupted: the call that fails
 * says so, the same call works the next time, every byte arrives, and no descriptor is left.  A program that
 * uses all of it runs again and again, with the first, second, ... call at each point failing.
 */
#include "mn/fault_child.h"
#include "mn/procfs.h"
#include "sync.h"

#include <mn/io.h>
#include <mn/net.h>
#include <mn/notifier.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int failed;

static int lack(long r) {
    return r == -ENOMEM || r == -EMFILE || r == -ENFILE || r == -ENOBUFS || r == -ENOSPC;
}

/* Must work when nothing is refused any more. */
#define TRY(call) \
    ({ \
        long r_ = (call); \
        for (int i_ = 0; i_ < 3 && lack(r_); i_++) { \
            failed++; \
            r_ = (call); \
        } \
        if (r_ < 0) { \
            printf("# %s:%d: %s: %ld\n", __FILE__, __LINE__, #call, r_); \
            fflush(stdout); \
            _exit(1); \
        } \
        r_; \
    })

enum { BYTES = 300000 };

static void *writes(void *arg) {
    char block[5000];
    for (int i = 0; i < BYTES;) {
        for (int k = 0; k < (int)sizeof block; k++)
            block[k] = (char)((i + k) * 7);
        for (long done = 0; done < (long)sizeof block;)
            done +=
                TRY(mn_write_until(*(int *)arg, block + done, sizeof block - (size_t)done, after_ms(20000)));
        i += (int)sizeof block;
    }
    return NULL;
}

/* Bytes from one to the other, more than both buffers hold. */
static void flow(int from, int to) {
    struct runner r;
    char block[7000];
    start(&r, writes, &from);
    for (int i = 0; i < BYTES;) {
        long n = TRY(mn_read_until(to, block, sizeof block, after_ms(20000)));
        MUST(n > 0);
        for (long k = 0; k < n; k++)
            MUST(block[k] == (char)((i + k) * 7));
        i += (int)n;
    }
    finish(&r);
}

struct accepting {
    int listener, fd;
};

static void *accepts(void *arg) {
    struct accepting *a = arg;
    char hello;
    /* A connection whose dialler could not wait for it is there, too, and says nothing. */
    while (a->fd = (int)TRY(mn_accept_until(a->listener, NULL, NULL, after_ms(20000))),
           TRY(mn_read(a->fd, &hello, 1)) != 1)
        mn_close(a->fd);
    return NULL;
}

static void *later(void *arg) {
    nap_ms(2);
    TRY(mn_write(*(int *)arg, "x", 1));
    return NULL;
}

static int ran;
static void count(void *arg) {
    ran += *(int *)arg;
}

static void *receives(void *arg) {
    char b[8];
    MUST(TRY(mn_recv_until(*(int *)arg, b, sizeof b, 0, after_ms(20000))) == 5);
    return NULL;
}

/* Who waits beside errors that nobody takes waits in another way (mni_fd_plain_change). */
static void beside_errors(void) {
    char where[100], b[8], *port;
    int yes = 1, nobody = (int)TRY(mn_listen_udp("127.0.0.1", "0"));
    struct sockaddr_in to;
    socklen_t size = sizeof to;
    MUST(mn_net_local(nobody, where, sizeof where) >= 0);
    port = strrchr(where, ':') + 1;
    int s[2] = {(int)TRY(mn_dial_udp("127.0.0.1", port)), -1};
    mn_close(nobody);
    MUST((s[1] = dup(s[0])) >= 0 && getsockname(s[0], (struct sockaddr *)&to, &size) == 0);
    MUST(setsockopt(s[0], IPPROTO_IP, IP_RECVERR, &yes, sizeof yes) == 0 && send(s[0], "lost", 4, 0) == 4);
    while (recv(s[0], b, sizeof b, 0) < 0 && errno == EAGAIN)
        nap_ms(1);
    for (int i = 0; i < 2; i++) {
        struct runner r;
        start(&r, receives, &s[i]);
        nap_ms(3);
        int peer = (int)TRY(mn_listen_udp("127.0.0.1", port));
        MUST(sendto(peer, "hello", 5, 0, (struct sockaddr *)&to, size) == 5);
        finish(&r);
        mn_close(peer);
    }
    close(s[1]);
    mn_close(s[0]);
}

static int life(void *arg) {
    int p[2], s[2], one = 1;
    struct runner r;
    char b[8], where[100];
    TRY(mn_pipe(p));
    flow(p[1], p[0]);
    TRY(mn_socketpair(AF_UNIX, SOCK_STREAM, 0, s));
    flow(s[0], s[1]);

    /* One of several, as they become ready. */
    start(&r, later, &p[1]);
    struct pollfd q[6] = {{.fd = p[0], .events = POLLIN},
                          {.fd = s[0], .events = POLLIN},
                          {.fd = s[1], .events = POLLIN},
                          {.fd = -1},
                          {.fd = -1},
                          {.fd = -1}};
    MUST(TRY(mn_poll_until(q, 6, after_ms(20000))) == 1);
    MUST(q[0].revents & POLLIN);
    finish(&r);
    struct mn_case c[2] = {{.kind = MN_CASE_READABLE}, {.kind = MN_CASE_READABLE}};
    c[0].fd = s[0];
    c[1].fd = p[0];
    MUST(TRY(mn_select(c, 2, after_ms(20000))) == 1);
    MUST(TRY(mn_read(p[0], b, 8)) == 1);
    start(&r, later, &s[1]);
    MUST(TRY(mn_select(c, 2, after_ms(20000))) == 0);
    finish(&r);
    MUST(TRY(mn_read(s[0], b, 8)) == 1);
    mn_close(p[0]);
    mn_close(p[1]);
    mn_close(s[0]);
    mn_close(s[1]);

    /* Descriptors that the program has made, its own and given away. */
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0 && pipe(p) == 0);
    flow(s[0], s[1]);
    flow(p[1], p[0]);
    TRY(mn_adopt(s[0]));
    TRY(mn_adopt(p[0]));
    flow(s[0], s[1]);
    flow(p[1], p[0]);
    mn_close(s[0]);
    mn_close(p[0]);
    close(s[1]);
    close(p[1]);

    for (int i = 0; i < 2; i++) {
        struct accepting a;
        char path[64];
        snprintf(path, sizeof path, "/tmp/odonata-fault-io-%d", (int)getpid());
        a.listener = (int)(i ? TRY(mn_listen_unix(path, 0)) : TRY(mn_listen_tcp("127.0.0.1", "0", 0)));
        start(&r, accepts, &a);
        if (!i)
            mn_net_local(a.listener, where, sizeof where);
        int fd = (int)(i ? TRY(mn_dial_unix(path)) : TRY(mn_dial_tcp("127.0.0.1", strrchr(where, ':') + 1)));
        TRY(mn_write(fd, "h", 1));
        finish(&r);
        flow(fd, a.fd);
        flow(a.fd, fd);
        mn_close(fd);
        mn_close(a.fd);
        mn_close(a.listener);
        unlink(path);
    }

    beside_errors();
    struct mn_notifier *n;
    TRY(mn_notifier_create(&n));
    TRY(mn_notifier_post(n, count, &one));
    MUST(mn_notifier_run(n, 0) == 1 && ran == 1);
    mn_notifier_destroy(n);
    return arg != NULL;
}

/* A foreign LWP waits while the runtime starts, and that fails: it goes on as it does without a runtime. */
static int over, reads, turns[2];

static void *writes_on(void *fds) {
    char b;
    while (read(turns[0], &b, 1) == 1)
        if (write(((int *)fds)[1], "x", 1) != 1)
            break;
    return NULL;
}

static void *reads_on(void *fds) {
    char b;
    for (; !get(&over); add(&reads, 1))
        MUST(write(turns[1], "x", 1) == 1 && mn_read(((int *)fds)[0], &b, 1) == 1);
    close(turns[1]);
    return NULL;
}

static int starts_that_fail(void) {
    enum { STARTS = 300 };
    pthread_t reader, writer;
    int fds[2], n = 0;
    /* With more of them a start fails at the same call, and takes longer. */
    setenv("MN_WORKERS", "2", 1);
    MUST(pipe(turns) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    pthread_create(&writer, NULL, writes_on, fds);
    pthread_create(&reader, NULL, reads_on, fds);
    for (int i = 0; i < STARTS; i++)
        if (mn_start(NULL) < 0) {
            n++;
            for (int seen = get(&reads); get(&reads) < seen + 2;)
                sched_yield();
        } else {
            MUST(mn_stop(MN_FOREVER) == 0);
        }
    set(&over, 1);
    pthread_join(reader, NULL);
    pthread_join(writer, NULL);
    printf("%d\n", n);
    return 0;
}

static int child(const char *how) {
    if (*how == 's')
        return starts_that_fail();
    kind = *how == 'g' ? GREEN : FOREIGN;
    long before = count_fds();
    if (kind == FOREIGN)
        life(NULL);
    else
        TRY(mn_run(life, NULL, NULL));
    if (count_fds() != before) {
        printf("# %ld descriptors, not %ld\n", count_fds(), before);
        return 1;
    }
    printf("%d\n", failed);
    return 0;
}

int main(int argc, char **argv) {
    if (argc > 1)
        return child(argv[1]);
    static const char *const points[] = {"malloc:nth",     "mmap:nth",        "socket:nth",  "pipe:nth",
                                         "accept:nth",     "connect:nth",     "bind:nth",    "listen:nth",
                                         "setsockopt:nth", "fcntl:nth",       "eventfd:nth", "epoll:nth",
                                         "epoll_ctl:nth",  "io_nobufs:nth",   "timerfd:nth", "io_eintr:every",
                                         "poll:every",     "epoll_wait:every"};
    bool hung = false;
    char program[300];
    snprintf(program, sizeof program, "%s' s '", argv[0]);
    int starts = run_with_rule(program, "clone:every=3", false, &hung);
    ok(!hung && starts > 0, "a foreign LWP reads during %d starts that fail", starts);
    for (unsigned p = 0; p < sizeof points / sizeof *points; p++)
        for (int green = 0; green < 2; green++) {
            bool every = strstr(points[p], "every") != NULL;
            bool bad = false;
            int hits = 0, misses = 0, n = every ? 2 : 1;
            for (; n <= (every ? 4 : 40) && !bad && misses < 3; n++) {
                char rule[64];
                snprintf(rule, sizeof rule, "%s=%d", points[p], n);
                int hit = run_with_rule(argv[0], rule, green, &bad);
                hits += hit > 0;
                misses = every || hit > 0 ? 0 : misses + 1;
            }
            ok(!bad, "%s, %s: %d runs, the program heard of it in %d", points[p], green ? "green" : "foreign",
               n, hits);
        }
    return done();
}
