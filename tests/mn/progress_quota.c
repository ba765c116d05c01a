/* workers: 2 */
/*
 * A CPU quota that changes while the program runs is followed: with less than a worker for each CPU, the others
 * rest, and threads that are pinned to those go on.  The control groups are made up, in a directory.
 */
#include <mn.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tap.h"

enum { PATIENCE_S = 30 };
static char root[] = "/tmp/progress_quota.XXXXXX";
static uint32_t stop;
static unsigned long pinned;

static void put(const char *path, const char *text) {
    char full[128];
    snprintf(full, sizeof full, "%s/%s", root, path);
    FILE *f = fopen(full, "w");
    if (f) {
        fputs(text, f);
        fclose(f);
    }
}

static void dir(const char *path) {
    char full[128];
    snprintf(full, sizeof full, "%s/%s", root, path);
    mkdir(full, 0777);
}

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000l + t.tv_nsec;
}

static void *yields(void *arg) {
    while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE))
        mn_yield();
    return arg;
}

static void *sleeps(void *arg) {
    while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
        mn_sleep(1000000);
        __atomic_add_fetch(&pinned, 1, __ATOMIC_RELEASE);
    }
    return arg;
}

/*
 * The share of the last CPU in the switches: one that rests switches for the sleeper, and for threads that it
 * gives away; one that works does about half.  While the machine is busy with others, either may stand still:
 * it is looked at until it is so.
 */
static bool works(void) {
    struct mn_stats_cpu a[64], b[64];
    uint64_t all = 0, last;
    int n = mn_stats(a, 64, sizeof *a);
    do {
        mn_sleep(10000000);
        mn_stats(b, 64, sizeof *b);
        all = 0;
        for (int i = 0; i < n; i++)
            all += b[i].switches - a[i].switches;
        last = b[n - 1].switches - a[n - 1].switches;
    } while (all < 20000);
    return last > all / 10;
}

static bool comes(bool wanted) {
    int64_t end = now() + PATIENCE_S * 1000000000l;
    while (works() != wanted)
        if (now() > end)
            return false;
    return true;
}

static int test(void *arg) {
    (void)arg;
    mn_thread t[8], last;
    unsigned cpus = mn_workers();
    if (cpus < 2) {
        skip("one CPU");
        return 0;
    }
    struct mn_attr attr = {.flags = MN_PINNED | MN_CPU, .cpu = cpus - 1};
    for (int i = 0; i < 8; i++)
        mn_go(&t[i], yields, NULL);
    ok(mn_go_attr(&last, &attr, sleeps, NULL) == 0, "a thread that is pinned to the last CPU");
    ok(comes(true), "all CPUs work");
    put("cg/cpu.max", "100000 100000\n");
    ok(comes(false), "with a quota of one CPU the last rests");
    unsigned long before = __atomic_load_n(&pinned, __ATOMIC_ACQUIRE);
    int64_t end = now() + PATIENCE_S * 1000000000l;
    while (__atomic_load_n(&pinned, __ATOMIC_ACQUIRE) == before && now() < end)
        mn_yield();
    ok(__atomic_load_n(&pinned, __ATOMIC_ACQUIRE) != before, "but for the thread that is pinned to it");
    put("cg/cpu.max", "max 100000\n");
    ok(comes(true), "without a quota it works again");
    __atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
    for (int i = 0; i < 8; i++)
        mn_join(t[i], NULL);
    ok(mn_join(last, NULL) == 0, "all end");
    return 0;
}

int main(void) {
    char command[128];
    if (!mkdtemp(root))
        return 1;
    dir("proc"), dir("proc/self"), dir("cg");
    put("proc/self/cgroup", "0::/\n");
    put("proc/self/mountinfo", "30 20 0:25 / /cg rw - cgroup2 cgroup2 rw\n");
    put("cg/cpu.max", "max 100000\n");
    setenv("ODONATA_QUOTA_ROOT", root, 1);
    unsetenv("MN_WORKERS");
    ok(mn_run(test, NULL, NULL) == 0, "the runtime ends");
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command) || done();
}
