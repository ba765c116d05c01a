/*
 * How the kernel sees a thread: one task each while it lives, ids of their own, robust list and rseq registered
 * as for any thread of the libc, a working CPU clock, directories in /proc.
 */
#include "life.h"

#include <execinfo.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/prctl.h>

enum { N = 16 };

struct lwp {
    long tid, ppid, pid;
    void *robust;
    size_t robust_len;
    int task_dir, cpu;
    pthread_t self;
    char comm[32];
    clockid_t clock;
    int clock_error;
};

static sem_t ready;
static struct event gate = EVENT_INIT;

static void *stay(void *arg) {
    struct lwp *l = arg;
    char path[64];
    l->tid = gettid_raw();
    l->pid = getpid();
    l->ppid = getppid();
    syscall(SYS_get_robust_list, 0, &l->robust, &l->robust_len);
    snprintf(path, sizeof path, "/proc/self/task/%ld", l->tid);
    l->task_dir = access(path, F_OK) == 0;
    l->self = pthread_self();
    l->cpu = sched_getcpu();
    l->clock_error = pthread_getcpuclockid(pthread_self(), &l->clock);
    sem_post(&ready);
    event_wait(&gate);
    return arg;
}

static void *gettid_only(void *arg) {
    *(long *)arg = gettid_raw();
    return arg;
}

static void *main_robust(void) {
    void *head = NULL;
    size_t len;
    syscall(SYS_get_robust_list, 0, &head, &len);
    return head;
}

/* Walks to its own start and stops there; what lies below must not be garbage. */
static void *depth[200];
static int levels;
static char **names;
__attribute__((noinline)) static int deeper(int n) {
    volatile int here = n;
    if (n == 0) {
        levels = backtrace(depth, 200);
        names = backtrace_symbols(depth, levels);
        return levels;
    }
    return deeper(n - 1) + here;
}
static void *trace(void *arg) {
    deeper(10);
    return arg;
}
static void *trace_main(void *arg) {
    *(int *)arg = backtrace(depth, 200);
    return arg;
}

/* A contended robust word: the kernel marks it when its owner's task ends.  By hand: without a robust mutex. */
static struct {
    struct robust_list_head head;
    struct robust_list entry;
    unsigned word;
} robust;
static void *die_holding(void *arg) {
    void *old = NULL;
    size_t len;
    syscall(SYS_get_robust_list, 0, &old, &len);
    robust.head.list.next = &robust.entry;
    robust.head.futex_offset = offsetof(struct { struct robust_list e; unsigned w; }, w);
    robust.entry.next = &robust.head.list;
    robust.word = (unsigned)gettid_raw() | FUTEX_WAITERS;
    *(int *)arg = (int)syscall(SYS_set_robust_list, &robust.head, sizeof robust.head);
    return NULL;
}

int main(void) {
    static struct lwp l[N];
    pthread_t t[N];
    sem_init(&ready, 0, 0);
    int before = count_tasks();
    is(before, 1, "one task before the first thread");
    for (int i = 0; i < N; i++)
        t[i] = must_create(NULL, stay, &l[i]);
    for (int i = 0; i < N; i++)
        while (sem_wait(&ready))
            ;
    if (parked_allowed())
        ok(count_tasks() >= N + 1, "at least a task for each of %d threads", N);
    else
        is(count_tasks(), N + 1, "%d threads are %d tasks more", N, N);
    /* What the library keeps besides must not show as running. */
    int distinct = 1, robusts = 1, pids = 1, dirs = 1, self = 1, clocks = 1;
    for (int i = 0; i < N; i++) {
        for (int k = 0; k < i; k++) {
            distinct &= l[i].tid != l[k].tid && l[i].tid != getpid();
            robusts &= l[i].robust != l[k].robust;
            self &= !pthread_equal(t[i], t[k]);
        }
        robusts &= l[i].robust != NULL && l[i].robust_len == sizeof(struct robust_list_head);
        pids &= l[i].pid == getpid() && l[i].ppid == getppid();
        dirs &= l[i].task_dir;
        self &= pthread_equal(l[i].self, t[i]) != 0 && !pthread_equal(t[i], pthread_self());
        struct timespec ts = {-1, -1};
        clockid_t c;
        clocks &= l[i].clock_error == 0 && pthread_getcpuclockid(t[i], &c) == 0 && clock_gettime(c, &ts) == 0 &&
                  ts.tv_sec == 0;
    }
    ok(distinct, "their ids differ from one another and from the process's");
    if (main_robust())
        ok(robusts, "each has a robust list of its own registered");
    else
        skip("the libc registers no robust lists");
    ok(pids, "each has the process's pid and parent");
    ok(dirs, "each has its directory in /proc/self/task");
    ok(self, "pthread_self() inside equals the handle outside, and no other");
    ok(clocks, "each one's CPU clock can be read from outside, and is near zero");
    event_set(&gate);
    for (int i = 0; i < N; i++)
        must_join(t[i]);
    if (parked_allowed())
        ok(settle_tasks(N + 1) <= N + 1, "after the joins: main, and parked LWPs at most as many");
    else
        is(settle_tasks(1), 1, "after the joins, one task");

    /* Threads: in status, as ps shows it. */
    long a = 0, b = 0;
    pthread_t x = must_create(NULL, gettid_only, &a), y = must_create(NULL, gettid_only, &b);
    must_join(x);
    must_join(y);
    ok(a != b || parked_allowed(), "two threads have two ids");

    if (sanitized()) {
        skip("backtrace through the tool's frames");
    } else {
        for (int round = 0; round < 2; round++) {
            must_join(must_create(NULL, trace, NULL));
            ok(levels >= 12 && levels <= 12 + 6, "backtrace() in a thread ends at its start (%d levels)",
               levels);
            int bad = 0;
            for (int i = 0; i < levels - 1; i++)
                bad += depth[i] == NULL;
            is(bad, 0, "without an empty level");
            if (levels > 18)
                for (int i = 0; i < levels && i < 40; i++)
                    printf("# %s\n", names[i]);
            free(names);
            names = NULL;
        }
        int n = 0;
        trace_main(&n);
        ok(n >= 2, "backtrace() in main");
    }

    int r = -1;
    must_join(must_create(NULL, die_holding, &r));
    is(r, 0, "a thread registers a robust list of its own");
    for (int i = 0; i < 2000 && !(robust.word & FUTEX_OWNER_DIED); i++)
        usleep(1000);
    ok(robust.word & FUTEX_OWNER_DIED, "the kernel marks its word when it ends (%#x)", robust.word);
    must_join(must_create(NULL, do_nothing, NULL));
    return done();
}
