/* Points inside the libc: its own calls of read, write, poll, ... end on a request too. */
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "cancel.h"

static FILE *idle_in, *full_out;
static int idle_fd[2], full_fd[2], dns;
static struct sockaddr_in dns_address;

static void in_fread(void) {
    char c;
    if (fread(&c, 1, 1, idle_in) != 1)
        puts("# fread returned");
}
static void in_fgets(void) {
    char line[10];
    if (!fgets(line, sizeof line, idle_in))
        puts("# fgets returned");
}
static void in_getline(void) {
    char *line = NULL;
    size_t n = 0;
    if (getline(&line, &n, idle_in) < 0)
        puts("# getline returned");
}
static void in_printf(void) {
    for (;;)
        fprintf(full_out, "%05000d\n", 1);
}
static void in_fflush(void) {
    fputc('x', full_out);
    fflush(full_out);
}
static void in_scanf(void) {
    int i;
    if (fscanf(idle_in, "%d", &i) != 1)
        puts("# fscanf returned");
}
static void close_stream(void *f) {
    fclose(f);
}
static void in_popen(void) {
    char line[10];
    FILE *f = popen("exec sleep 2", "r");
    pthread_cleanup_push(close_stream, f);
    if (!fgets(line, sizeof line, f))
        puts("# fgets of a popen returned");
    pthread_cleanup_pop(0);
}
static void in_dprintf(void) {
    for (;;)
        dprintf(full_fd[1], "%05000d\n", 1);
}
/* A name server that does not answer. */
static void in_getaddrinfo(void) {
    struct addrinfo *list = NULL, hints;
    memset(&hints, 0, sizeof hints);
    hints.ai_family = AF_INET;
    res_init();
    _res.nscount = 1;
    _res.nsaddr_list[0] = dns_address;
    _res.retrans = 30;
    _res.retry = 1;
    if (getaddrinfo("cancel.odonata.test", "80", &hints, &list))
        puts("# getaddrinfo returned");
}

static const struct {
    const char *name;
    void (*fn)(void);
    FILE **stream; /* whose lock must be free afterwards */
} calls[] = {
    {"fread", in_fread, &idle_in},       {"fgets", in_fgets, &idle_in},  {"getline", in_getline, &idle_in},
    {"fprintf", in_printf, &full_out},   {"fflush", in_fflush, &full_out}, {"fscanf", in_scanf, &idle_in},
    {"popen and fgets", in_popen, NULL}, {"dprintf", in_dprintf, NULL},  {"getaddrinfo", in_getaddrinfo, NULL},
};

static volatile int tid, cleaned;

static void on_cleanup(void *arg) {
    (void)arg;
    cleaned = 1;
}

static void *body(void *arg) {
    pthread_cleanup_push(on_cleanup, NULL);
    set(&tid, (int)syscall(SYS_gettid));
    (*(void (*const *)(void))arg)();
    pthread_cleanup_pop(0);
    return NULL;
}

int main(void) {
    if (pipe(idle_fd) || pipe(full_fd))
        return 1;
    idle_in = fdopen(idle_fd[0], "r");
    full_out = fdopen(full_fd[1], "w");
    char block[4096] = "";
    fcntl(full_fd[1], F_SETFL, O_NONBLOCK);
    while (write(full_fd[1], block, sizeof block) > 0)
        ;
    fcntl(full_fd[1], F_SETFL, 0);
    dns = socket(AF_INET, SOCK_DGRAM, 0);
    dns_address.sin_family = AF_INET;
    dns_address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t len = sizeof dns_address;
    int have_dns = bind(dns, (struct sockaddr *)&dns_address, len) == 0 &&
                   getsockname(dns, (struct sockaddr *)&dns_address, &len) == 0;

    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        if (calls[i].fn == in_getaddrinfo && !have_dns) {
            skip("getaddrinfo: no network");
            continue;
        }
        pthread_t t;
        void *result = NULL;
        tid = cleaned = 0;
        pthread_create(&t, NULL, body, (void *)&calls[i].fn);
        while (!__atomic_load_n(&tid, __ATOMIC_ACQUIRE))
            usleep(100);
        wait_asleep(tid);
        pthread_cancel(t);
        if (join_soon(t, &result)) {
            ok(0, "%s hangs", calls[i].name);
            break;
        }
        ok(result == PTHREAD_CANCELED && cleaned, "%s", calls[i].name);
        if (calls[i].stream && is(ftrylockfile(*calls[i].stream), 0, "%s released the stream", calls[i].name))
            funlockfile(*calls[i].stream);
    }
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
    done();
    _exit(tap_failed != 0); /* what is left in the full stream cannot be written */
}
