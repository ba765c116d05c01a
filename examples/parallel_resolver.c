/*
 * parallel_resolver: looks many names up at the same time, and prints each answer as it comes.
 *
 *     parallel_resolver [-t SECONDS] [NAME ...]          names also from standard input, if there are none
 *
 * A thread for each name, in a scope: that of the caller ends when they all have.  MN_DNS_LWPS says how many
 * look-ups the resolver does at a time.  Exit code 1: some have no address.
 */
#include "net.h"

#include <unistd.h>

static int seconds = 10, failures;
static struct mn_mutex output;

static int look_up(void *arg) {
    char *name = arg, text[1024];
    size_t used = (size_t)snprintf(text, sizeof text, "%s", name);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    int r = mn_getaddrinfo_until(name, NULL, &hints, &list, SECONDS(seconds));
    for (struct addrinfo *a = r == 0 ? list : NULL; a && used < sizeof text; a = a->ai_next) {
        char address[64];
        if (mn_getnameinfo(a->ai_addr, a->ai_addrlen, address, sizeof address, NULL, 0,
                           NI_NUMERICHOST | NI_NUMERICSERV) == 0)
            used += (size_t)snprintf(text + used, sizeof text - used, " %s", address);
    }
    if (r == 0)
        freeaddrinfo(list);
    mn_mutex_lock(&output);
    if (r == 0) {
        printf("%s\n", text);
    } else {
        printf("%s: %s\n", name, strerror(-r));
        failures++;
    }
    mn_mutex_unlock(&output);
    free(name);
    return 0;
}

static void start(struct mn_scope *scope, const char *name) {
    char *copy = strdup(name);
    if (copy && mn_scope_go(scope, look_up, copy) == 0)
        return;
    free(copy);
    mn_mutex_lock(&output);
    printf("%s: not enough memory\n", name);
    failures++;
    mn_mutex_unlock(&output);
}

/* All that is in standard input, each line a name. */
static void start_lines(struct mn_scope *scope) {
    char bytes[4096];
    size_t used = 0;
    ssize_t n;
    while ((n = mn_read(0, bytes + used, sizeof bytes - 1 - used)) > 0 || used > 0) {
        used += n > 0 ? (size_t)n : 0;
        char *line = bytes, *limit = bytes + used, *end;
        while ((end = memchr(line, '\n', (size_t)(limit - line))) || (n <= 0 && line < limit)) {
            end = end ? end : limit;
            *end = '\0';
            if (*line)
                start(scope, line);
            line = end < limit ? end + 1 : limit;
        }
        used -= (size_t)(line - bytes);
        memmove(bytes, line, used);
    }
}

static int run(void *arg) {
    char **names = arg;
    struct mn_scope *scope;
    check(mn_scope_open(&scope, MN_SCOPE_KEEP_GOING), "mn_scope_open");
    if (!*names)
        start_lines(scope);
    for (; *names; names++)
        start(scope, *names);
    mn_scope_wait(scope);
    mn_scope_close(scope);
    return failures > 0;
}

int main(int argc, char **argv) {
    for (int c; (c = getopt(argc, argv, "t:")) != -1;) {
        if (c != 't' || (seconds = atoi(optarg)) <= 0) {
            fprintf(stderr, "usage: %s [-t SECONDS] [NAME ...]\n", argv[0]);
            return 2;
        }
    }
    return check(mn_run(run, argv + optind, NULL), "mn_run");
}
