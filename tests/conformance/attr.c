/* not under: ubsan */ /* passes a null pointer where the header says nonnull */
/* pthread_attr_*: what each accepts, refuses and remembers, function by function. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>

#include "../tap.h"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

static pthread_attr_t a;

/* A setter of one int, its getter, and a table of values. */
struct row {
    int value, want;
};
static const struct row detach_rows[] = {{PTHREAD_CREATE_JOINABLE, 0},
                                         {PTHREAD_CREATE_DETACHED, 0},
                                         {2, EINVAL},
                                         {-1, EINVAL},
                                         {0x7fffffff, EINVAL},
                                         {0, 0}};
static const struct row inherit_rows[] = {{PTHREAD_EXPLICIT_SCHED, 0}, {PTHREAD_INHERIT_SCHED, 0}, {2, EINVAL},
                                          {-1, EINVAL},                {PTHREAD_EXPLICIT_SCHED, 0}};
static const struct row policy_rows[] = {{SCHED_FIFO, 0},
                                         {SCHED_RR, 0},
                                         {SCHED_BATCH, EINVAL},
                                         {SCHED_IDLE, EINVAL},
                                         {-1, EINVAL},
                                         {4, EINVAL},
                                         {SCHED_OTHER, 0},
                                         {SCHED_DEADLINE, EINVAL},
                                         {SCHED_FIFO | SCHED_RESET_ON_FORK, EINVAL}};
static const struct row scope_rows[] = {
    {PTHREAD_SCOPE_SYSTEM, 0}, {PTHREAD_SCOPE_PROCESS, ENOTSUP}, {2, EINVAL}, {-1, EINVAL}};

static void table(const char *what, int (*set)(pthread_attr_t *, int),
                  int (*get)(const pthread_attr_t *, int *), const struct row *rows, size_t n) {
    int kept = 0, now;
    get(&a, &kept);
    for (size_t i = 0; i < n; i++) {
        is(set(&a, rows[i].value), rows[i].want, "%s %d", what, rows[i].value);
        if (rows[i].want == 0)
            kept = rows[i].value;
        is(get(&a, &now), 0, "%s: get", what);
        is(now, kept, "%s after %d", what, rows[i].value);
    }
}
#define TABLE(name, set, get, rows) table(name, set, get, rows, sizeof rows / sizeof *rows)

static void stacks(void) {
    size_t size, start;
    void *at;
    struct rlimit limit;
    getrlimit(RLIMIT_STACK, &limit);
    is(pthread_attr_getstacksize(&a, &start), 0, "default stack size");
    if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur >= 1 << 20)
        is((long)start, (long)((limit.rlim_cur + 4095) & ~4095UL), "it is RLIMIT_STACK");
    static const struct {
        size_t size;
        int want;
    } sizes[] = {{0, EINVAL},     {1, EINVAL},           {16383, EINVAL}, {16384, 0},
                 {16385, 0},      {(size_t)1 << 40, 0}, {(size_t)-1, 0}, {1 << 20, 0}};
    size_t kept = start;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        is(pthread_attr_setstacksize(&a, sizes[i].size), sizes[i].want, "stack size %zu", sizes[i].size);
        if (sizes[i].want == 0)
            kept = sizes[i].size;
        pthread_attr_getstacksize(&a, &size);
        is((long)size, (long)kept, "stack size after it");
    }
    static char memory[1 << 16];
    is(pthread_attr_setstack(&a, memory, 16383), EINVAL, "a small stack");
    is(pthread_attr_setstack(&a, memory, 0), EINVAL, "no stack");
    is(pthread_attr_setstack(&a, memory, sizeof memory), 0, "a stack");
    is(pthread_attr_getstack(&a, &at, &size), 0, "read back");
    ok(at == memory && size == sizeof memory, "the same");
    is(pthread_attr_getstackaddr(&a, &at), 0, "as an address");
    ok(at == memory + sizeof memory, "its upper end");
    is(pthread_attr_setstackaddr(&a, memory + 32768), 0, "an address");
    pthread_attr_getstackaddr(&a, &at);
    ok(at == memory + 32768, "read back");

    is(pthread_attr_getguardsize(&a, &size), 0, "guard size");
    is((long)size, sysconf(_SC_PAGESIZE), "one page");
    static const size_t guards[] = {0, 1, 4095, 4096, 1 << 20, (size_t)-1};
    for (size_t i = 0; i < sizeof guards / sizeof *guards; i++) {
        is(pthread_attr_setguardsize(&a, guards[i]), 0, "guard size %zu", guards[i]);
        pthread_attr_getguardsize(&a, &size);
        is((long)size, (long)guards[i], "read back");
    }
}

static void priorities(void) {
    static const struct {
        int policy, priority, want;
    } rows[] = {{SCHED_OTHER, 0, 0},       {SCHED_OTHER, 1, EINVAL}, {SCHED_OTHER, -1, EINVAL},
                {SCHED_FIFO, 0, EINVAL},   {SCHED_FIFO, 1, 0},       {SCHED_FIFO, 99, 0},
                {SCHED_FIFO, 100, EINVAL}, {SCHED_RR, 50, 0},        {SCHED_RR, -5, EINVAL}};
    struct sched_param p;
    int kept = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        p.sched_priority = rows[i].priority;
        is(pthread_attr_setschedpolicy(&a, rows[i].policy), 0, "policy %d", rows[i].policy);
        is(pthread_attr_setschedparam(&a, &p), rows[i].want, "policy %d priority %d", rows[i].policy,
           rows[i].priority);
        if (rows[i].want == 0)
            kept = rows[i].priority;
        p.sched_priority = -99;
        is(pthread_attr_getschedparam(&a, &p), 0, "read back");
        is(p.sched_priority, kept, "the last good one");
    }
}

