/* What happened, as letters: any thread notes, the first thread of a test looks. */
#ifndef TEST_TRACE_H
#define TEST_TRACE_H

#include <mn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "tap.h"

enum { TRACE_MOST = 1024, MS = 1000000 };
static _Atomic char trace[TRACE_MOST];
static atomic_int traced;

static inline void note(char c) {
    int at = atomic_fetch_add(&traced, 1);
    if (at < TRACE_MOST - 1)
        trace[at] = c;
}

static inline void forget_trace(void) {
    for (int i = 0; i < TRACE_MOST; i++)
        trace[i] = 0;
    traced = 0;
}

static inline const char *seen(void) {
    static char copy[TRACE_MOST];
    for (int i = 0; i < TRACE_MOST; i++)
        copy[i] = trace[i];
    return copy;
}

static inline bool is_seen(const char *want) {
    return strcmp(seen(), want) == 0;
}

/* Waits until that is so. */
static inline bool await_trace(bool (*so)(const char *want), const char *want) {
    for (int i = 0; i < 20000 && !so(want); i++)
        mn_sleep(MS);
    return ok(so(want), "%s: it went %s", want, seen());
}

#endif
