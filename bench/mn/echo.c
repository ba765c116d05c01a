/* echo server: a green thread for each connection (bench/echo). */
#include "echo/echo.h"
#include "job.h"

#include <mn/io.h>
#include <string.h>

static int port, listener;

static void *serve(void *arg) {
    int fd = (int)(long)arg;
    char data[ECHO_BUFFER];
    ssize_t n;
    while ((n = mn_read(fd, data, sizeof data)) > 0)
        if (mn_write_all(fd, data, (size_t)n) != n)
            break;
    must(mn_close(fd));
    return NULL;
}

static int job(void *arg) {
    (void)arg;
    must(mn_adopt(listener));
    echo_ready(port);
    for (;;) {
        int fd = mn_accept(listener, NULL, NULL);
        verify(fd >= 0, "mn_accept: %s", strerror(-fd));
        must(mn_go(NULL, serve, (void *)(long)fd));
    }
}

int main(int argc, char **argv) {
    bench_init(argc, argv, "mn_accept");
    bench_options_end();
    listener = echo_listen(0, &port);
    return job_run(job);
}
