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
    int ended;
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
    r->result = r->fn(r->arg);
    __atomic_store_n(&r->ended, 1, __ATOMIC_RELEASE);
    return NULL;
}

static inline void start(struct runner *r, void *(*fn)(void *), void *arg) {
    r->green = kind == GREEN || (kind == MIXED && __atomic_fetch_add(&started, 1, __ATOMIC_RELAXED) % 2);
    r->fn = fn;
    r->arg = arg;
    r->ended = 0;
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

#endif
