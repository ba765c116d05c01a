/*
 * port_forward: connections to a port go on to another host.
 *
 *     port_forward PORT TARGET-HOST TARGET-PORT
 *
 * Two threads for each connection, one for each direction.  The end of one direction is passed on, while the
 * other goes on.
 */
#include "net.h"

static char **target; /* host, port */

struct direction {
    int from, to;
};

static void *pump(void *arg) {
    const struct direction *d = arg;
    char buffer[16384];
    ssize_t n;
    while ((n = mn_read(d->from, buffer, sizeof buffer)) > 0)
        if (mn_write_all(d->to, buffer, (size_t)n) != n)
            break;
    /* The end, or an error: whoever is at the other end is to know. */
    if (n < 0)
        shutdown(d->from, SHUT_RD);
    shutdown(d->to, SHUT_WR);
    return NULL;
}

static void *forward(void *arg) {
    int client = (int)(intptr_t)arg, server = mn_dial_tcp_until(target[0], target[1], SECONDS(10));
    mn_thread back;
    if (server < 0) {
        fprintf(stderr, "%s port %s: %s\n", target[0], target[1], strerror(-server));
    } else {
        struct direction there = {client, server}, here = {server, client};
        if (mn_go(&back, pump, &here) == 0) {
            pump(&there);
            mn_join(back, NULL);
        }
        mn_close(server);
    }
    mn_close(client);
    return NULL;
}

static int run(void *arg) {
    char **argv = arg;
    target = argv + 2;
    int listener = listen_on(NULL, argv[1]);
    return check(serve(listener, forward), "accept");
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: %s PORT TARGET-HOST TARGET-PORT\n", argv[0]);
        return 2;
    }
    return check(mn_run(run, argv, NULL), "mn_run");
}
