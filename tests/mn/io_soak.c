/*
 * An echo server under everything that happens to servers: half-closes, resets, ends in the middle, cancelled
 * threads, no more descriptors, signals, peers that are killed.  Every byte that comes is the one that was sent
 * at that place, an orderly conversation gets all of them, no thread stays, no descriptor is lost.
 */
/* workers: 1 2 64 */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "procfs.h"
#include "random.h"
#include "sync.h"

enum { CLIENTS = 16, KILLED = 3, LONGEST = 60000 };
enum end { ORDERLY, RESET, SHUT_UNDER, SERVER_ENDS, CANCELLED, TIMES_OUT, ENDS };

static int listener, talks, wrong, orderly, served, alive;
static char port[8];
static unsigned long went, came; /* bytes of orderly conversations */

/* The byte at a place of the stream of a conversation. */
static unsigned char byte_at(unsigned id, unsigned long at) {
    return (unsigned char)((at * 31 + at / 997 + id * 101) ^ id >> 3);
}

static void bad(const char *what, long n) {
    if (add(&wrong, 1) <= 5)
        printf("# %s: %ld\n", what, n);
}

/* ---- the server: the first four bytes say after how many it is to end */

static void *serve(void *arg) {
    int fd = (int)(intptr_t)arg;
    char buffer[3000];
    uint32_t limit;
    ssize_t n = mn_read_all(fd, &limit, sizeof limit);
    unsigned long done = 0;
    while (n > 0 && done < limit && (n = mn_read(fd, buffer, sizeof buffer)) > 0) {
        ssize_t w = mn_write_all(fd, buffer, (size_t)n);
        if (w != n)
            break;
        done += (unsigned long)n;
    }
    if (n < 0 && n != -ECONNRESET && n != -EPIPE && n != -ECANCELED)
        bad("the server's error", n);
    mn_close(fd);
    add(&served, 1);
    add(&alive, -1);
    return NULL;
}

static void *accepting(void *arg) {
    (void)arg;
    for (;;) {
        int fd = mn_accept(listener, NULL, NULL);
        if (fd == -EMFILE || fd == -ENFILE) {
            mn_sleep(500000);
            continue;
        }
        if (fd < 0)
            return (void *)(intptr_t)fd;
        add(&alive, 1);
        if (mn_go(NULL, serve, (void *)(intptr_t)fd) < 0)
            abort();
    }
}

/* ---- a client */

static uint32_t below(uint32_t *rnd, size_t n) {
    return n ? random_next(rnd) % (uint32_t)n : 0;
}

struct talk {
    unsigned id;
    int fd;
    enum end end;
    unsigned long size, got;
    ssize_t result;
    int64_t deadline;
};

static void *reads_back(void *arg) {
    struct talk *t = arg;
    unsigned char buffer[2000];
    for (;;) {
        t->result = mn_read_until(t->fd, buffer, 1 + (t->id + t->got) % sizeof buffer, t->deadline);
        if (t->result <= 0)
            return NULL;
        for (ssize_t i = 0; i < t->result; i++, t->got++)
            if (buffer[i] != byte_at(t->id, t->got)) {
                bad("a byte", (long)t->got);
                return NULL;
            }
    }
}

