/*
 * stream_write, stream_sendfile: what does it take to send much?
 *
 * A thread sends pieces of 64 KiB through a TCP connection of the machine to itself, from memory or from a file
 * in the page cache, another receives them.  ns a piece.
 *
 * Verified: all bytes that were sent have come.
 */
#include <fcntl.h>
#include <mn/file.h>
#include <mn/io.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "job.h"

enum { PIECE = 64 << 10 };

static double seconds;
static char *piece;
static int file;

static void connected(int ends[2]) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof a;
    int listener = mn_socket(AF_INET, SOCK_STREAM, 0), one = 1;
    ends[0] = mn_socket(AF_INET, SOCK_STREAM, 0);
    verify(listener >= 0 && ends[0] >= 0, "no socket");
    must(bind(listener, (struct sockaddr *)&a, sizeof a));
    must(listen(listener, 1));
    must(getsockname(listener, (struct sockaddr *)&a, &length));
    must(mn_connect(ends[0], (struct sockaddr *)&a, sizeof a));
    ends[1] = mn_accept(listener, NULL, NULL);
    verify(ends[1] >= 0, "mn_accept: %d", ends[1]);
    must(setsockopt(ends[0], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one));
    mn_close(listener);
}

static void *receive(void *arg) {
    int fd = *(int *)arg;
    char *buffer = job_memory(1, PIECE);
    unsigned long bytes = 0;
    ssize_t n;
    while ((n = mn_read(fd, buffer, PIECE)) > 0)
        bytes += (unsigned long)n;
    verify(n == 0, "mn_read: %zd", n);
    free(buffer);
    return (void *)bytes;
}

static void send_memory(int fd) {
    verify(mn_write_all(fd, piece, PIECE) == PIECE, "a piece was not sent");
}

static void send_file(int fd) {
    off_t at = 0;
    while (at < PIECE)
        verify(mn_sendfile(fd, file, &at, (size_t)(PIECE - at)) > 0, "a piece was not sent");
}

static void measure(const char *name, void (*send)(int fd)) {
    int ends[2];
    mn_thread t;
    void *bytes;
    connected(ends);
    must(mn_go(&t, receive, &ends[1]));
    for (int i = 0; i < 100; i++)
        send(ends[0]);
    unsigned long done = 0;
    uint64_t from = bench_now(), now;
    do {
        for (int i = 0; i < 16; i++)
            send(ends[0]);
        done += 16;
        now = bench_now();
    } while (now - from < (uint64_t)(seconds * 1e9));
    mn_close(ends[0]);
    must(mn_join(t, &bytes));
    verify((unsigned long)bytes == (done + 100) * PIECE, "bytes were lost");
    mn_close(ends[1]);
    job_result(name, (double)(now - from) / (double)done, "ns", NULL);
}

static int job(void *arg) {
    (void)arg;
    char path[] = "/tmp/stream.XXXXXX";
    piece = job_memory(1, PIECE);
    file = mkstemp(path);
    verify(file >= 0 && write(file, piece, PIECE) == PIECE, "no file");
    unlink(path);
    measure("stream_write", send_memory);
    measure("stream_sendfile", send_file);
    close(file);
    free(piece);
    return 0;
}

int main(int argc, char **argv) {
    return job_main(argc, argv, "mn_write_all", &seconds, job);
}
