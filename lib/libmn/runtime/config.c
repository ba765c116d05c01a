/* config: what the program asked for, completed from the environment, and whether it makes sense. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <errno.h>
#include <mn/progress.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "cpuset.h"
#include "topo.h"

enum {
    SLICE_MAX = 60 * 1000 * 1000, /* us */
    SPIN_MAX = 1000 * 1000,       /* us */
    STALL_MAX = 24 * 3600 * 1000, /* ms */
    LWPS_MAX = 10000,
    LWP_IDLE_MAX = 24 * 3600 * 1000, /* ms */
};
#define THREADS_MAX ((uint64_t)1 << 30) /* of 64 KiB: half of the address space */

static const struct choice {
    const char *word;
    int value;
} stacks[] = {{"16K", MN_STACK_16K},
              {"64K", MN_STACK_64K},
              {"256K", MN_STACK_256K},
              {"1M", MN_STACK_1M},
              {NULL, 0}},
  deadlocks[] = {{"report", MN_DEADLOCK_REPORT},
                 {"abort", MN_DEADLOCK_ABORT},
                 {"off", MN_DEADLOCK_OFF},
                 {NULL, 0}},
  pins[] = {{"auto", 0}, {"yes", 1}, {"no", -1}, {NULL, 0}};

/* What is said of the first thing that is wrong. */
struct complaint {
    char *text; /* [128] */
    int result;
};

static void complain(struct complaint *c, const char *name, const char *value, const char *what) {
    if (c->result == 0)
        snprintf(c->text, 128, "%s=%.40s: %s", name, value, what);
    c->result = -EINVAL;
}

/* A variable's value; NULL: it is not set, or empty. */
static const char *variable(const char *name) {
    const char *v = getenv(name);
    return v && *v ? v : NULL;
}

/* A whole number of the environment; `otherwise` when it is not set, or no number from least to most. */
static int64_t number(struct complaint *c, const char *name, int64_t least, int64_t most, int64_t otherwise) {
    const char *v = variable(name);
    if (!v)
        return otherwise;
    const char *digits = v + (*v == '-' && least < 0);
    int64_t n = 0;
    bool good = *digits != '\0';
    for (const char *p = digits; *p && good; p++) {
        good = *p >= '0' && *p <= '9' && n <= most;
        n = n * 10 + (*p - '0');
    }
    n = digits > v ? -n : n;
    if (good && n >= least && n <= most)
        return n;
    char what[64];
    snprintf(what, sizeof what, "not a number from %ld to %ld", (long)least, (long)most);
    complain(c, name, v, what);
    return otherwise;
}

static int choice(struct complaint *c, const char *name, const struct choice *choices, const char *what) {
    const char *v = variable(name);
    if (!v)
        return 0;
    for (; choices->word; choices++) {
        if (strcasecmp(v, choices->word) == 0)
            return choices->value;
    }
    complain(c, name, v, what);
    return 0;
}

static void check_cpus(struct complaint *c, const char *name, const char *list) {
    struct mni_cpuset set;
    if (list && mni_cpuset_parse(&set, list) < 0)
        complain(c, name, list, "not a list of CPUs such as 0-3,8");
}

/* A field of the struct, which the program's author set. */
static void check_field(struct complaint *c, const char *name, int64_t value, int64_t least, int64_t most) {
    if (value >= least && value <= most)
        return;
    char v[32], what[64];
    snprintf(v, sizeof v, "%ld", (long)value);
    snprintf(what, sizeof what, "not from %ld to %ld", (long)least, (long)most);
    complain(c, name, v, what);
}

int mni_config_read(struct mn_config *out, const struct mn_config *config, char complaint[128]) {
    static const struct mn_config nothing;
    struct complaint c = {.text = complaint};
    struct mn_config o = config ? *config : nothing;
    complaint[0] = '\0';
    check_field(&c, "workers", o.workers, 0, MNI_WORKERS_MAX);
    check_cpus(&c, "cpus", o.cpus);
    check_field(&c, "stack", o.stack, 0, MN_STACK_1M);
    check_field(&c, "slice_us", o.slice_us, 0, SLICE_MAX);
    check_field(&c, "spin_us", o.spin_us, -1, SPIN_MAX);
    check_field(&c, "pin", o.pin, -1, 1);
    check_field(&c, "max_threads", o.max_threads > INT64_MAX ? INT64_MAX : (int64_t)o.max_threads, 0,
                THREADS_MAX);
    check_field(&c, "file_lwps", o.file_lwps, 0, LWPS_MAX);
    check_field(&c, "dns_lwps", o.dns_lwps, 0, LWPS_MAX);
    check_field(&c, "call_lwps", o.call_lwps, 0, LWPS_MAX);
    check_field(&c, "lwp_idle_ms", o.lwp_idle_ms, 0, LWP_IDLE_MAX);
    check_field(&c, "stall_ms", o.stall_ms, 0, STALL_MAX);
    check_field(&c, "deadlock", o.deadlock, 0, MN_DEADLOCK_OFF);
    check_field(&c, "max_lwps", o.max_lwps, 0, LWPS_MAX);
    if (!o.workers)
        o.workers = (unsigned)number(&c, "MN_WORKERS", 0, MNI_WORKERS_MAX, 0);
    if (!o.cpus) {
        o.cpus = variable("MN_CPUS");
        check_cpus(&c, "MN_CPUS", o.cpus);
    }
    if (!o.stack)
        o.stack = (enum mn_stack)choice(&c, "MN_STACK", stacks, "not 16K, 64K, 256K or 1M");
    if (!o.slice_us)
        o.slice_us = (unsigned)number(&c, "MN_SLICE_US", 0, SLICE_MAX, 0);
    if (!o.spin_us)
        o.spin_us = (int)number(&c, "MN_SPIN_US", -1, SPIN_MAX, 0);
    if (!o.pin)
        o.pin = choice(&c, "MN_PIN", pins, "not auto, yes or no");
    if (!o.max_threads)
        o.max_threads = (uint64_t)number(&c, "MN_MAX_THREADS", 0, THREADS_MAX, 0);
    if (!o.file_lwps)
        o.file_lwps = (unsigned)number(&c, "MN_FILE_LWPS", 0, LWPS_MAX, 0);
    if (!o.dns_lwps)
        o.dns_lwps = (unsigned)number(&c, "MN_DNS_LWPS", 0, LWPS_MAX, 0);
    if (!o.call_lwps)
        o.call_lwps = (unsigned)number(&c, "MN_CALL_LWPS", 0, LWPS_MAX, 0);
    if (!o.lwp_idle_ms)
        o.lwp_idle_ms = (unsigned)number(&c, "MN_LWP_IDLE_MS", 0, LWP_IDLE_MAX, 0);
    if (!o.stall_ms)
        o.stall_ms = (unsigned)number(&c, "MN_STALL_MS", 0, STALL_MAX, 0);
    if (!o.deadlock)
        o.deadlock = choice(&c, "MN_DEADLOCK", deadlocks, "not report, abort or off");
    if (!o.max_lwps)
        o.max_lwps = (unsigned)number(&c, "MN_MAX_LWPS", 0, LWPS_MAX, 0);
    if (!o.verbose)
        o.verbose = (int)number(&c, "MN_VERBOSE", 0, 9, 0);
    if (c.result == 0)
        *out = o;
    else
        out->verbose = o.verbose;
    return c.result;
}
