/*
 * not under: asan tsan
 * A program that has strcmp, clock_gettime and others of its own, as those with a sanitizer's run-time linked in do:
 * they may need a start of their own, so a library must not call them before the program's first constructors run.
 */
#include "life.h"

/* The libraries that the program loads get these, too. */
#define EXPORTED __attribute__((visibility("default")))

static int ready, early; /* no atomics: the first are there before main */

static void called(void) {
    if (!ready)
        early++;
}

EXPORTED int strncmp(const char *a, const char *b, size_t n) {
    called();
    for (; n > 0 && *a && *a == *b; n--)
        a++, b++;
    return n == 0 ? 0 : (unsigned char)*a - (unsigned char)*b;
}

EXPORTED int strcmp(const char *a, const char *b) {
    return strncmp(a, b, SIZE_MAX);
}

EXPORTED size_t strlen(const char *s) {
    called();
    const char *end = s;
    while (*end)
        end++;
    return (size_t)(end - s);
}

EXPORTED char *strstr(const char *s, const char *part) {
    size_t n = strlen(part);
    for (; strncmp(s, part, n) != 0; s++)
        if (*s == 0)
            return NULL;
    return (char *)(uintptr_t)s;
}

EXPORTED int clock_gettime(clockid_t clock, struct timespec *t) {
    called();
    return (int)syscall(SYS_clock_gettime, clock, t);
}

static void first(void) {
    ready = 1;
}

/* Before the constructors of all libraries but one that asked to be the first. */
static void (*const preinit)(void) __attribute__((section(".preinit_array"), used)) = first;

static void *nothing(void *arg) {
    return arg;
}

int main(void) {
    pthread_t t;
    ok(early == 0, "no call before the program's start");
    ok(pthread_create(&t, NULL, nothing, NULL) == 0 && pthread_join(t, NULL) == 0, "a thread");
    return done();
}
