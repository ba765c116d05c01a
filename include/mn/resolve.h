/*
 * mn/resolve.h: names and addresses of hosts.
 *
 * The libc's resolver, called by an LWP of the pool for name look-ups (mn/offload.h) while the caller waits: as
 * many look-ups run at a time as that has LWPs.  One that takes too long is given up: the caller goes on at its
 * deadline, or when it is cancelled, and the answer is thrown away when it comes.
 *
 * Errors are negative errno values here; the resolver's own are
 *   -ENOENT         EAI_NONAME, EAI_NODATA: no such name, or it has no such address
 *   -EAGAIN         EAI_AGAIN: no answer came; it may later
 *   -EIO            EAI_FAIL: the server refuses to answer
 *   -EAFNOSUPPORT   EAI_FAMILY, EAI_ADDRFAMILY
 *   -EPROTONOSUPPORT   EAI_SERVICE: no such service, or not for this type of socket
 *   -ESOCKTNOSUPPORT   EAI_SOCKTYPE
 *   -EINVAL         EAI_BADFLAGS
 *   -EOVERFLOW      EAI_OVERFLOW: it does not fit
 *   -ENOMEM         EAI_MEMORY, or no memory for the look-up
 * and what the system says (EAI_SYSTEM); beside these, -ETIMEDOUT and -ECANCELED.  Contexts: any; green threads
 * need a stack of 64 KiB.  A foreign LWP or a bound thread looks up by itself, and cannot give up.
 */
#ifndef MN_RESOLVE_H
#define MN_RESOLVE_H

#include <mn/time.h>
#include <netdb.h>
#include <stddef.h>
#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

struct addrinfo; /* <netdb.h> has it only where POSIX's names are wanted, not with -std=c11 alone */

/*
 * As getaddrinfo: stores a list of addresses in *result, which freeaddrinfo releases.  A host that is given as
 * an address (or not at all), with a service that is a number (or none), is answered at once.
 */
int mn_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                   struct addrinfo **result);
int mn_getaddrinfo_until(const char *host, const char *service, const struct addrinfo *hints,
                         struct addrinfo **result, int64_t deadline);

/* As getnameinfo.  With NI_NUMERICHOST and NI_NUMERICSERV it is answered at once. */
int mn_getnameinfo(const struct sockaddr *address, socklen_t length, char *host, socklen_t host_size,
                   char *service, socklen_t service_size, int flags);
int mn_getnameinfo_until(const struct sockaddr *address, socklen_t length, char *host, socklen_t host_size,
                         char *service, socklen_t service_size, int flags, int64_t deadline);

#ifdef __cplusplus
}
#endif

#endif
