/*
 * load: requests to an echo server, and what they cost it.
 *
 *     load --name NAME [--connections N] [--flight N] [--idle N] [--seconds S] -- SERVER [ARGUMENT ...]
 *
 * Starts the server (echo.h), opens --connections TCP connections over loopback, and keeps --flight requests of
 * 64 bytes on their way, each on the connection that has rested longest: a closed loop.  It stays on the first
 * CPU that it may use, the server is expected to stay on another one, and it never sleeps while it measures: so
 * no server pays for waking it.
 *
 * NAME      requests per CPU second of the server: its process's clock, user and system time of all its threads, which is
 *           what a request costs, however long the server waited in between.  Also: latency of requests from before the
 *           send to after the receive, seen here; requests a second by the wall; how busy the server was.
 * NAME_p99  the latency that 99 of 100 requests stay below, in us.
 *
 * With --idle, that many more connections are opened after a first measurement; each has sent one request, and
 * rests.  NAME is then the second measurement, and
 * NAME_memory  what the server's memory (resident size and page tables) grew by, bytes an idle connection
 * NAME_kept    the second figure / the first
 *
 * Verified: every byte of every reply, which is different for each request; every request is answered, once, the
 * slowest within the time that max_us says; idle connections are still served at the end.
 */
#include "echo.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 512, WORDS = ECHO_REQUEST / 8, PER_SOURCE = 20000 };

struct connection {
    int fd;
    uint32_t index;
    uint32_t got;
    uint64_t sequence;
    uint64_t sent_at; /* ns */
    struct connection *next;
};

/* ---- the server */

static pid_t server;
static clockid_t server_clock;
static int server_port;
static char server_words[512]; /* function=... model=... */

static void read_hello(int fd) {
    char line[600];
    size_t n = 0;
    struct pollfd p = {fd, POLLIN, 0};
    while (n < sizeof line - 1 && (n == 0 || line[n - 1] != '\n')) {
        verify(poll(&p, 1, 20000) > 0, "the server says nothing");
        verify(read(fd, line + n, 1) == 1, "the server ended");
        n++;
    }
    line[n] = 0;
    verify(sscanf(line, "%d %500[^\n]", &server_port, server_words) == 2, "the server said: %s", line);
}

static void kill_server(void) {
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
}

static void start_server(char **argv) {
    int to[2];
    must(pipe(to));
    pid_t me = getpid();
    server = fork();
    verify(server >= 0, "fork: %s", strerror(errno));
    if (server == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != me)
            _exit(1);
        dup2(to[1], 1);
        close(to[0]);
        close(to[1]);
        execvp(argv[0], argv);
        bench_fail("%s: %s", argv[0], strerror(errno));
    }
    close(to[1]);
    read_hello(to[0]);
    must(clock_getcpuclockid(server, &server_clock));
}

