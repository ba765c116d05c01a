/*
 * Start-up.
 *
 * The constructor runs before those of other libraries (initfirst) and does little: main's descriptor, the
 * environment, the fork handlers.  What the first thread needs is made by the first pthread_create.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "fork.h"
#include "libc.h"
#include "lwp.h"
#include "panic.h"
#include "stats.h"
#include "sys.h"
#include "thr.h"

__thread struct thr thr_tls __attribute__((tls_model("initial-exec"), visibility("hidden")));

int thr_verbose;
enum lwp_source lwp_source = LWP_LIBC;

/* Copies: programs that set their title (redis, stress-ng) overwrite the environment of the process. */
static char disabled[256]; /* ODONATA_DISABLE */
static char wanted[32];    /* ODONATA_LWP */
static uint32_t threads_ready;
static struct lock init_lock = {0, RANK_INIT};

intptr_t thr_tid_offset;

uint32_t thr_tid_slow(void) {
    struct thr *self = thr_self();
    if (self->tid == 0)
        self->tid = (uint32_t)sys(SYS_gettid);
    return self->tid;
}

bool thr_feature(const char *name) {
    for (const char *p = disabled; *p; p++) {
        const char *rest = p == disabled || p[-1] == ',' ? text_after(p, name) : NULL;
        if (rest && (*rest == ',' || *rest == 0))
            return false;
    }
    return true;
}

/* Which source of LWPs: the best that the libc allows, or a lesser one that was asked for. */
static void choose_source(void) {
    enum lwp_source best = libc_abi.known ? LWP_REUSE : LWP_LIBC;
    enum lwp_source ask = LWP_DEFAULT;
    if (strcmp(wanted, "libc") == 0)
        ask = LWP_LIBC;
    else if (strcmp(wanted, "own") == 0)
        ask = LWP_OWN;
    else if (strcmp(wanted, "reuse") == 0)
        ask = LWP_REUSE;
    else if (*wanted)
        notice("ODONATA_LWP=%s is none of libc, own, reuse; ignored", wanted);
    lwp_source = ask < best ? ask : best;
    const char *why = libc_abi.why ? libc_abi.why : "";
    if (lwp_source == LWP_REUSE && !lwp_identity_init()) {
        lwp_source = LWP_OWN;
        why = "a system call filter is in force";
    }
    if (lwp_source == LWP_REUSE && !lwp_pool_init()) {
        lwp_source = LWP_OWN;
        why = "no memory that is wiped in a child";
    }
    if (thr_verbose)
        notice("LWPs: %s%s%s%s",
               lwp_source == LWP_LIBC ? "made by the libc"
               : lwp_source == LWP_OWN ? "our own"
                                       : "our own, reused",
               *wanted ? " (ODONATA_LWP)" : "", *why ? "; nothing better because of: " : "", why);
}

int thr_init_threads(void) {
    if (likely(a32_load_acquire(&threads_ready))) /* pairs with the release below */
        return 0;
    int err = 0;
    lock_take(&init_lock);
    if (!a32_load(&threads_ready)) { /* relaxed: under the lock */
        err = libc_prime();
        if (!err) {
            choose_source();
            a32_store_release(&threads_ready, 1); /* pairs with the acquire above */
        }
    }
    lock_drop(&init_lock);
    return err;
}

void thr_init_lock_for_fork(void) {
    lock_take(&init_lock);
}

void thr_init_unlock_after_fork(void) {
    lock_drop(&init_lock);
}

void thr_init_in_child(void) {
    lock_drop(&init_lock);
    threads_ready = 0; /* the libc believes that it is single-threaded again */
}

/* initfirst means before the libc's own constructor: getenv() finds nothing yet. */
static const char *from_environment(char **env, const char *name) {
    for (; *env; env++) {
        const char *rest = text_after(*env, name);
        if (rest && *rest == '=')
            return rest + 1;
    }
    return NULL;
}

static void copy(char *to, size_t size, const char *from) {
    for (size_t i = 0; from && from[i] && i + 1 < size; i++)
        to[i] = from[i];
}

static void __attribute__((constructor)) start(int argc, char **argv, char **env) {
    (void)argc;
    (void)argv;
    const char *verbose = from_environment(env, "ODONATA_VERBOSE");
    thr_verbose = verbose && *verbose && !(verbose[0] == '0' && verbose[1] == 0);
    if (!getauxval(AT_SECURE)) {
        copy(disabled, sizeof disabled, from_environment(env, "ODONATA_DISABLE"));
        copy(wanted, sizeof wanted, from_environment(env, "ODONATA_LWP"));
    }
    stats_start();
    libc_init();
    thr_cancel_init();
    registry_init();
    fork_init();
}
