/*
 * As much of Criterion as the unit tests use, for ThreadSanitizer builds: the real one's sandbox maps its child
 * where the tool keeps its shadow, and aborts.  Each test runs in a forked child; the program includes this
 * header once.
 */
#ifndef SHIM_CRITERION_H
#define SHIM_CRITERION_H

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct shim_options {
    void (*init)(void);
    int signal; /* that the test is to die of */
    double timeout;
};

struct shim_test {
    const char *suite, *name;
    void (*body)(void);
    struct shim_options options;
    struct shim_test *next;
};

static struct shim_test *shim_tests, *shim_suites;

static inline void shim_add(struct shim_test **list, struct shim_test *t) {
    t->next = *list;
    *list = t;
}

#define Test(suite_, name_, ...)                                                                             \
    static void shim_body_##name_(void);                                                                     \
    static struct shim_test shim_test_##name_ = {                                                            \
        .suite = #suite_, .name = #name_, .body = shim_body_##name_, .options = {__VA_ARGS__}};              \
    __attribute__((constructor)) static void shim_add_##name_(void) {                                        \
        shim_add(&shim_tests, &shim_test_##name_);                                                           \
    }                                                                                                        \
    static void shim_body_##name_(void)

#define TestSuite(suite_, ...)                                                                               \
    static struct shim_test shim_suite_##suite_ = {.suite = #suite_, .options = {__VA_ARGS__}};              \
    __attribute__((constructor)) static void shim_add_suite_##suite_(void) {                                 \
        shim_add(&shim_suites, &shim_suite_##suite_);                                                        \
    }                                                                                                        \
    struct shim_test

static inline void shim_fail(const char *file, int line, const char *what) {
    printf("# %s:%d: %s\n", file, line, what);
    fflush(stdout);
    _exit(1);
}

/* A message after the condition is dropped; the condition says it too. */
#define SHIM_FIRST(a, ...) a
#define cr_assert(...)                                                                                       \
    do {                                                                                                     \
        if (!(SHIM_FIRST(__VA_ARGS__, 0)))                                                                   \
            shim_fail(__FILE__, __LINE__, #__VA_ARGS__);                                                     \
    } while (0)
#define cr_assert_not(...) cr_assert(!(SHIM_FIRST(__VA_ARGS__, 0)))
#define cr_assert_null(...) cr_assert((SHIM_FIRST(__VA_ARGS__, 0)) == NULL)
#define cr_assert_eq(a, ...) cr_assert((a) == (SHIM_FIRST(__VA_ARGS__, 0)))
#define cr_assert_neq(a, ...) cr_assert((a) != (SHIM_FIRST(__VA_ARGS__, 0)))
#define cr_assert_str_eq(a, b) cr_assert(strcmp((a), (b)) == 0)
#define cr_assert_fail(...) shim_fail(__FILE__, __LINE__, "failed: " #__VA_ARGS__)

int main(void) {
    int n = 0, failed = 0;
    for (struct shim_test *t = shim_tests; t; t = t->next) {
        struct shim_options o = t->options;
        for (struct shim_test *s = shim_suites; s; s = s->next)
            if (strcmp(s->suite, t->suite) == 0) {
                o.init = o.init ? o.init : s->options.init;
                o.timeout = o.timeout > 0 ? o.timeout : s->options.timeout;
            }
        int status = 0;
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0) {
            alarm(o.timeout > 0 ? (unsigned)o.timeout * 4 : 240);
            if (o.init)
                o.init();
            t->body();
            exit(0); /* the tool may turn this into a failure */
        }
        waitpid(pid, &status, 0);
        int passed = o.signal ? WIFSIGNALED(status) && WTERMSIG(status) == o.signal : status == 0;
        failed += !passed;
        if (!passed)
            printf("# wait status 0x%x\n", (unsigned)status);
        printf("%s %d - %s::%s\n", passed ? "ok" : "not ok", ++n, t->suite, t->name);
    }
    printf("1..%d\n", n);
    return failed != 0;
}

#endif
