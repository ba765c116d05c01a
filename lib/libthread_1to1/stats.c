/* Counts of what the library did, said at exit when ODONATA_VERBOSE asks for it. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "stats.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "libc.h"
#include "lwp.h"
#include "panic.h"

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

static void __attribute__((destructor)) say(void) {
    if (!thr_verbose)
        return;
    notice("threads created: %lu, refused: %lu, on reused LWPs: %lu (lwp=%s%s%s) %s[%d]",
           (unsigned long)a64_load(&created), (unsigned long)a64_load(&refused), (unsigned long)a64_load(&reused),
           source_name(), libc_abi.why ? ": " : "", libc_abi.why ? libc_abi.why : "", program_invocation_short_name,
           (int)getpid());
}

/* Until cancel.c has its own. */
__attribute__((weak)) void thr_cancel_act(void) {
    libc_real(pthread_exit)(PTHREAD_CANCELED);
    __builtin_unreachable();
}
