/*
 * resolve: name look-ups (mn/resolve.h).
 *
 * A job has copies of all its arguments, and a place for the answer, in one piece of memory: so the caller can
 * leave it behind (offload.h), and whoever is last frees it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <mn/errno.h>
#include <mn/resolve.h>
#include <stdlib.h>
#include <string.h>

#include "export.h"
#include "fault.h"
#include "offload.h"

/* A result of the resolver; err: errno at that moment. */
static int from_resolver(int r, int err) {
    switch (r) {
    case 0:
        return 0;
    case EAI_NONAME:
    case EAI_NODATA:
        return -ENOENT;
    case EAI_AGAIN:
        return -EAGAIN;
    case EAI_FAIL:
        return -EIO;
    case EAI_FAMILY:
    case EAI_ADDRFAMILY:
        return -EAFNOSUPPORT;
    case EAI_SERVICE:
        return -EPROTONOSUPPORT;
    case EAI_SOCKTYPE:
        return -ESOCKTNOSUPPORT;
    case EAI_BADFLAGS:
        return -EINVAL;
    case EAI_OVERFLOW:
        return -EOVERFLOW;
    case EAI_MEMORY:
        return -ENOMEM;
    case EAI_SYSTEM:
        return err > 0 ? -err : -EIO;
    default:
        return -EIO;
    }
}

/* The caller was killed, and does not come back from the end of the call. */
static void not_returned(struct mni_job **job) {
    if (*job)
        (*job)->drop(*job);
}

/* A job as a whole call.  0: it has run, and is the caller's. */
static int call(struct mni_job *job, int64_t deadline) {
    struct mni_cpu *cpu;
    int r = mni_offload_begin(&cpu);
    if (r == 0)
        r = mni_offload_job(MNI_POOL_DNS, job, deadline);
    else
        job->drop(job);
    struct mni_job *done __attribute__((cleanup(not_returned))) = r == 0 ? job : NULL;
    mni_offload_end();
    done = NULL;
    return r;
}

/* Copies a string, or its being NULL, to *at, and moves that on. */
static const char *keep(char **at, const char *s) {
    if (!s)
        return NULL;
    char *copy = strcpy(*at, s);
    *at += strlen(s) + 1;
    return copy;
}

static size_t room(const char *s) {
    return s ? strlen(s) + 1 : 0;
}

/* ---- addresses of a name */

struct addresses {
    struct mni_job job;
    const char *host, *service;
    bool has_hints;
    struct addrinfo hints, *list;
    int result;
    char text[];
};

static int look_up(const char *host, const char *service, const struct addrinfo *hints,
                   struct addrinfo **list) {
    int saved = errno;
    *list = NULL;
    int r = from_resolver(getaddrinfo(host, service, hints, list), errno);
    errno = saved;
    return r;
}

static void run_addresses(struct mni_job *job) {
    struct addresses *a = (struct addresses *)(void *)job;
    a->result = look_up(a->host, a->service, a->has_hints ? &a->hints : NULL, &a->list);
}

static void drop_addresses(struct mni_job *job) {
    struct addresses *a = (struct addresses *)(void *)job;
    if (a->list)
        freeaddrinfo(a->list);
    free(a);
}

/* Nobody has to be asked, so that it does not block; a thread that was cancelled is told so all the same. */
static bool known(const char *host, const char *service, const struct addrinfo *hints) {
    int flags = hints ? hints->ai_flags : 0;
    char address[sizeof(struct in6_addr)];
    if (service && !(flags & AI_NUMERICSERV) && service[strspn(service, "0123456789")])
        return false;
    return !host || (flags & AI_NUMERICHOST) || inet_pton(AF_INET, host, address) == 1 ||
           inet_pton(AF_INET6, host, address) == 1;
}

/* A number that is no port: glibc takes its low 16 bits. */
static bool beyond_ports(const char *service) {
    return service && !service[strspn(service, "0123456789")] && strtoul(service, NULL, 10) > 65535;
}

