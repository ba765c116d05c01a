/*
 * The few lines that a plain C test needs: results in the Test Anything Protocol, read by tests/run.
 *
 *     int main(void) {
 *         ok(pthread_mutex_lock(&m) == 0, "lock");
 *         is(pthread_mutex_trylock(&m), EBUSY, "trylock of a held mutex");
 *         return done();
 *     }
 *
 * A test that cannot run here says skip("why") and returns done().  Thread safe: ok() may be called by any
 * thread.
 */
#ifndef TAP_H
#define TAP_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int tap_count, tap_failed;

static inline int tap_line(int passed, const char *format, va_list ap) {
    char name[400], line[512];
    vsnprintf(name, sizeof name, format, ap);
    int n = __sync_add_and_fetch(&tap_count, 1);
    if (!passed)
        __sync_add_and_fetch(&tap_failed, 1);
    int len = snprintf(line, sizeof line, "%s %d - %s\n", passed ? "ok" : "not ok", n, name);
    if (write(1, line, (size_t)len) != len)
        abort();
    return passed;
}

__attribute__((format(printf, 2, 3))) static inline int ok(int passed, const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    tap_line(passed, format, ap);
    va_end(ap);
    return passed;
}

__attribute__((format(printf, 3, 4))) static inline int is(long got, long want, const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    tap_line(got == want, format, ap);
    va_end(ap);
    if (got != want) {
        char line[128];
        int len = snprintf(line, sizeof line, "#   got %ld, want %ld\n", got, want);
        if (write(1, line, (size_t)len) != len)
            abort();
    }
    return got == want;
}

static inline void skip(const char *why) {
    int n = __sync_add_and_fetch(&tap_count, 1);
    char line[256];
    int len = snprintf(line, sizeof line, "ok %d # SKIP %s\n", n, why);
    if (write(1, line, (size_t)len) != len)
        abort();
}

/* A multiplier for the length of stress tests: 1 in ./check, more in ./check --long, less under slow tools. */
static inline double scale(void) {
    const char *s = getenv("ODONATA_TEST_SCALE");
    double v = s ? atof(s) : 1;
    return v > 0 ? v : 1;
}

static inline int done(void) {
    char line[32];
    int len = snprintf(line, sizeof line, "1..%d\n", tap_count);
    if (write(1, line, (size_t)len) != len)
        abort();
    return tap_failed != 0;
}

#endif