static uint64_t server_cpu(void) {
    struct timespec ts;
    verify(waitpid(server, NULL, WNOHANG) == 0, "the server ended");
    verify(clock_gettime(server_clock, &ts) == 0, "the server's clock: %s", strerror(errno));
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* ---- latencies: 64 steps to each power of two */

enum { STEPS = 64, POWERS = 40 };
static uint64_t histogram[POWERS * STEPS];
static uint64_t slowest;

static void note_latency(uint64_t ns) {
    unsigned power = ns < STEPS ? 0 : 63 - (unsigned)__builtin_clzl(ns) - 5;
    unsigned at = power == 0 ? (unsigned)ns : power * STEPS + (unsigned)((ns >> (power - 1)) - STEPS);
    histogram[at < POWERS * STEPS ? at : POWERS * STEPS - 1]++;
    slowest = ns > slowest ? ns : slowest;
}

/* The upper end of the step that has it, in us. */
static double latency(double part) {
    uint64_t all = 0, seen = 0;
    for (int i = 0; i < POWERS * STEPS; i++)
        all += histogram[i];
    for (int i = 0; i < POWERS * STEPS; i++) {
        seen += histogram[i];
        if ((double)seen >= part * (double)all) {
            unsigned power = (unsigned)i / STEPS, rest = (unsigned)i % STEPS;
            return (power == 0 ? rest + 1.0 : (double)((uint64_t)(STEPS + rest + 1) << (power - 1))) / 1000;
        }
    }
    return 0;
}

/* ---- requests */

static int set;
/* Those that have no request on its way, longest first. */
static struct connection *rests, **rests_end = &rests;
static uint64_t answered, on_their_way;

static void fill(const struct connection *c, uint64_t *to) {
    uint64_t x = ((uint64_t)c->index << 40) + c->sequence;
    for (int i = 0; i < WORDS; i++) {
        x = x * 6364136223846793005ul + 1442695040888963407ul;
        to[i] = x;
    }
}

static void rest(struct connection *c) {
    c->next = NULL;
    *rests_end = c;
    rests_end = &c->next;
}

static void ask(struct connection *c) {
    uint64_t data[WORDS];
    c->sequence++;
    c->got = 0;
    fill(c, data);
    on_their_way++;
    c->sent_at = bench_now();
    ssize_t n = send(c->fd, data, sizeof data, MSG_NOSIGNAL);
    verify(n == sizeof data, "send: %zd, %s", n, strerror(errno));
}

static void ask_next(void) {
    struct connection *c = rests;
    rests = c->next;
    if (!rests)
        rests_end = &rests;
    ask(c);
}

/* Whether the whole answer is there; then the connection rests. */
static int hear(struct connection *c, int timed) {
    char got[ECHO_REQUEST + 1];
    uint64_t wanted[WORDS];
    ssize_t n = recv(c->fd, got, sizeof got - c->got, 0);
    if (n < 0 && errno == EAGAIN)
        return 0;
    verify(n > 0, "connection %u: %s", c->index, n == 0 ? "the server closed it" : strerror(errno));
    verify(c->got + (size_t)n <= ECHO_REQUEST, "connection %u: more came back than was sent", c->index);
    fill(c, wanted);
    verify(memcmp(got, (char *)wanted + c->got, (size_t)n) == 0, "connection %u: other bytes came back",
           c->index);
    c->got += (uint32_t)n;
    if (c->got < ECHO_REQUEST)
        return 0;
    if (timed)
        note_latency(bench_now() - c->sent_at);
    answered++;
    on_their_way--;
    rest(c);
    return 1;
}

/* One look at what has come.  With refill, a new request for each answer. */
static void turn(int timed, int refill) {
    struct epoll_event events[EVENTS];
    int n = epoll_wait(set, events, EVENTS, 0);
    verify(n >= 0 || errno == EINTR, "epoll_wait: %s", strerror(errno));
    for (int i = 0; i < n; i++)
        if (hear(events[i].data.ptr, timed) && refill)
            ask_next();
    if (n <= 0)
        bench_work(500); /* under a microsecond: the server's CPU writes to what epoll_wait looks at */
}

static void finish(void) {
    for (uint64_t until = bench_now() + 10000000000u; on_their_way > 0;) {
        turn(0, 0);
        verify(bench_now() < until, "%lu requests are not answered", (unsigned long)on_their_way);
    }
}

/* An answer that nobody asked for would come now. */
static void listen_on(void) {
    for (uint64_t until = bench_now() + 5000000; bench_now() < until;)
        turn(0, 0);
}

/* ---- connections */

static struct connection *connect_one(uint32_t index) {
    struct connection *c = malloc(sizeof *c);
    verify(c != NULL, "out of memory");
    *c = (struct connection){.index = index};
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    verify(c->fd >= 0, "socket: %s", strerror(errno));
    /* An address has some 28,000 ports: loopback has more of them. */
    struct sockaddr_in from = {.sin_family = AF_INET};
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + index / PER_SOURCE);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)server_port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int on = 1;
    struct linger reset = {1, 0}; /* no ports that rest for a minute */
    verify(setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) == 0 &&
               setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
               setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset) == 0,
           "setsockopt: %s", strerror(errno));
    verify(bind(c->fd, (struct sockaddr *)&from, sizeof from) == 0, "bind: %s", strerror(errno));
    verify(connect(c->fd, (struct sockaddr *)&to, sizeof to) == 0, "connect: %s", strerror(errno));
    verify(fcntl(c->fd, F_SETFL, O_NONBLOCK) == 0, "fcntl: %s", strerror(errno));
    struct epoll_event e = {EPOLLIN | EPOLLET, {.ptr = c}};
    verify(epoll_ctl(set, EPOLL_CTL_ADD, c->fd, &e) == 0, "epoll_ctl: %s", strerror(errno));
    return c;
}

/* Opens n connections; each has a request answered.  Few at a time: the server's backlog is bounded. */
static struct connection **connect_all(uint32_t first, uint32_t n) {
    enum { BATCH = 256 };
    struct connection **all = calloc(n, sizeof(void *));
    verify(all != NULL || n == 0, "out of memory");
    for (uint32_t i = 0; i < n; i++) {
        all[i] = connect_one(first + i);
        ask(all[i]);
        if (i % BATCH == BATCH - 1)
            finish();
    }
    finish();
    return all;
}

