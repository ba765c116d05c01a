/*
 * http_server: the files of a directory by HTTP/1.1.
 *
 *     http_server DIRECTORY [PORT [HOST]]          8080
 *
 * GET and HEAD, persistent connections, ranges; a thread for each connection.  Names are looked up below
 * DIRECTORY; ".." is refused, symbolic links are followed: they are its owner's.
 */
#include "net.h"

#include <ctype.h>
#include <fcntl.h>
#include <strings.h>

static int root; /* the directory */

struct connection {
    int fd;
    size_t used;      /* bytes of in: requests that have come */
    bool close, head; /* after this answer; the request is HEAD: no body */
    char in[8192], out[16384], path[1024];
};

static const char *type_of(const char *path) {
    static const char *const types[][2] = {
        {".html", "text/html; charset=utf-8"}, {".txt", "text/plain; charset=utf-8"}, {".css", "text/css"},
        {".js", "text/javascript"},            {".png", "image/png"}};
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < sizeof types / sizeof *types; i++)
        if (!strcasecmp(dot, types[i][0]))
            return types[i][1];
    return "application/octet-stream";
}

/* The head of an answer, in out: its length.  more: further lines. */
static size_t head(struct connection *c, const char *status, const char *type, size_t size, const char *more) {
    static const char form[] =
        "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: %s\r\n%s\r\n";
    const char *then = c->close ? "close" : "keep-alive";
    return (size_t)snprintf(c->out, sizeof c->out, form, status, type, size, then, more);
}

static bool send_out(const struct connection *c, size_t n) {
    return mn_write_all_until(c->fd, c->out, n, SECONDS(30)) == (ssize_t)n;
}

static bool refuse(struct connection *c, const char *status, const char *more) {
    size_t body = strlen(status) + 1, n = head(c, status, "text/plain", body, more);
    if (!c->head)
        n += (size_t)snprintf(c->out + n, sizeof c->out - n, "%s\n", status);
    return send_out(c, n);
}

/* "bytes=A-B", "bytes=A-", "bytes=-N" of a file: 1: *first to *last; 0: to be ignored; -1: beyond the file. */
static int range(const char *s, off_t size, off_t *first, off_t *last) {
    long a, b = size - 1;
    char dash;
    if (s[strcspn(s, ",\r")] == ',' || sscanf(s, "bytes=%ld%c%ld", &a, &dash, &b) < 2 ||
        (a >= 0 && dash != '-'))
        return 0; /* several, or none */
    *first = a >= 0 ? a : a + size > 0 ? a + size : 0; /* -N is read as a number below 0 */
    *last = a >= 0 && b < size ? b : size - 1;
    return *first >= size ? -1 : *last >= *first;
}

/* The body follows the head that lies in out: small ones in the same packet, large ones from file to socket. */
static bool send_body(struct connection *c, size_t n, int file, off_t first, size_t length) {
    if (c->head)
        return send_out(c, n);
    if (length <= sizeof c->out - n)
        return mn_pread(file, c->out + n, length, first) == (ssize_t)length && send_out(c, n + length);
    return mn_send_until(c->fd, c->out, n, MSG_MORE, SECONDS(30)) == (ssize_t)n &&
           mn_sendfile_until(c->fd, file, &first, length, SECONDS(600)) == (ssize_t)length;
}

static bool send_file(struct connection *c, int file, const struct stat *st, const char *wanted) {
    off_t first = 0, last = 0;
    char more[128] = "Accept-Ranges: bytes\r\n";
    int r = wanted ? range(wanted, st->st_size, &first, &last) : 0;
    if (r < 0) {
        snprintf(more, sizeof more, "Content-Range: bytes */%ld\r\n", (long)st->st_size);
        return refuse(c, "416 Range Not Satisfiable", more);
    }
    if (r > 0)
        snprintf(more, sizeof more, "Content-Range: bytes %ld-%ld/%ld\r\n", (long)first, (long)last,
                 (long)st->st_size);
    else
        first = 0, last = st->st_size - 1;
    size_t length = (size_t)(last - first + 1);
    size_t n = head(c, r ? "206 Partial Content" : "200 OK", type_of(c->path), length, more);
    return send_body(c, n, file, first, length);
}

