/* Threads that make no call for long are reported, with where they are; others are not. */
#include <errno.h>
#include <mn.h>
#include <poll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tap.h"

enum { PATIENCE_S = 20, MOST = 8, SPAN_NS = 50000000 };
#define AGAIN_NS 3000000000l

static struct {
    mn_thread thread;
    char name[32];
    void *(*fn)(void *);
    int64_t span;
    int lwp, blocked, depth;
    bool here; /* the function is in the backtrace */
} seen[MOST];
/* Reports: of the threads under test, of the main one, of the one that calls. */
static uint32_t count, mains, callers;
static int told[2]; /* a pipe: a byte for each report */

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000l + t.tv_nsec;
}

static void report(const struct mn_stall *s, void *arg) {
    uint32_t n = count;
    if (arg != &count || n >= MOST)
        return;
    if (!strcmp(s->name, "main")) {
        /* On a busy machine its LWP may stand still for that long between two calls. */
        __atomic_add_fetch(&mains, 1, __ATOMIC_RELEASE);
        return;
    }
    if (!strcmp(s->name, "calls")) {
        __atomic_add_fetch(&callers, 1, __ATOMIC_RELEASE);
        return;
    }
    seen[n].thread = s->thread;
    snprintf(seen[n].name, sizeof seen[n].name, "%s", s->name);
    seen[n].fn = s->fn;
    seen[n].span = s->span;
    seen[n].lwp = s->lwp;
    seen[n].blocked = s->blocked;
    seen[n].depth = s->depth;
    for (int i = 0; i < s->depth; i++) {
        size_t into = (size_t)((char *)s->pcs[i] - (char *)s->fn);
        seen[n].here |= into < 4096; /* none of its callers is of this program */
    }
    __atomic_store_n(&count, n + 1, __ATOMIC_RELEASE);
    if (write(told[1], "", 1) != 1)
        abort();
}

static uint32_t up_to;

/*
 * Both until they have been reported.  That may have been left out, since another was reported a moment before:
 * then a call begins another stall.
 */
__attribute__((noinline)) static void *computes(void *arg) {
    int64_t began = now(), again = began + AGAIN_NS, end = began + PATIENCE_S * 1000000000l;
    while (__atomic_load_n(&count, __ATOMIC_ACQUIRE) < up_to && now() < end)
        if (now() > again) {
            mn_unpark(mn_self());
            again += AGAIN_NS;
        }
    return arg;
}

__attribute__((noinline)) static void *sleeps(void *arg) {
    int64_t end = now() + PATIENCE_S * 1000000000l;
    struct pollfd p = {told[0], POLLIN, 0};
    struct timespec again = {AGAIN_NS / 1000000000, 0};
    /* Not poll(): sanitizers have one of their own, whose frame cannot be found by the stack pointer alone. */
    while (syscall(SYS_ppoll, &p, 1, &again, NULL, 0) == 0 && now() < end) {
        mn_unpark(mn_self());
        again.tv_sec = AGAIN_NS / 1000000000; /* the kernel has stored what was left */
    }
    return arg;
}

/* The longest between two calls: on a busy machine its LWP may stand still for a while. */
static int64_t pause_ns;

/* It calls, and never blocks. */
static void *calls(void *arg) {
    int64_t last = now(), end = last + 2 * SPAN_NS;
    while (last < end) {
        mn_unpark(mn_self());
        int64_t t = now();
        if (t - last > pause_ns)
            pause_ns = t - last;
        last = t;
    }
    return arg;
}

static uint32_t reports(void) {
    return __atomic_load_n(&count, __ATOMIC_ACQUIRE) + __atomic_load_n(&mains, __ATOMIC_ACQUIRE) +
           __atomic_load_n(&callers, __ATOMIC_ACQUIRE);
}

static void drain(void) {
    char byte;
    for (struct pollfd p = {told[0], POLLIN, 0}; poll(&p, 1, 0) == 1;)
        if (read(told[0], &byte, 1) != 1)
            abort();
}

static void one(const char *name, void *(*fn)(void *), int blocked, bool beside) {
    mn_thread t;
    uint32_t n = count;
    struct mn_attr attr = {.name = name};
    up_to = n + 1;
    if (reports() > 0)
        mn_sleep(1100000000); /* one report a second */
    drain();
    ok(mn_go_attr(&t, &attr, fn, NULL) == 0, "%s", name);
    while (beside && __atomic_load_n(&count, __ATOMIC_ACQUIRE) == n)
        mn_sleep(1000000); /* its CPU is handed over */
    mn_join(t, NULL);
    if (!ok(count == n + 1, "%s: reported once", name) || n >= MOST)
        return;
    ok(seen[n].thread == t && !strcmp(seen[n].name, name) && seen[n].fn == fn, "%s: by name and function",
       name);
    ok(seen[n].span >= SPAN_NS && seen[n].lwp > 0, "%s: for long enough", name);
    is(seen[n].blocked, blocked, "%s: in the kernel or not", name);
#if !defined(__SANITIZE_THREAD__)
    ok(seen[n].depth > 0 && seen[n].here, "%s: where it is (%d frames)", name, seen[n].depth);
#endif
}

static int test(void *arg) {
    (void)arg;
    is(mn_on_stall(-1, report, NULL), -EINVAL, "a negative span");
    is(mn_on_stall(999999, report, NULL), -EINVAL, "too short");
    is(mn_on_stall(SPAN_NS, report, &count), 0, "50 ms");
    mn_thread t;
    mn_go_attr(&t, &(struct mn_attr){.name = "calls"}, calls, NULL);
    mn_join(t, NULL);
    ok(__atomic_load_n(&callers, __ATOMIC_ACQUIRE) == 0 || pause_ns > SPAN_NS / 2,
       "who calls is not reported, though it never blocks");
    one("computes", computes, 0, false);
    one("computes beside others", computes, 0, true);
    one("sleeps", sleeps, 1, true);
    struct mn_lwps l;
    ok(mn_stats_lwps(&l, sizeof l) == 0 && l.stalls >= 3 && l.now >= mn_workers() && l.most >= l.now,
       "counted");
    is(mn_stats_lwps(&l, 8), -EINVAL, "a structure that is too small");
    is(mn_on_stall(0, report, &count), 0, "off");
    mn_sleep(100000000); /* for a look that is under way */
    mn_stats_lwps(&l, sizeof l);
    uint32_t before = reports();
    uint64_t stalls = l.stalls;
    for (int64_t end = now() + 4 * SPAN_NS; now() < end;)
        continue;
    mn_stats_lwps(&l, sizeof l);
    ok(reports() == before && l.stalls == stalls, "nothing is reported then");
    return 0;
}

int main(void) {
    struct mn_lwps l;
    if (pipe(told) < 0)
        return 1;
    is(mn_stats_lwps(&l, sizeof l), -EPERM, "no runtime");
    ok(mn_run(test, NULL, NULL) == 0, "the runtime ends");
    return done();
}
