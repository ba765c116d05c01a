/*
 * The same test with green threads, with foreign LWPs, and with both: kinds() runs it three times.
 *
 *     static void test(void) { struct runner r; start(&r, fn, arg); ... finish(&r); }
 *     int main(void) { kinds(test); return done(); }
 */
#ifndef KINDS_H
#define KINDS_H

#include <mn.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <time.h>

#include "tap.h"

enum kind { GREEN, FOREIGN, MIXED };
static enum kind kind;
static const char *const kind_name[] = {"green", "foreign", "mixed"};
static unsigned started; /* of a mixed test: every other is foreign */

struct runner {
    bool green;
    mn_thread thread;
    pthread_t lwp;
    void *(*fn)(void *);
    void *arg, *result;
    int tid, ended; /* of the LWP */
};

static inline int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000l + t.tv_nsec;
}

static inline int64_t after_ms(int ms) {
    return now() + ms * 1000000l;
}

/* Sleeps, as a green thread or as a foreign LWP. */
static inline void nap_ms(int ms) {
    mn_select(NULL, 0, after_ms(ms));
}

static void *runner_lwp(void *arg) {
    struct runner *r = arg;
    __atomic_store_n(&r->tid, (int)syscall(SYS_gettid), __ATOMIC_RELEASE);
    r->result = r->fn(r->arg);
    __atomic_store_n(&r->ended, 1, __ATOMIC_RELEASE);
    return NULL;
}

static inline void start(struct runner *r, void *(*fn)(void *), void *arg) {
    r->green = kind == GREEN || (kind == MIXED && __atomic_fetch_add(&started, 1, __ATOMIC_RELAXED) % 2);
    r->fn = fn;
    r->arg = arg;
    r->tid = r->ended = 0;
    if (r->green ? mn_go(&r->thread, fn, arg) < 0 : pthread_create(&r->lwp, NULL, runner_lwp, r) != 0)
        abort();
}

/* A green thread may not block its LWP: it looks now and then whether a foreign one has ended. */
static inline void *finish(struct runner *r) {
    if (r->green) {
        if (mn_join(r->thread, &r->result) < 0)
            abort();
        return r->result;
    }
    while (kind == MIXED && !__atomic_load_n(&r->ended, __ATOMIC_ACQUIRE))
        nap_ms(1);
    pthread_join(r->lwp, NULL);
    return r->result;
}

#if defined(__SANITIZE_THREAD__)
/* The tool does not bear dumps (dump.c).  Whether nobody but the caller runs or is ready, for a while. */
static inline bool thread_waits(mn_thread t) {
    struct mn_stats_cpu s[64];
    (void)t;
    for (int looks = 0; looks < 5; looks++, nap_ms(2)) {
        uint64_t others = 0;
        for (int i = 0, n = mn_stats(s, 64, sizeof *s); i < n; i++)
            others += s[i].running + s[i].ready;
        if (others > 1)
            return false;
    }
    return true;
}
#else
/* Whether a green thread waits: a dump says so. */
static inline bool thread_waits(mn_thread t) {
    static char text[1 << 16];
    char handle[40];
    FILE *f = tmpfile();
    if (!f || mn_dump(fileno(f)) < 0)
        abort();
    rewind(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    snprintf(handle, sizeof handle, " [0x%llx]", (unsigned long long)t);
    char *line = strstr(text, handle), *end = line ? strchr(line, '\n') : NULL;
    if (end)
        *end = '\0';
    return line && strstr(line, ": waits: ");
}
#endif

/* What an LWP sleeps for in the kernel, NULL: it does not. */
static inline char *lwp_sleeps(int tid, char text[256]) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/syscall", tid);
    FILE *f = fopen(path, "r");
    bool got = f && fgets(text, 256, f);
    if (f)
        fclose(f);
    return got && atoi(text) == SYS_futex ? text : NULL;
}

/* Until the thread waits, whatever for: to be called when it is about to. */
static inline void until_thread_waits(mn_thread t) {
    for (int64_t end = after_ms(20000); !thread_waits(t) && now() < end;)
        nap_ms(1);
}

/* The same of a runner; a foreign LWP sleeps for the same thing for a while. */
static inline void until_waits(struct runner *r) {
    char one[256], two[256];
    if (r->green) {
        until_thread_waits(r->thread);
        return;
    }
    for (int64_t end = after_ms(20000); now() < end; nap_ms(1)) {
        int tid = __atomic_load_n(&r->tid, __ATOMIC_ACQUIRE);
        if (tid && lwp_sleeps(tid, one) && (nap_ms(3), lwp_sleeps(tid, two)) && strcmp(one, two) == 0)
            return;
    }
}

static int kinds_main(void *arg) {
    (*(void (**)(void))arg)();
    return 0;
}

static inline void kinds(void (*test)(void)) {
    kind = FOREIGN;
    test();
    kind = GREEN;
    if (mn_run(kinds_main, &test, NULL) < 0)
        abort();
    kind = MIXED;
    if (mn_run(kinds_main, &test, NULL) < 0)
        abort();
}

static inline int kinds_nothing(void *arg) {
    return arg != NULL;
}

/* libmn looks at the environment as a runtime starts.  NULL: takes the variable out. */
static inline void set_environment(const char *name, const char *value) {
    if (value)
        setenv(name, value, 1);
    else
        unsetenv(name);
    if (mn_run(kinds_nothing, NULL, NULL) != 0)
        abort();
}

#endif