static void conversation(unsigned id, uint32_t *rnd) {
    struct talk t = {.id = id, .end = (enum end)below(rnd, ENDS), .deadline = MN_FOREVER};
    t.fd = mn_dial_tcp("127.0.0.1", port);
    if (t.fd == -EMFILE || t.fd == -ENFILE || t.fd == -EADDRNOTAVAIL) {
        mn_sleep(1000000);
        return;
    }
    if (t.fd < 0) {
        bad("dial", t.fd);
        return;
    }
    t.size = 1 + below(rnd, below(rnd, 4) ? 200 : LONGEST);
    uint32_t limit = t.end == SERVER_ENDS ? below(rnd, (uint32_t)t.size) : UINT32_MAX;
    if (t.end == TIMES_OUT)
        t.deadline = mn_after(below(rnd, 2000000));
    mn_thread reader;
    mn_write_all(t.fd, &limit, sizeof limit);
    if (mn_go(&reader, reads_back, &t) < 0)
        abort();
    unsigned char buffer[5000];
    unsigned long sent = 0;
    while (sent < t.size) {
        size_t n = 1 + below(rnd, sizeof buffer);
        if (n > t.size - sent)
            n = t.size - sent;
        for (size_t i = 0; i < n; i++)
            buffer[i] = byte_at(id, sent + i);
        ssize_t w = mn_write_all_until(t.fd, buffer, n, t.deadline);
        if (w != (ssize_t)n) {
            if (t.end == ORDERLY || t.end == RESET)
                bad("write", w);
            break;
        }
        sent += n;
        if (below(rnd, 8) == 0)
            mn_yield();
    }
    switch (t.end) {
    case ORDERLY:
        shutdown(t.fd, SHUT_WR);
        break;
    case RESET:
    case SHUT_UNDER:
        shutdown(t.fd, SHUT_RDWR); /* not closed while another may be about to use the number */
        break;
    case CANCELLED:
        mn_cancel(reader);
        break;
    default:
        break;
    }
    if (t.end == SERVER_ENDS)
        shutdown(t.fd, SHUT_WR);
    mn_join(reader, NULL);
    if (t.end == RESET) {
        struct linger hard = {1, 0};
        setsockopt(t.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    }
    mn_close(t.fd);
    if (t.got > sent)
        bad("more came than was sent", (long)(t.got - sent));
    static const ssize_t allowed[ENDS][2] = {
        {0}, {-ECONNRESET, 0}, {-ECONNRESET, 0}, {-ECONNRESET, 0}, {-ECANCELED, 0}, {-ETIMEDOUT, 0}};
    if (t.result != allowed[t.end][0] && t.result != allowed[t.end][1])
        bad("the reader's end", t.result * 10 - (long)t.end);
    if (t.end == ORDERLY) {
        if (t.got != t.size)
            bad("bytes are missing", (long)(t.size - t.got));
        __atomic_add_fetch(&went, t.size, __ATOMIC_RELAXED);
        __atomic_add_fetch(&came, t.got, __ATOMIC_RELAXED);
        add(&orderly, 1);
    }
}

static int stop;

static void *client(void *arg) {
    uint32_t rnd = (uint32_t)(uintptr_t)arg * 77777 + 12345;
    while (!get(&stop))
        conversation((unsigned)add(&talks, 1), &rnd);
    return NULL;
}

/* ---- what else goes on */

static void *takes_descriptors(void *arg) {
    (void)arg;
    while (!get(&stop)) {
        int fds[2000], n = 0;
        while (n < 2000 && (fds[n] = dup(0)) >= 0)
            n++;
        mn_sleep(1000000);
        while (n > 0)
            close(fds[--n]);
        mn_sleep(20000000);
    }
    return NULL;
}

static void *signals(void *arg) {
    (void)arg;
    while (!get(&stop)) {
        kill(getpid(), SIGUSR1);
        mn_sleep(3000000);
    }
    return NULL;
}

static void nothing(int s) {
    (void)s;
}

/* A process that connects and sends until it is killed.  Made before there are threads. */
static pid_t children[KILLED];
static int to_child[2];

static void child(void) {
    int number;
    if (read(to_child[0], &number, sizeof number) != sizeof number)
        _exit(1);
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)number)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    static char block[8192];
    memset(block, 0xff, sizeof block);
    if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
        while (write(fd, block, sizeof block) > 0)
            continue;
    pause();
    _exit(0);
}

/* The runtime reads files of its own now and then. */
static long least_fds(void) {
    long least = count_fds();
    for (int i = 0; i < 20; i++) {
        mn_sleep(1000000);
        long n = count_fds();
        least = n < least ? n : least;
    }
    return least;
}

static int run(void *arg) {
    (void)arg;
    long fds = least_fds();
    char text[64];
    listener = mn_listen_tcp("127.0.0.1", "0", 0);
    mn_net_local(listener, text, sizeof text);
    strcpy(port, strchr(text, ':') + 1);
    mn_thread acceptor, threads[CLIENTS + 2];
    mn_go(&acceptor, accepting, NULL);
    for (uintptr_t i = 0; i < CLIENTS; i++)
        mn_go(&threads[i], client, (void *)i);
    mn_go(&threads[CLIENTS], takes_descriptors, NULL);
    mn_go(&threads[CLIENTS + 1], signals, NULL);
    int number = atoi(port);
    for (int i = 0; i < KILLED; i++) {
        if (write(to_child[1], &number, sizeof number) != sizeof number)
            abort();
        mn_sleep((int64_t)(100e6 * scale()));
        kill(children[i], SIGKILL);
    }
    set(&stop, 1);
    for (int i = 0; i < CLIENTS + 2; i++)
        mn_join(threads[i], NULL);
    int64_t deadline = mn_after(20000000000);
    while (get(&alive) > 0 && mn_now() < deadline)
        mn_sleep(1000000);
    is(get(&alive), 0, "all threads of the server have ended");
    void *result;
    mn_close(listener);
    mn_join(acceptor, &result);
    is((intptr_t)result, -EBADF, "the last when its listener was closed");
    is(get(&wrong), 0, "nothing went wrong");
    ok(went == came && get(&orderly) > 0, "all %lu bytes of %d orderly conversations came back, of %d", came,
       orderly, talks);
    for (int i = 0; i < 2000 && mn_threads() > 1; i++)
        mn_sleep(1000000);
    is((long)mn_threads(), 1, "no thread is left");
    long more = least_fds() - fds;
    ok(more == 2 || more == 3, "nor a descriptor, but the runtime's %ld", more);
    return 0;
}

int main(void) {
    struct rlimit limit = {400, 400};
    setrlimit(RLIMIT_NOFILE, &limit);
    struct sigaction sa = {.sa_handler = nothing};
    sigaction(SIGUSR1, &sa, NULL);
    if (pipe(to_child) < 0)
        return 1;
    for (int i = 0; i < KILLED; i++)
        if ((children[i] = fork()) == 0)
            child();
    long fds = count_fds();
    is(mn_run(run, NULL, NULL), 0, "it runs");
    for (int i = 0; i < KILLED; i++) {
        kill(children[i], SIGKILL);
        waitpid(children[i], NULL, 0);
    }
    is(count_fds(), fds, "no descriptor is left in the end");
    return done();
}
