/* Counts of what the library did: for thread_1to1.h, and said at exit when ODONATA_VERBOSE asks for it. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "stats.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libc.h"
#include "lwp.h"
#include "panic.h"
#include "thread_1to1.h"

static uint64_t created, reused, refused; /* relaxed counters */

void stats_created(bool was_parked) {
    a64_add(&created, 1); /* relaxed */
    if (was_parked)
        a64_add(&reused, 1); /* relaxed */
}

void stats_refused(void) {
    a64_add(&refused, 1); /* relaxed */
}

static const char *source_name(void) {
    static const char *const names[] = {"libc", "own", "reuse"};
    return names[lwp_source];
}

/*
 * Some programs (all of coreutils, xz) close standard error by an exit handler, before any library's destructor
 * runs: what is to be said at exit needs a descriptor of its own.  It is high, so that no number changes for
 * the program, and used only if it is still the file that it was: a program may have closed it and got the
 * number again.
 */
static int kept = -1;
static struct stat kept_file;

void stats_start(void) {
    if (thr_verbose && fstat(STDERR_FILENO, &kept_file) == 0)
        kept = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 200);
}

static void reopen_stderr(void) {
    struct stat now;
    if (fcntl(STDERR_FILENO, F_GETFD) < 0 && kept >= 0 && fstat(kept, &now) == 0 &&
        now.st_dev == kept_file.st_dev && now.st_ino == kept_file.st_ino)
        dup2(kept, STDERR_FILENO);
}

THR_EXPORT const char *thread_1to1_version(void) {
    return PACKAGE_VERSION;
}

THR_EXPORT int thread_1to1_stats(struct thread_1to1_counts *stats, size_t size) {
    struct thread_1to1_counts now = {
        .created = a64_load(&created), /* relaxed, all three: counters */
        .refused = a64_load(&refused),
        .reused = a64_load(&reused),
        .lwp_source = source_name(),
        .fallback_why = libc_abi.known ? NULL : libc_abi.why,
    };
    size_t first = offsetof(struct thread_1to1_counts, fallback_why) + sizeof now.fallback_why;
    if (size < first)
        return EINVAL;
    memset(stats, 0, size);
    memcpy(stats, &now, size < sizeof now ? size : sizeof now);
    return 0;
}

static void __attribute__((destructor)) say(void) {
    if (!thr_verbose)
        return;
    reopen_stderr();
    notice("threads created: %lu, refused: %lu, on reused LWPs: %lu (lwp=%s%s%s) %s[%d]",
           (unsigned long)a64_load(&created), (unsigned long)a64_load(&refused),
           (unsigned long)a64_load(&reused), source_name(), libc_abi.why ? ": " : "",
           libc_abi.why ? libc_abi.why : "", program_invocation_short_name, (int)getpid());
}
