/* Name look-ups, as far as they need no network: addresses, numbers, errors. */
#include <arpa/inet.h>
#include <mn/resolve.h>

#include "sync.h"

static int count(const struct addrinfo *list) {
    int n = 0;
    for (; list; list = list->ai_next)
        n++;
    return n;
}

static unsigned used_lwps(void) {
    struct mn_pool_use s = {0};
    mn_stats_pool(MN_POOL_DNS, &s, sizeof s);
    return s.most;
}

static void *cancelled(void *arg) {
    struct addrinfo *list;
    mn_cancel(mn_self());
    *(int *)arg = mn_getaddrinfo("localhost", NULL, NULL, &list);
    return NULL;
}

static int all(void *arg) {
    const char *k = mn_self() ? "green" : "foreign";
    (void)arg;
    struct addrinfo *list = NULL, hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
    errno = 55;
    is(mn_getaddrinfo("127.0.0.1", "80", &hints, &list), 0, "%s: an address", k);
    struct sockaddr_in *in = (struct sockaddr_in *)(void *)list->ai_addr;
    ok(count(list) == 1 && in->sin_family == AF_INET && in->sin_addr.s_addr == htonl(INADDR_LOOPBACK) &&
           in->sin_port == htons(80),
       "%s: is answered", k);
    char host[64] = "", service[16] = "";
    is(mn_getnameinfo(list->ai_addr, list->ai_addrlen, host, sizeof host, service, sizeof service,
                      NI_NUMERICHOST | NI_NUMERICSERV),
       0, "%s: and back", k);
    ok(!strcmp(host, "127.0.0.1") && !strcmp(service, "80"), "%s: to the same", k);
    is(mn_getnameinfo(list->ai_addr, list->ai_addrlen, host, 3, NULL, 0, NI_NUMERICHOST | NI_NUMERICSERV),
       -EOVERFLOW, "%s: without enough room", k);
    freeaddrinfo(list);
    is(mn_getaddrinfo("::1", NULL, NULL, &list), 0, "%s: a longer address, without saying so", k);
    ok(list->ai_family == AF_INET6, "%s: its family", k);
    freeaddrinfo(list);
    hints.ai_flags = AI_PASSIVE;
    is(mn_getaddrinfo(NULL, "8080", &hints, &list), 0, "%s: no host", k);
    freeaddrinfo(list);
    hints.ai_flags = AI_NUMERICHOST;
    is(mn_getaddrinfo("localhost", "80", &hints, &list), -ENOENT, "%s: a name where an address has to be", k);
    hints = (struct addrinfo){.ai_flags = 0x40000000};
    is(mn_getaddrinfo("127.0.0.1", "80", &hints, &list), -EINVAL, "%s: flags that do not exist", k);
    hints = (struct addrinfo){.ai_family = 999};
    is(mn_getaddrinfo("127.0.0.1", "80", &hints, &list), -EAFNOSUPPORT, "%s: a family that does not exist", k);
    if (mn_self())
        is(used_lwps(), 0, "%s: all that without the pool", k);

    is(mn_getaddrinfo("localhost", NULL, NULL, &list), 0, "%s: a name of this machine", k);
    ok(count(list) >= 1, "%s: has an address", k);
    is(mn_getnameinfo(list->ai_addr, list->ai_addrlen, host, sizeof host, NULL, 0, 0), 0,
       "%s: the address's name", k);
    ok(host[0] && strlen(host) < sizeof host, "%s: %s", k, host);
    freeaddrinfo(list);
    hints = (struct addrinfo){.ai_socktype = SOCK_STREAM};
    is(mn_getaddrinfo("127.0.0.1", "no-such-service", &hints, &list), -EPROTONOSUPPORT, "%s: no such service",
       k);
    is(mn_getaddrinfo("127.0.0.1", "65616", &hints, &list), -EPROTONOSUPPORT,
       "%s: a number beyond those of ports", k);
    is(mn_getaddrinfo_until("localhost", NULL, NULL, &list, 1), -ETIMEDOUT, "%s: a deadline that had passed",
       k);
    is(errno, 55, "%s: errno is what it was", k);
    if (mn_self()) {
        ok(used_lwps() >= 1, "%s: that needed the pool", k);
        mn_thread t;
        int r = 0;
        mn_go(&t, cancelled, &r);
        mn_join(t, NULL);
        is(r, -ECANCELED, "%s: a cancelled thread", k);
    }
    return 0;
}

int main(void) {
    all(NULL);
    is(mn_run(all, NULL, NULL), 0, "green");
    return done();
}
