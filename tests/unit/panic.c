/* lib/base/panic.h */
#include "unit.h"

#include <criterion/redirect.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "panic.h"

/* What `body` writes to standard error, run in a child; its wait status. */
static int in_child(void (*body)(void), char *text, size_t size) {
    int fds[2], status;
    cr_assert_eq(pipe(fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGABRT, SIG_DFL);
        dup2(fds[1], 2);
        close(fds[0]);
        body();
        _exit(0);
    }
    close(fds[1]);
    size_t n = 0;
    for (ssize_t got; n < size - 1 && (got = read(fds[0], text + n, size - 1 - n)) > 0;)
        n += (size_t)got;
    text[n] = 0;
    close(fds[0]);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    return status;
}

static void do_panic(void) {
    panic("the queue has an end", 42);
}
static void do_invariant(void) {
    int n = 1;
    invariant(n == 1);
    invariant(n == 2);
}
static void do_notice(void) {
    errno = 77;
    notice("%s %d", "seven", 7);
    if (errno != 77)
        notice("errno changed");
}
static void do_long_notice(void) {
    char big[4000];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = 0;
    notice("%s", big);
}

Test(panic, names_the_invariant) {
    char text[2000];
    int status = in_child(do_panic, text, sizeof text);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    cr_assert(strstr(text, "the queue has an end (42) in do_panic"), "%s", text);
    cr_assert(strstr(text, "panic.c:"), "%s", text);
}

Test(panic, invariant_quotes_the_condition) {
    char text[2000];
    int status = in_child(do_invariant, text, sizeof text);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    cr_assert(strstr(text, "n == 2") && !strstr(text, "n == 1"), "%s", text);
}

Test(panic, notice_is_one_line) {
    char text[8000];
    cr_assert_eq(in_child(do_notice, text, sizeof text), 0);
    cr_assert_str_eq(text, "odonata: seven 7\n");
}

Test(panic, long_notice_is_cut) {
    char text[8000];
    cr_assert_eq(in_child(do_long_notice, text, sizeof text), 0);
    size_t n = strlen(text);
    cr_assert(n > 900 && n <= 1024 && text[n - 1] == '\n' && strchr(text, '\n') == text + n - 1);
}
