/*
 * echo_server: sends back what it gets.  A thread for each connection, in blocking style.
 *
 *     echo_server [PORT [HOST]]          7000, on all addresses
 */
#include "net.h"

static void *echo(void *arg) {
    int fd = (int)(intptr_t)arg;
    char buffer[16384];
    ssize_t n;
    /* A connection on which nothing has come for five minutes is closed. */
    while ((n = mn_read_until(fd, buffer, sizeof buffer, SECONDS(300))) > 0)
        if (mn_write_all_until(fd, buffer, (size_t)n, SECONDS(60)) != n)
            break;
    mn_close(fd);
    return NULL;
}

static int run(void *arg) {
    char **argv = arg;
    int listener = listen_on(argv[1] ? argv[2] : NULL, argv[1] ? argv[1] : "7000");
    return check(serve(listener, echo), "accept");
}

int main(int argc, char **argv) {
    (void)argc;
    return check(mn_run(run, argv, NULL), "mn_run");
}
