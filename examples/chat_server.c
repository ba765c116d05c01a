/*
 * chat_server: a room where everybody reads what anybody writes.
 *
 *     chat_server [PORT]          7001; then, for example: nc localhost 7001
 *
 * The first line that somebody sends is the name.  Two threads for each: one reads lines and gives them to all
 * others, one writes what it finds in its channel.  So a slow reader holds up nobody; one whose channel is full
 * has to leave.
 */
#include "net.h"

struct text {
    uint32_t size;
    char bytes[508];
};

struct user {
    int fd;
    char name[32];
    struct mn_chan *to_read; /* struct text */
    struct user *next;
};

static struct mn_mutex room; /* guards the list */
static struct user *users;

/* To everybody but one. */
static void say(const struct user *except, const struct text *t) {
    mn_mutex_lock(&room);
    for (struct user *u = users; u; u = u->next)
        if (u != except && mn_chan_try_send(u->to_read, t) == -EAGAIN)
            shutdown(u->fd, SHUT_RDWR); /* its reader ends, and leaves */
    mn_mutex_unlock(&room);
}

static void tell(const struct user *u, const char *before, const char *name, const char *between,
                 const char *what) {
    struct text t;
    int n = snprintf(t.bytes, sizeof t.bytes, "%s%s%s%s\n", before, name, between, what);
    t.size = n < (int)sizeof t.bytes ? (uint32_t)n : sizeof t.bytes - 1;
    t.bytes[t.size - 1] = '\n';
    say(u, &t);
}

static void *writes(void *arg) {
    const struct user *u = arg;
    struct text t;
    while (mn_chan_recv(u->to_read, &t) == 0)
        if (mn_write_all_until(u->fd, t.bytes, t.size, SECONDS(30)) != (ssize_t)t.size) {
            shutdown(u->fd, SHUT_RDWR);
            break;
        }
    return NULL;
}

static void enter(struct user *u) {
    mn_mutex_lock(&room);
    u->next = users;
    users = u;
    mn_mutex_unlock(&room);
    tell(NULL, "* ", u->name, " has come", "");
}

static void leave(struct user *u) {
    mn_mutex_lock(&room);
    struct user **at = &users;
    while (*at != u)
        at = &(*at)->next;
    *at = u->next;
    mn_mutex_unlock(&room);
    tell(u, "* ", u->name, " has left", "");
}

/* A line without its end, in line; -1: there is no more. */
struct lines {
    char bytes[400];
    size_t used;
};
static int next_line(int fd, struct lines *l, char line[sizeof l->bytes]) {
    for (;;) {
        char *end = memchr(l->bytes, '\n', l->used), *rest = end ? end + 1 : l->bytes + sizeof l->bytes - 1;
        if (end || l->used == sizeof l->bytes) { /* one that is too long is cut, and goes on as the next */
            size_t n = (size_t)((end ? end : rest) - l->bytes);
            memcpy(line, l->bytes, n);
            line[n > 0 && line[n - 1] == '\r' ? n - 1 : n] = '\0';
            l->used -= (size_t)(rest - l->bytes);
            memmove(l->bytes, rest, l->used);
            return 0;
        }
        ssize_t r = mn_read(fd, l->bytes + l->used, sizeof l->bytes - l->used);
        if (r <= 0)
            return -1;
        l->used += (size_t)r;
    }
}

static void talk(struct user *u) {
    struct lines lines = {.used = 0};
    char line[sizeof lines.bytes];
    if (next_line(u->fd, &lines, line) < 0)
        return;
    snprintf(u->name, sizeof u->name, "%.31s", *line ? line : "somebody");
    mn_thread writer;
    if (mn_go(&writer, writes, u) < 0)
        return;
    enter(u);
    while (next_line(u->fd, &lines, line) == 0)
        tell(u, "", u->name, ": ", line);
    leave(u);
    mn_chan_close(u->to_read);
    mn_join(writer, NULL);
}

static void *user(void *arg) {
    struct user u = {.fd = (int)(intptr_t)arg};
    if (mn_chan_create(&u.to_read, sizeof(struct text), 64) == 0) {
        talk(&u);
        mn_chan_destroy(u.to_read);
    }
    mn_close(u.fd);
    return NULL;
}

static int run(void *arg) {
    char **argv = arg;
    int listener = listen_on(NULL, argv[1] ? argv[1] : "7001");
    return check(serve(listener, user), "accept");
}

int main(int argc, char **argv) {
    (void)argc;
    return check(mn_run(run, argv, NULL), "mn_run");
}