MN_EXPORT int mn_getaddrinfo_until(const char *host, const char *service, const struct addrinfo *hints,
                                   struct addrinfo **result, int64_t deadline) {
    int r;
    if (beyond_ports(service))
        return (r = mni_offload_none()) < 0 ? r : -EPROTONOSUPPORT;
    if (known(host, service, hints))
        return (r = mni_offload_none()) < 0 ? r : look_up(host, service, hints, result);
    struct addresses *a = fault("malloc") ? NULL : calloc(1, sizeof *a + room(host) + room(service));
    if (!a)
        return -ENOMEM;
    char *at = a->text;
    a->job = (struct mni_job){.fn = run_addresses, .drop = drop_addresses};
    a->host = keep(&at, host);
    a->service = keep(&at, service);
    a->has_hints = hints != NULL;
    if (hints)
        a->hints = *hints;
    r = call(&a->job, deadline);
    if (r < 0)
        return r;
    r = a->result;
    if (r == 0) {
        *result = a->list;
        a->list = NULL;
    }
    drop_addresses(&a->job);
    return r;
}

MN_EXPORT int mn_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                             struct addrinfo **result) {
    return mn_getaddrinfo_until(host, service, hints, result, MN_FOREVER);
}

/* ---- the name of an address */

struct name {
    struct mni_job job;
    struct sockaddr_storage address;
    socklen_t length, host_size, service_size;
    int flags, result;
    char *host, *service; /* NULL: not wanted */
    char text[];
};

static int name_of(const struct sockaddr *address, socklen_t length, char *host, socklen_t host_size,
                   char *service, socklen_t service_size, int flags) {
    int saved = errno;
    int r = from_resolver(getnameinfo(address, length, host, host_size, service, service_size, flags), errno);
    errno = saved;
    return r;
}

static void run_name(struct mni_job *job) {
    struct name *n = (struct name *)(void *)job;
    n->result = name_of((struct sockaddr *)(void *)&n->address, n->length, n->host, n->host_size, n->service,
                        n->service_size, n->flags);
}

static void drop_name(struct mni_job *job) {
    free(job);
}

MN_EXPORT int mn_getnameinfo_until(const struct sockaddr *address, socklen_t length, char *host,
                                   socklen_t host_size, char *service, socklen_t service_size, int flags,
                                   int64_t deadline) {
    const int numbers = NI_NUMERICHOST | NI_NUMERICSERV;
    int r;
    if (!host)
        host_size = 0;
    if (!service)
        service_size = 0;
    if ((flags & numbers) == numbers || !address || length > sizeof(struct sockaddr_storage))
        return (r = mni_offload_none()) < 0
                   ? r
                   : name_of(address, length, host, host_size, service, service_size, flags);
    struct name *n = fault("malloc") ? NULL : calloc(1, sizeof *n + host_size + service_size);
    if (!n)
        return -ENOMEM;
    n->job = (struct mni_job){.fn = run_name, .drop = drop_name};
    memcpy(&n->address, address, length);
    n->length = length;
    n->host = host_size ? n->text : NULL;
    n->host_size = host_size;
    n->service = service_size ? n->text + host_size : NULL;
    n->service_size = service_size;
    n->flags = flags;
    r = call(&n->job, deadline);
    if (r < 0)
        return r;
    r = n->result;
    if (r == 0 && host_size)
        memcpy(host, n->host, host_size);
    if (r == 0 && service_size)
        memcpy(service, n->service, service_size);
    free(n);
    return r;
}

MN_EXPORT int mn_getnameinfo(const struct sockaddr *address, socklen_t length, char *host, socklen_t host_size,
                             char *service, socklen_t service_size, int flags) {
    return mn_getnameinfo_until(address, length, host, host_size, service, service_size, flags, MN_FOREVER);
}