/* The target of a request as a path below the root: decoded, without the query.  False: it has a way out. */
static bool decode(const char *target, char *path, size_t room) {
    size_t n = 0;
    if (*target != '/')
        return false;
    path[n++] = '.';
    for (const char *s = target; *s && *s != '?' && *s != '#' && n + 1 < room; s++) {
        unsigned char byte = (unsigned char)*s;
        if (byte == '%') {
            if (!isxdigit((unsigned char)s[1]) || !isxdigit((unsigned char)s[2]) ||
                sscanf(s + 1, "%2hhx", &byte) != 1 || !byte)
                return false;
            s += 2;
        }
        path[n++] = (char)byte;
    }
    path[n] = '\0';
    for (const char *s = path + 1; *s; s++)
        if (!strncmp(s, "/..", 3) && (s[3] == '/' || !s[3]))
            return false;
    return n + 1 < room;
}

/* A field of the request's head, which ends with an empty line; NULL: there is none. */
static const char *field(const char *lines, const char *name) {
    size_t n = strlen(name);
    for (const char *s = lines; (s = strstr(s, "\r\n")) != NULL;) {
        s += 2;
        if (!strncasecmp(s, name, n) && s[n] == ':')
            return s + n + 1 + strspn(s + n + 1, " \t");
    }
    return NULL;
}

static bool answer(struct connection *c, char *request) {
    char *line_end = strstr(request, "\r\n"), *target = strchr(request, ' ');
    char *version = target && target < line_end ? strstr(target + 1, " HTTP/1.") : NULL;
    c->close = true;
    if (!version || version > line_end)
        return refuse(c, "400 Bad Request", "");
    *target++ = *version++ = '\0';
    const char *connection = field(line_end, "Connection");
    bool old = !strncmp(version, "HTTP/1.0", 8);
    c->close = connection ? !strncasecmp(connection, old ? "keep-alive" : "close", old ? 10 : 5) != old : old;
    c->head = !strcmp(request, "HEAD");
    if (field(line_end, "Content-Length") || field(line_end, "Transfer-Encoding"))
        c->close = true; /* what follows may be a body: it is never taken for a request */
    if (!c->head && strcmp(request, "GET"))
        return refuse(c, "405 Method Not Allowed", "Allow: GET, HEAD\r\n");
    if (!decode(target, c->path, sizeof c->path - sizeof "index.html"))
        return refuse(c, "400 Bad Request", "");
    if (c->path[strlen(c->path) - 1] == '/')
        strcat(c->path, "index.html");
    struct stat st;
    int file = mn_openat(root, c->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
    if (file == -EMFILE || file == -ENFILE || file == -ENOMEM)
        return refuse(c, "503 Service Unavailable", "");
    if (file < 0)
        return refuse(c, file == -EACCES ? "403 Forbidden" : "404 Not Found", "");
    bool is_file = mn_fstat(file, &st) == 0 && S_ISREG(st.st_mode);
    bool sent = is_file ? send_file(c, file, &st, field(line_end, "Range")) : refuse(c, "404 Not Found", "");
    mn_close(file);
    return sent;
}

static void *serve_connection(void *arg) {
    struct connection c = {.fd = (int)(intptr_t)arg, .used = 0};
    for (char *end; !c.close;) {
        int64_t until = SECONDS(30); /* for the whole head: who sends it byte by byte has no longer */
        c.in[c.used] = '\0';
        while (!(end = strstr(c.in, "\r\n\r\n")) && c.used < sizeof c.in - 1) {
            ssize_t n = mn_read_until(c.fd, c.in + c.used, sizeof c.in - 1 - c.used, until);
            if (n <= 0)
                goto out;
            c.used += (size_t)n;
            c.in[c.used] = '\0';
        }
        c.head = false;
        if (!end) {
            c.close = true;
            refuse(&c, "431 Request Header Fields Too Large", "");
            break;
        }
        end[2] = '\0'; /* the last line keeps its end */
        if (!answer(&c, c.in))
            break;
        c.used -= (size_t)(end + 4 - c.in);
        memmove(c.in, end + 4, c.used);
    }
out:
    hang_up(c.fd);
    return NULL;
}

static int run(void *arg) {
    char **argv = arg;
    root = check(mn_open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0), argv[1]);
    int listener = listen_on(argv[2] ? argv[3] : NULL, argv[2] ? argv[2] : "8080");
    return check(serve(listener, serve_connection), "accept");
}

int main(int argc, char **argv) {
    if (argc < 2)
        return fprintf(stderr, "usage: %s DIRECTORY [PORT [HOST]]\n", argv[0]), 2;
    return check(mn_run(run, argv, NULL), "mn_run");
}
