/*
 * Calls on files that are made at once while that is quick: by nobody else then, and one that is not quick
 * holds up the others of its cpu once only.
 *
 * What is slow here is the opening of a file that somebody has leased: the kernel lets it wait until the lease
 * is given back.
 */
#include <errno.h>
#include <fcntl.h>
#include <mn.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tap.h"

enum { OPENERS = 20, CALLS = 1000 };

static char name[64], leased_name[64];

static uint64_t by_pool(void) {
    struct mn_pool_use use;
    return mn_stats_pool(MN_POOL_FILE, &use, sizeof use) == 0 ? use.done : 0;
}

/* How many openers are with the pool. */
static unsigned in_pool(void) {
    struct mn_pool_use use;
    return mn_stats_pool(MN_POOL_FILE, &use, sizeof use) == 0 ? (unsigned)(use.running + use.queued) : 0;
}

/* Calls until the pool was left alone by one, unless it never is. */
static int until_at_once(int fd, int *wrong) {
    for (int i = 1; i <= CALLS; i++) {
        uint64_t before = by_pool();
        *wrong += mn_write(fd, "x", 1) != 1;
        if (by_pool() == before)
            return i;
    }
    return 0;
}

static void writes(bool quick) {
    int wrong = 0, fd = mn_open(name, O_CREAT | O_WRONLY | O_APPEND, 0600);
    ok(fd >= 0, "a file");
    int n = until_at_once(fd, &wrong);
    ok((n > 0) == quick && wrong == 0, quick ? "one of %d writes was made at once" : "none of %d was",
       n ? n : CALLS);
    is(mn_close(fd), 0, "close");
    is(mn_unlink(name), 0, "unlink");
}

/* A slow one, or the machine, may have sent them to the pool for a while. */
static bool names_at_once(void) {
    for (int i = 0; i < 30 * CALLS; i++) {
        uint64_t before = by_pool();
        mn_unlink(name);
        if (by_pool() == before)
            return true;
        mn_sleep(100000);
    }
    return false;
}

static uint32_t begun, opened;

static void *opens(void *arg) {
    __atomic_add_fetch(&begun, 1, __ATOMIC_RELEASE);
    int fd = mn_open(leased_name, O_CREAT | O_RDWR, 0600);
    if (fd >= 0)
        __atomic_add_fetch(&opened, 1, __ATOMIC_RELEASE);
    mn_close(fd);
    return arg;
}

static void waits(void) {
    int fd = mn_open(leased_name, O_CREAT | O_RDWR, 0600);
    if (fcntl(fd, F_SETLEASE, F_WRLCK) != 0) {
        skip("no leases here");
        mn_close(fd);
        return;
    }
    ok(names_at_once(), "names are made at once");
    mn_thread t[OPENERS];
    int started = 0, woken = 0;
    for (int i = 0; i < OPENERS; i++) {
        started += mn_go(&t[i], opens, NULL) == 0;
        for (int k = 0; k < 5; k++)
            mn_yield(); /* it begins; while it holds up this cpu, this does not return */
    }
    is(started, OPENERS, "threads that open a leased file are started");
    while (__atomic_load_n(&begun, __ATOMIC_ACQUIRE) < OPENERS)
        mn_sleep(1000000);
    mn_sleep(500000000); /* 32 times as long would be 16 seconds */
    unsigned lost = OPENERS - in_pool();
    if (getenv("MN_SHAKE") || mn_workers() >= OPENERS / 2)
        skip("a cpu may have lost its worker to somebody else than sysmon, or there are many");
    else
        ok(lost < OPENERS / 2, "%u threads that wait in open took %u cpus", OPENERS, lost);
    is(__atomic_load_n(&opened, __ATOMIC_ACQUIRE), 0, "none has got it");
    is(fcntl(fd, F_SETLEASE, F_UNLCK), 0, "the lease is given back");
    for (int i = 0; i < OPENERS; i++)
        woken += mn_join(t[i], NULL) == 0;
    ok(woken == OPENERS && opened == OPENERS, "all have opened it");
    mn_close(fd);
    mn_unlink(leased_name);
    int wrong = 0;
    fd = mn_open(name, O_CREAT | O_WRONLY, 0600);
    ok(until_at_once(fd, &wrong) > 0 && wrong == 0, "writes are made at once meanwhile and after");
    mn_close(fd);
    int64_t from = mn_now();
    ok(names_at_once() && mn_now() - from < 5000000000, "so are names again, soon");
    mn_unlink(name);
}

static int quick(void *arg) {
    (void)arg;
    writes(true);
    waits();
    return 0;
}

static int never(void *arg) {
    (void)arg;
    writes(false);
    return 0;
}

/* The limit's signal would end the process. */
static int limited(void *arg) {
    (void)arg;
    int wrong = 0, fd = mn_open(name, O_CREAT | O_WRONLY, 0600);
    for (int i = 0; i < CALLS; i++) {
        wrong += mn_pwrite(fd, "x", 1, 100000) != -EFBIG;
        wrong += mn_ftruncate(fd, 100000) != -EFBIG;
        wrong += mn_pwrite(fd, "x", 1, 0) != 1;
    }
    is(wrong, 0, "writes past the largest size of a file fail");
    is(mn_close(fd), 0, "close");
    is(mn_unlink(name), 0, "unlink");
    return 0;
}

static void under_limit(void) {
    struct rlimit old, small = {65536, 65536};
    getrlimit(RLIMIT_FSIZE, &old);
    small.rlim_max = old.rlim_max;
    setrlimit(RLIMIT_FSIZE, &small);
    unsetenv("ODONATA_DISABLE");
    is(mn_run(limited, NULL, NULL), 0, "one with files of a limited size");
    setrlimit(RLIMIT_FSIZE, &old);
}

int main(void) {
    signal(SIGIO, SIG_IGN); /* the lease is wanted back */
    snprintf(name, sizeof name, "./mn-quick-%ld", (long)getpid());
    snprintf(leased_name, sizeof leased_name, "./mn-quick-%ld-leased", (long)getpid());
    is(mn_run(quick, NULL, NULL), 0, "a runtime");
    setenv("ODONATA_DISABLE", "quick,rwf_nowait", 1);
    is(mn_run(never, NULL, NULL), 0, "one without");
    setenv("ODONATA_DISABLE", "rwf_nowait", 1);
    const struct mn_config bare = {.workers = 1, .max_lwps = 1};
    is(mn_run(never, NULL, &bare), 0, "one that gives no cpu another LWP");
    under_limit();
    return done();
}