static void cpu_sets(void) {
    cpu_set_t set, got, full, *volatile none = NULL; /* the prototype says nonnull */
    char big[256], small[4];
    memset(&full, 0xff, sizeof full);
    memset(&got, 0, sizeof got);
    is(pthread_attr_getaffinity_np(&a, sizeof got, &got), 0, "no CPU set");
    ok(CPU_EQUAL(&got, &full), "means all");
    CPU_ZERO(&set);
    CPU_SET(3, &set);
    is(pthread_attr_setaffinity_np(&a, sizeof set, &set), 0, "a CPU set");
    memset(big, 0xaa, sizeof big);
    is(pthread_attr_getaffinity_np(&a, sizeof big, (cpu_set_t *)big), 0, "into a larger one");
    int rest = 0;
    for (size_t i = sizeof set; i < sizeof big; i++)
        rest |= big[i];
    ok(memcmp(big, &set, sizeof set) == 0 && rest == 0, "the rest is empty");
    is(pthread_attr_getaffinity_np(&a, sizeof small, (cpu_set_t *)(void *)small), 0,
       "into a smaller one that suffices");
    is(small[0], 8, "the set");
    CPU_SET(200, &set);
    is(pthread_attr_setaffinity_np(&a, sizeof set, &set), 0, "another CPU set");
    is(pthread_attr_getaffinity_np(&a, sizeof small, (cpu_set_t *)(void *)small), EINVAL, "too small a set");
    memset(big, 0, sizeof big);
    big[255] = 1;
    is(pthread_attr_setaffinity_np(&a, sizeof big, (cpu_set_t *)big), 0, "a large set");
    is(pthread_attr_getaffinity_np(&a, sizeof got, &got), EINVAL, "into a plain one");
    is(pthread_attr_setaffinity_np(&a, 0, &set), 0, "size 0");
    is(pthread_attr_getaffinity_np(&a, sizeof got, &got), 0, "is none");
    ok(CPU_EQUAL(&got, &full), "all again");
    is(pthread_attr_setaffinity_np(&a, sizeof set, &set), 0, "set");
    is(pthread_attr_setaffinity_np(&a, sizeof set, none), 0, "NULL");
    pthread_attr_getaffinity_np(&a, sizeof got, &got);
    ok(CPU_EQUAL(&got, &full), "is none");
}

static void masks(void) {
    sigset_t mask, got;
    sigfillset(&got);
    is(pthread_attr_getsigmask_np(&a, &got), PTHREAD_ATTR_NO_SIGMASK_NP, "no signal mask");
    ok(sigismember(&got, SIGINT) == 0, "the set is emptied");
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    is(pthread_attr_setsigmask_np(&a, &mask), 0, "a mask");
    is(pthread_attr_getsigmask_np(&a, &got), 0, "read back");
    ok(sigismember(&got, SIGUSR1) == 1 && sigismember(&got, SIGUSR2) == 0, "the same");
    memset(&mask, 0xff, sizeof mask);
    is(pthread_attr_setsigmask_np(&a, &mask), 0, "all signals");
    pthread_attr_getsigmask_np(&a, &got);
    unsigned long word;
    memcpy(&word, &got, sizeof word);
    ok((word & 3UL << 31) == 0 && (word | 3UL << 31) == ~0UL, "but the two of the libc");
    is(pthread_attr_setsigmask_np(&a, NULL), 0, "none again");
    is(pthread_attr_getsigmask_np(&a, &got), PTHREAD_ATTR_NO_SIGMASK_NP, "none");
}

int main(void) {
    errno = 77;
    memset(&a, 0x5a, sizeof a);
    is(pthread_attr_init(&a), 0, "init");
    int n;
    pthread_attr_getdetachstate(&a, &n);
    is(n, PTHREAD_CREATE_JOINABLE, "joinable");
    pthread_attr_getinheritsched(&a, &n);
    is(n, PTHREAD_INHERIT_SCHED, "inherits scheduling");
    pthread_attr_getschedpolicy(&a, &n);
    is(n, SCHED_OTHER, "SCHED_OTHER");
    pthread_attr_getscope(&a, &n);
    is(n, PTHREAD_SCOPE_SYSTEM, "system scope");

    TABLE("detachstate", pthread_attr_setdetachstate, pthread_attr_getdetachstate, detach_rows);
    TABLE("inheritsched", pthread_attr_setinheritsched, pthread_attr_getinheritsched, inherit_rows);
    TABLE("policy", pthread_attr_setschedpolicy, pthread_attr_getschedpolicy, policy_rows);
    TABLE("scope", pthread_attr_setscope, pthread_attr_getscope, scope_rows);
    stacks();
    priorities();
    cpu_sets();
    masks();
    is(errno, 77, "errno is as it was");
    is(pthread_attr_destroy(&a), 0, "destroy");
    is(pthread_attr_init(&a), 0, "init again");
    is(pthread_attr_destroy(&a), 0, "destroy again");
    return done();
}
