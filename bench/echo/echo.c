/* echo.h: what is not on a measured path. */
#include "echo.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

int echo_listen(int flags, int *port) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof to;
    int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    verify(s >= 0, "socket: %s", strerror(errno));
    verify(bind(s, (struct sockaddr *)&to, sizeof to) == 0 && listen(s, ECHO_BACKLOG) == 0 &&
               getsockname(s, (struct sockaddr *)&to, &size) == 0,
           "a socket to listen on: %s", strerror(errno));
    *port = ntohs(to.sin_port);
    return s;
}

void echo_ready(int port) {
    printf("%d %s\n", port, bench_provider());
    verify(fflush(stdout) == 0, "standard output: %s", strerror(errno));
}
