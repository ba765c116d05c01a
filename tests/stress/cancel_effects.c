/* models: 1to1 */
/*
 * Threads cancelled at random moments, in calls that have effects: every byte that left the pipe was returned
 * to a reader, every descriptor that was opened or accepted was returned, every message, every semaphore's
 * unit.  (The libc of 2.36 loses some of each.)  And no request is lost: each thread ends.
 */
#include <semaphore.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "../conformance/cancel.h"

enum { ROUNDS = 1500 };

static int data[2];
static volatile long bytes_read, units_taken, accepted;
static volatile int listener;
static sem_t sem;

/* Each body counts what the call gave it before it can reach another point. */
static void *reads(void *arg) {
    for (;;) {
        char c[3];
        ssize_t n = read(data[0], c, sizeof c);
        if (n > 0)
            __atomic_add_fetch(&bytes_read, n, __ATOMIC_RELAXED);
    }
    return arg;
}

static void *polls_and_reads(void *arg) {
    for (;;) {
        fd_set set;
        FD_ZERO(&set);
        FD_SET(data[0], &set);
        char c;
        if (select(data[0] + 1, &set, NULL, NULL, NULL) == 1 && read(data[0], &c, 1) == 1)
            __atomic_add_fetch(&bytes_read, 1, __ATOMIC_RELAXED);
    }
    return arg;
}

static void *takes(void *arg) {
    for (;;)
        if (sem_wait(&sem) == 0)
            __atomic_add_fetch(&units_taken, 1, __ATOMIC_RELAXED);
    return arg;
}

/* close is a point too: it is called where a request is not acted on. */
static void close_for_certain(int fd) {
    int state;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    close(fd);
    pthread_setcancelstate(state, NULL);
}

static void *opens(void *arg) {
    for (;;) {
        int fd = open("/dev/null", O_RDONLY);
        if (fd >= 0)
            close_for_certain(fd);
    }
    return arg;
}

static void *accepts(void *arg) {
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd >= 0) {
            __atomic_add_fetch(&accepted, 1, __ATOMIC_RELAXED);
            close_for_certain(fd);
        }
    }
    return arg;
}

static int count_fds(void) {
    int n = 0;
    for (int fd = 0; fd < 1000; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static uint32_t seed = 12345;
static uint32_t rnd(void) {
    seed = seed * 1664525 + 1013904223;
    return seed >> 10;
}

/* A moment of 0 to about 60 us, often very short. */
static void moment(void) {
    uint32_t n = rnd() % 4 ? rnd() % 2000 : rnd() % 60000;
    for (volatile uint32_t i = 0; i < n; i++)
        ;
}

/* Starts the body, feeds it, cancels it; 0 if it does not end. */
static int rounds(const char *name, void *(*body)(void *), void (*feed)(void)) {
    int n = (int)(ROUNDS * scale());
    for (int i = 0; i < n; i++) {
        pthread_t t;
        void *result = NULL;
        if (pthread_create(&t, NULL, body, NULL))
            return ok(0, "%s: create", name);
        int feeds = (int)(rnd() % 8);
        for (int f = 0; f < feeds; f++) {
            if (feed)
                feed();
            moment();
        }
        pthread_cancel(t);
        if (feed && rnd() % 2)
            feed();
        if (join_soon(t, &result))
            return ok(0, "%s: a request was lost (round %d)", name, i);
        if (result != PTHREAD_CANCELED)
            return ok(0, "%s: result", name);
    }
    return ok(1, "%s: every request was acted on", name);
}

static long bytes_written, units_given, connected;

static void feed_pipe(void) {
    int n = 1 + (int)(rnd() % 4);
    if (write(data[1], "abcd", (size_t)n) == n)
        bytes_written += n;
}
static void feed_sem(void) {
    sem_post(&sem);
    units_given++;
}
static void feed_listener(void) {
    struct sockaddr_un a;
    socklen_t len = sizeof a;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    getsockname(listener, (struct sockaddr *)&a, &len);
    if (connect(fd, (struct sockaddr *)&a, len) == 0)
        connected++;
    close(fd);
}

static void drain(long *n) {
    char c;
    fcntl(data[0], F_SETFL, O_NONBLOCK);
    while (read(data[0], &c, 1) == 1)
        ++*n;
    fcntl(data[0], F_SETFL, 0);
}

int main(void) {
    if (pipe(data))
        return 1;
    if (rounds("read", reads, feed_pipe)) {
        long rest = 0;
        drain(&rest);
        is(bytes_read + rest, bytes_written, "read: no byte lost");
    }
    bytes_read = bytes_written = 0;
    if (rounds("select and read", polls_and_reads, feed_pipe)) {
        long rest = 0;
        drain(&rest);
        is(bytes_read + rest, bytes_written, "select and read: no byte lost");
    }
    sem_init(&sem, 0, 0);
    if (rounds("sem_wait", takes, feed_sem)) {
        long rest = 0;
        while (sem_trywait(&sem) == 0)
            rest++;
        is(units_taken + rest, units_given, "sem_wait: no unit lost");
    }
    int before = count_fds();
    if (rounds("open", opens, NULL))
        is(count_fds(), before, "open: no descriptor lost");
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    listener = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&a, sizeof(sa_family_t)) || listen(listener, 64))
        return 1;
    before = count_fds();
    if (rounds("accept", accepts, feed_listener)) {
        long rest = 0;
        int fd;
        fcntl(listener, F_SETFL, O_NONBLOCK);
        while ((fd = accept(listener, NULL, NULL)) >= 0) {
            close(fd);
            rest++;
        }
        is(count_fds(), before, "accept: no descriptor lost");
        is(accepted + rest, connected, "accept: no connection lost");
    }
    return done();
}
