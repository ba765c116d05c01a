/* echo server: a POSIX thread for each connection. */
#include "echo.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void *serve(void *arg) {
    int fd = (int)(long)arg;
    char data[ECHO_BUFFER];
    ssize_t n;
    while ((n = recv(fd, data, sizeof data, 0)) > 0)
        if (send(fd, data, (size_t)n, MSG_NOSIGNAL) != n)
            break;
    close(fd);
    return NULL;
}

int main(int argc, char **argv) {
    bench_init(argc, argv, "pthread_create");
    bench_options_end();
    int port, listener = echo_listen(0, &port);
    pthread_attr_t attr;
    must(pthread_attr_init(&attr));
    must(pthread_attr_setstacksize(&attr, 65536));
    must(pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED));
    echo_ready(port);
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        verify(fd >= 0 || errno == ECONNABORTED, "accept4: %s", strerror(errno));
        pthread_t thread;
        if (fd >= 0)
            must(pthread_create(&thread, &attr, serve, (void *)(long)fd));
    }
}