/* Those that rest are exactly these, in an order that is not that of their making. */
static void all_rest(struct connection **all, uint32_t n) {
    unsigned long x = 1;
    rests = NULL;
    rests_end = &rests;
    for (uint32_t i = n - 1; i > 0; i--) {
        x = x * 6364136223846793005ul + 1442695040888963407ul;
        uint32_t k = (uint32_t)((x >> 33) % (i + 1));
        struct connection *swap = all[i];
        all[i] = all[k];
        all[k] = swap;
    }
    for (uint32_t i = 0; i < n; i++)
        rest(all[i]);
}

/* ---- a measurement */

struct measured {
    double per_cpu_second, per_second, busy;
};

static void run_until(uint64_t when, int timed) {
    while (bench_now() < when)
        turn(timed, 1);
}

static struct measured measure(double seconds, uint32_t flight) {
    memset(histogram, 0, sizeof histogram);
    slowest = 0;
    for (uint32_t i = 0; i < flight; i++)
        ask_next();
    double warm = seconds / 5 < 0.05 ? 0.05 : seconds / 5;
    run_until(bench_now() + (uint64_t)(warm * 1e9), 0);
    uint64_t from = bench_now(), cpu = server_cpu(), done = answered;
    run_until(from + (uint64_t)(seconds * 1e9), 1);
    uint64_t now = bench_now();
    cpu = server_cpu() - cpu;
    done = answered - done;
    verify(done > 0 && cpu > 0, "nothing was answered in %.3f s", (double)(now - from) / 1e9);
    finish();
    listen_on();
    return (struct measured){(double)done * 1e9 / (double)cpu, (double)done * 1e9 / (double)(now - from),
                             (double)cpu / (double)(now - from)};
}

static void print(const char *name, const char *what, double figure, const char *unit, const char *more) {
    printf("%s%s %.*f %s %s%s%s\n", name, what, figure < 100 ? 3 : 1, figure, unit, more, *more ? " " : "",
           server_words);
}

static void stay_on_first_cpu(void) {
    cpu_set_t may, one;
    must(sched_getaffinity(0, sizeof may, &may));
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &may)) {
            CPU_SET(i, &one);
            break;
        }
    must(sched_setaffinity(0, sizeof one, &one));
}

static void raise_limit(uint32_t connections) {
    struct rlimit r;
    must(getrlimit(RLIMIT_NOFILE, &r));
    r.rlim_cur = r.rlim_max;
    must(setrlimit(RLIMIT_NOFILE, &r));
    verify(r.rlim_max >= connections + 64, "%u connections: the limit of descriptors is %lu", connections,
           (unsigned long)r.rlim_max);
}

int main(int argc, char **argv) {
    int options = 1;
    while (options < argc && strcmp(argv[options], "--") != 0)
        options++;
    verify(options + 1 < argc, "which server?");
    bench_init(options, argv, "epoll_wait");
    double seconds = bench_seconds();
    uint32_t active = (uint32_t)bench_number("--connections", 1000);
    uint32_t flight = (uint32_t)bench_number("--flight", 64);
    uint32_t idle = (uint32_t)bench_number("--idle", 0);
    const char *name = bench_text("--name", "echo");
    bench_options_end();
    verify(active > 0 && flight > 0 && flight <= active, "--flight: up to --connections");
    raise_limit(active + idle);
    start_server(argv + options + 1);
    atexit(kill_server);
    stay_on_first_cpu();
    set = epoll_create1(EPOLL_CLOEXEC);
    verify(set >= 0, "epoll_create1: %s", strerror(errno));

    struct connection **all = connect_all(0, active);
    all_rest(all, active);
    struct measured m = measure(seconds, flight);
    double kept = 0, memory = 0;
    if (idle > 0) {
        memory = bench_resident(server);
        struct connection **others = connect_all(active, idle);
        memory = (bench_resident(server) - memory) / idle;
        all_rest(all, active);
        kept = m.per_cpu_second;
        m = measure(seconds, flight);
        kept = m.per_cpu_second / kept;
        for (uint32_t i = 0; i < idle; i++) {
            ask(others[i]);
            if (i % 256 == 255)
                finish();
        }
        finish();
    }
    char more[200];
    snprintf(more, sizeof more,
             "connections=%u idle=%u flight=%u p50_us=%.1f p999_us=%.1f max_us=%.1f wall=%.0f busy=%.2f",
             active, idle, flight, latency(0.5), latency(0.999), (double)slowest / 1000, m.per_second, m.busy);
    print(name, "", m.per_cpu_second, "req/s", more);
    print(name, "_p99", latency(0.99), "us", "");
    if (idle > 0) {
        print(name, "_memory", memory, "B", "");
        print(name, "_kept", kept, "x", "");
    }
    return 0;
}
