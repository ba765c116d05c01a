/* Threads that make no call for long are reported, with where they are; others are not. */
#include <errno.h>
#include <mn.h>
#include <time.h>
#include <unistd.h>

#include "tap.h"

enum { PATIENCE_S = 20, MOST = 8 };

static struct {
    mn_thread thread;
    char name[32];
    void *(*fn)(void *);
    int64_t span;
    int lwp, blocked, depth;
    bool here; /* the function is in the backtrace */
} seen[MOST];
static uint32_t count;

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000l + t.tv_nsec;
}

static void report(const struct mn_stall *s, void *arg) {
    uint32_t n = count;
    if (arg != &count || n >= MOST)
        return;
    seen[n].thread = s->thread;
    snprintf(seen[n].name, sizeof seen[n].name, "%s", s->name);
    seen[n].fn = s->fn;
    seen[n].span = s->span;
    seen[n].lwp = s->lwp;
    seen[n].blocked = s->blocked;
    seen[n].depth = s->depth;
    for (int i = 0; i < s->depth; i++) {
        size_t into = (size_t)((char *)s->pcs[i] - (char *)s->fn);
        seen[n].here |= into < 400;
    }
    __atomic_store_n(&count, n + 1, __ATOMIC_RELEASE);
}

static uint32_t up_to;

/* Until it has been reported. */
__attribute__((noinline)) static void *computes(void *arg) {
    int64_t end = now() + PATIENCE_S * 1000000000l;
    while (__atomic_load_n(&count, __ATOMIC_ACQUIRE) < up_to && now() < end)
        continue;
    return arg;
}

__attribute__((noinline)) static void *sleeps(void *arg) {
    int64_t end = now() + PATIENCE_S * 1000000000l;
    while (__atomic_load_n(&count, __ATOMIC_ACQUIRE) < up_to && now() < end)
        usleep(200000);
    return arg;
}

/* It calls, and never blocks. */
static void *calls(void *arg) {
    int64_t end = now() + 100000000;
    while (now() < end)
        mn_unpark(mn_self());
    return arg;
}

static void one(const char *name, void *(*fn)(void *), int blocked, bool beside) {
    mn_thread t, other = 0;
    uint32_t n = count;
    struct mn_attr attr = {.name = name};
    up_to = n + 1;
    ok(mn_go_attr(&t, &attr, fn, NULL) == 0, "%s", name);
    while (beside && __atomic_load_n(&count, __ATOMIC_ACQUIRE) == n)
        mn_sleep(1000000); /* its CPU is handed over */
    mn_join(t, NULL);
    (void)other;
    if (!ok(count == n + 1, "%s: reported once", name) || n >= MOST)
        return;
    ok(seen[n].thread == t && !strcmp(seen[n].name, name) && seen[n].fn == fn, "%s: by name and function", name);
    ok(seen[n].span >= 50000000 && seen[n].lwp > 0, "%s: for long enough", name);
    is(seen[n].blocked, blocked, "%s: in the kernel or not", name);
#if !defined(__SANITIZE_THREAD__)
    ok(seen[n].depth > 0 && seen[n].here, "%s: where it is (%d frames)", name, seen[n].depth);
#endif
    struct timespec ts = {1, 100000000}; /* one report a second */
    mn_sleep(ts.tv_sec * 1000000000l + ts.tv_nsec);
}

static int test(void *arg) {
    (void)arg;
    is(mn_on_stall(-1, report, NULL), -EINVAL, "a negative span");
    is(mn_on_stall(999999, report, NULL), -EINVAL, "too short");
    is(mn_on_stall(50000000, report, &count), 0, "50 ms");
    mn_thread t;
    mn_go(&t, calls, NULL);
    mn_join(t, NULL);
    is(count, 0, "who calls is not reported, though it never blocks");
    one("computes", computes, 0, false);
    one("computes beside others", computes, 0, true);
    one("sleeps", sleeps, 1, true);
    struct mn_lwps l;
    ok(mn_stats_lwps(&l, sizeof l) == 0 && l.stalls >= 3 && l.now >= mn_workers() && l.most >= l.now, "counted");
    is(mn_stats_lwps(&l, 8), -EINVAL, "a structure that is too small");
    is(mn_on_stall(0, NULL, NULL), 0, "off");
    up_to = count + 1;
    int64_t end = now() + 200000000;
    while (now() < end)
        continue;
    is(count, up_to - 1, "nothing is reported then");
    return 0;
}

int main(void) {
    struct mn_lwps l;
    is(mn_stats_lwps(&l, sizeof l), -EPERM, "no runtime");
    ok(mn_run(test, NULL, NULL) == 0, "the runtime ends");
    return done();
}
