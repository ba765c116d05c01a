/*
 * Stacks where the system gives less than usual: a limit on address space, locked memory, a kernel without
 * guard regions.  Spawning fails cleanly, nothing is lost, and what runs is guarded or said not to be.
 */
/* not under: asan tsan */
#include <errno.h>
#include <mn.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "mn/in_child.h"
#include "tap.h"

static int run(int (*body)(void)) {
    int status = run_child(body, 100);
    if (died(status, SIGALRM))
        printf("# timed out\n");
    return status;
}

/* ---- as many threads as there are stacks for */

enum { MOST = 200000 };
static mn_thread threads[MOST];
static struct mn_attr attr;

static void *parks(void *arg) {
    volatile char frame[2000];
    frame[0] = 1;
    mn_park("the end");
    return frame[0] ? arg : NULL;
}

/* Returns how many could be started; all of them run, end and are joined. */
static int fill(int most, int *error) {
    int n = 0;
    *error = 0;
    while (n < most && (*error = mn_go_attr(&threads[n], &attr, parks, &threads[n])) == 0)
        if (++n % 64 == 0)
            mn_yield();
    for (int i = 0; i < n; i++)
        mn_unpark(threads[i]);
    for (int i = 0; i < n; i++) {
        void *result;
        if (mn_join(threads[i], &result) != 0 || result != &threads[i])
            _exit(90);
    }
    return n;
}

static int until_full(void *arg) {
    int error, first = fill(MOST, &error);
    (void)arg;
    if (error != -ENOMEM || first < 100)
        return error == -ENOMEM ? 91 : 92;
    for (int round = 0; round < 3; round++) {
        int n = fill(MOST, &error);
        if (error != -ENOMEM || n < first - first / 10 - 4096 * (int)mn_workers()) /* so many free descriptors a CPU keeps */ {
            fprintf(stderr, "%d threads, before %d, error %d\n", n, first, error);
            return 93;
        }
    }
    fprintf(stderr, "%d threads\n", first);
    return 0;
}

static int address_space(void) {
    attr.stack = MN_STACK_64K;
    struct rlimit limit = {(rlim_t)4 << 30, (rlim_t)4 << 30};
    setrlimit(RLIMIT_AS, &limit);
    return mn_run(until_full, NULL, NULL);
}

static int no_room(void *arg) {
    (void)arg;
    return 0;
}

static int no_address_space(void) {
    struct rlimit limit = {(rlim_t)32 << 20, (rlim_t)32 << 20};
    setrlimit(RLIMIT_AS, &limit);
    int r = mn_run(no_room, NULL, NULL);
    return r == 0 || r == -ENOMEM || r == -EAGAIN ? 0 : 94;
}

static int some(void *arg) {
    int error;
    (void)arg;
    return fill(500, &error) == 500 ? 0 : 95;
}

static int locked(void) {
    attr.stack = MN_STACK_16K;
    if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0)
        return 77;
    return mn_run(some, NULL, NULL);
}

/* As a user whose locked memory is limited: an error that says so; and nothing is left of it. */
static int locked_little(void) {
    struct rlimit little = {64 << 10, 64 << 10};
    setrlimit(RLIMIT_MEMLOCK, &little);
    if (geteuid() == 0 && setuid(65534) != 0)
        return 77;
    setenv("MN_VERBOSE", "1", 1);
    if (mlockall(MCL_FUTURE) != 0)
        return 77;
    int r = mn_run(some, NULL, NULL);
    if (r != -ENOMEM && r != -EAGAIN)
        return 96;
    munlockall();
    return mn_run(some, NULL, NULL);
}

/* ---- overflows */

static volatile int never = -1;

static int __attribute__((noinline)) deeper(int n) {
    volatile char frame[500];
    frame[n % 500] = (char)n;
    return n == never ? 0 : deeper(n + 1) + frame[n % 500];
}

static void *overflows(void *arg) {
    (void)arg;
    return (void *)(long)deeper(0);
}

/* Over the end of its stack by some hundred bytes, then back. */
static void *slightly(void *arg) {
    volatile char *low = (char *)__builtin_frame_address(0);
    size_t left = (uintptr_t)low % 16384 - 4096;
    volatile char *frame = __builtin_alloca(left + 1000);
    for (size_t i = 0; i < 1200; i++)
        frame[i] = 1;
    return arg;
}

static int overflow(void *arg) {
    mn_thread t;
    (void)arg;
    mn_go_attr(&t, &attr, overflows, NULL);
    mn_join(t, NULL);
    return 0;
}

static int without_regions(void) {
    attr.stack = MN_STACK_16K;
    setenv("ODONATA_DISABLE", "guard,process_madvise,membarrier", 1);
    return mn_run(overflow, NULL, NULL);
}

static int overflow_after_many(void *arg) {
    int n = 0;
    (void)arg;
    while (n < 30000 && mn_go_attr(&threads[n], &attr, parks, NULL) == 0)
        if (++n % 64 == 0)
            mn_yield();
    mn_thread t;
    if (mn_go_attr(&t, &attr, slightly, NULL) != 0)
        return 96;
    mn_join(t, NULL);
    return 0;
}

static int beyond_the_guards(void) {
    attr.stack = MN_STACK_16K;
    setenv("ODONATA_DISABLE", "guard", 1);
    setenv("MN_WORKERS", "1", 1); /* another CPU may have kept a stack with a guard since the beginning */
    return mn_run(overflow_after_many, NULL, NULL);
}

int main(void) {
    ok(exited(run(address_space), 0), "a limit on address space: spawning fails, and works again");
    printf("# %s", text);
    ok(exited(run(no_address_space), 0), "no room at all is an error, or enough for a little");
    int status = run(locked);
    if (exited(status, 77))
        skip("memory cannot be locked here");
    else
        ok(exited(status, 0), "in locked memory");
    status = run(locked_little);
    if (exited(status, 77)) {
        skip("memory cannot be locked here");
    } else {
        ok(exited(status, 0), "locked memory that is limited is an error; afterwards there is none");
        ok(strstr(text, "RLIMIT_MEMLOCK") != NULL, "and it is said what was the matter");
    }
    ok(died(run(without_regions), SIGSEGV), "without guard regions an overflow is a fault");
    ok(strstr(text, "stack overflow: thread") != NULL, "and is reported");
    ok(died(run(beyond_the_guards), SIGABRT), "where there was no guard, it is noticed at the thread's end");
    ok(strstr(text, "no more guard zones") != NULL, "it was said that there is none");
    ok(strstr(text, "stack overflow, noticed") != NULL, "and whose stack it was");
    return done();
}
