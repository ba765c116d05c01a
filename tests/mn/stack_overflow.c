/* not under: tsan */ /* the tool has a handler of its own for what is tested */
/*
 * A thread that runs out of stack: the report names it, then what the program had installed for SIGSEGV is
 * done; faults of other kinds are passed on without a word.
 */
#include <mn.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "mn/in_child.h"
#include "tap.h"

/* External names: the report finds them only so (the program is linked with -rdynamic). */
#define NAMED __attribute__((visibility("default"), noinline))
NAMED int deeper(int n);
NAMED void *recursive_entry(void *arg);
NAMED void *wild_entry(void *arg);

static volatile int never = -1;
static volatile char *wild;

int deeper(int n) {
    volatile char frame[1000];
    frame[n % 1000] = (char)n;
    return n == never ? 0 : deeper(n + 1) + frame[n % 1000];
}

void *recursive_entry(void *arg) {
    (void)arg;
    mn_yield();
    return (void *)(long)deeper(0);
}

void *wild_entry(void *arg) {
    (void)arg;
    *wild = 1;
    return NULL;
}

/* The loader uses a program's malloc, too, and a sanitizer's build has another one. */
static __thread volatile bool full;
#if !defined(__SANITIZE_ADDRESS__)
extern void *__libc_malloc(size_t n);
NAMED void *malloc(size_t n) {
    if (full)
        _exit(95);
    return __libc_malloc(n);
}
#endif

static void *full_entry(void *arg) {
    full = true;
    return recursive_entry(arg);
}

static struct mn_attr attr;
static void *(*entry)(void *);

static int start(void *arg) {
    mn_thread t;
    (void)arg;
    if (mn_go_attr(&t, &attr, entry, NULL) != 0)
        _exit(99);
    mn_join(t, NULL);
    return 0;
}

static volatile int handled;

static void leave(int sig, siginfo_t *info, void *context) {
    (void)context;
    handled = sig == SIGSEGV && info->si_code > 0;
    _exit(handled ? 42 : 98);
}

static void plain(int sig) {
    (void)sig;
    /* Blocked, as it asked. */
    sigset_t now;
    sigprocmask(SIG_SETMASK, NULL, &now);
    _exit(sigismember(&now, SIGUSR1) ? 43 : 97);
}

static void none(void) {
    signal(SIGSEGV, SIG_DFL); /* a sanitizer has one of its own */
}
static void with_siginfo(void) {
    struct sigaction a = {.sa_sigaction = leave, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &a, NULL);
}
static void with_plain(void) {
    struct sigaction a = {.sa_handler = plain};
    sigaddset(&a.sa_mask, SIGUSR1);
    sigaction(SIGSEGV, &a, NULL);
}
static void ignored(void) {
    signal(SIGSEGV, SIG_IGN);
}

static void (*before)(void);
static int (*begins)(void *);

static int body(void) {
    before();
    return mn_run(begins, NULL, NULL) == 0 ? 0 : 96;
}

static int run(void (*prepare)(void), void *(*fn)(void *), int (*first)(void *)) {
    before = prepare;
    entry = fn;
    begins = first;
    return run_child(body, 60);
}

static void a_report(const char *size) {
    ok(strstr(text, "stack overflow: thread 0x") != NULL, "it is reported");
    ok(strstr(text, "\"digger\"") != NULL, "with the thread's name");
    ok(strstr(text, "entry function recursive_entry") != NULL, "and its entry function");
    ok(strstr(text, size) != NULL, "its stack's size (%s)", size);
    char *first = strstr(text, "#0 ");
    ok(first && strstr(first, "deeper") && strstr(first, "deeper") < strchr(first, '\n'),
       "the backtrace begins where it happened");
    if (tap_failed)
        fprintf(stderr, "# %s\n", text);
}

/* Sent, not caused. */
static int kill_self(void *arg) {
    (void)arg;
    kill(getpid(), SIGSEGV);
    mn_park(NULL);
    return 0;
}

static int again(void *arg) {
    (void)arg;
    return 0;
}

int main(void) {
    attr.name = "digger";
    ok(died(run(none, recursive_entry, start), SIGSEGV), "without a handler the process dies of it");
    a_report("64 KiB");
    ok(strstr(text, "MN_STACK") != NULL, "a hint says how to get more");
    attr.stack = MN_STACK_1M;
    ok(died(run(none, recursive_entry, start), SIGSEGV), "the same with 1 MiB");
    a_report("1024 KiB");
    attr.stack = MN_STACK_16K;
    ok(exited(run(with_siginfo, recursive_entry, start), 42),
       "the program's handler is called, with its three arguments");
    a_report("16 KiB");
    ok(exited(run(with_plain, recursive_entry, start), 43), "so is one with one argument, under its mask");
    ok(died(run(ignored, recursive_entry, start), SIGSEGV), "a fault cannot be ignored");

    attr.stack = MN_STACK_DEFAULT;
    ok(died(run(none, full_entry, start), SIGSEGV), "a report calls no malloc: it may be malloc that overflowed");
    ok(strstr(text, "#0 ") != NULL, "with its backtrace");
    wild = (char *)16;
    ok(died(run(none, wild_entry, start), SIGSEGV), "another fault has its default action");
    is((long)strlen(text), 0, "and no report");
    ok(exited(run(with_siginfo, wild_entry, start), 42), "or goes to the program's handler");
    is((long)strlen(text), 0, "without a report");
    wild = mmap(NULL, 65536, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ok(died(run(none, wild_entry, start), SIGSEGV), "so it is for memory that is protected");
    is((long)strlen(text), 0, "without a report");
    ok(died(run(none, NULL, kill_self), SIGSEGV), "a SIGSEGV that was sent kills");
    is((long)strlen(text), 0, "without a report");
    ok(exited(run(ignored, NULL, again), 0), "an ordinary run");

    struct sigaction a, b;
    stack_t first, after;
    sigaltstack(NULL, &first);
    with_siginfo();
    sigaction(SIGSEGV, NULL, &a);
    mn_run(again, NULL, NULL);
    sigaction(SIGSEGV, NULL, &b);
    ok(a.sa_sigaction == b.sa_sigaction && a.sa_flags == b.sa_flags,
       "after the runtime, the handler is the program's");
    sigaltstack(NULL, &after);
    ok(after.ss_sp == first.ss_sp && after.ss_flags == first.ss_flags, "and its alternate stack");
    return done();
}
