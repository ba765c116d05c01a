/*
 * What the echo servers share: how long a request is, how a server starts.
 *
 * A server sends back what it receives, on as many connections as come, until it is killed.  It is started by
 * load.c, which listens to its standard output for one line, `PORT function=... model=...`, and does the rest.
 */
#ifndef BENCH_ECHO_H
#define BENCH_ECHO_H

#include <stddef.h>

#include "bench.h"

enum {
    ECHO_REQUEST = 64,  /* bytes */
    ECHO_BUFFER = 1024, /* of each connection, in every server: a short read says that there is no more */
    ECHO_BACKLOG = 4096,
};

/* A listening socket on a free port of 127.0.0.1. */
int echo_listen(int flags, int *port);

/* Says that the server is ready. */
void echo_ready(int port);

#endif
