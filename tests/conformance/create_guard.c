/* The guard below a stack: it faults, is as large as asked, and 0 means none.  Each fault is a forked
 * child's. */
#include "life.h"

#include <limits.h>
#include <setjmp.h>

static size_t guard_asked;
static char alt[64 << 10];
static char *stack_low;
static sigjmp_buf out;
static volatile sig_atomic_t faulted;

static void on_fault(int sig, siginfo_t *info, void *ctx) {
    (void)sig;
    (void)ctx;
    char *at = info->si_addr;
    faulted = at < stack_low && at >= stack_low - guard_asked ? 1 : 2;
    siglongjmp(out, 1);
}

static void *poke_below(void *arg) {
    pthread_attr_t a;
    size_t size, guard = 0;
    void *low;
    stack_t ss = {.ss_sp = alt, .ss_size = sizeof alt};
    struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    check(pthread_getattr_np(pthread_self(), &a) == 0);
    check(pthread_attr_getstack(&a, &low, &size) == 0);
    check(pthread_attr_getguardsize(&a, &guard) == 0);
    check(guard >= guard_asked);
    pthread_attr_destroy(&a);
    stack_low = low;
    sigaltstack(&ss, NULL);
    sigaction(SIGSEGV, &sa, NULL);
    sigaction(SIGBUS, &sa, NULL);
    /* The lowest byte of the stack is usable; the bytes below it are not, to the end of the guard. */
    *(volatile char *)stack_low = 1;
    size_t depth[] = {1, guard_asked / 2, guard_asked};
    for (int i = 0; i < 3; i++) {
        faulted = 0;
        if (sigsetjmp(out, 1) == 0)
            *(volatile char *)(stack_low - depth[i]) = 1;
        check(faulted == 1);
    }
    return arg;
}

static int child_guard(void) {
    pthread_attr_t a;
    pthread_t t;
    pthread_attr_init(&a);
    pthread_attr_setstacksize(&a, 256 << 10);
    if (guard_asked != 4096) /* a page is the default: ask for the others */
        check(pthread_attr_setguardsize(&a, guard_asked) == 0);
    check(pthread_create(&t, &a, poke_below, NULL) == 0);
    check(pthread_join(t, NULL) == 0);
    /* A stack that was used before has its guard again, whatever guard the former user had. */
    check(pthread_attr_setguardsize(&a, 0) == 0);
    check(pthread_create(&t, &a, do_nothing, NULL) == 0);
    check(pthread_join(t, NULL) == 0);
    check(pthread_attr_setguardsize(&a, guard_asked) == 0);
    check(pthread_create(&t, &a, poke_below, NULL) == 0);
    check(pthread_join(t, NULL) == 0);
    return check_failed;
}

static int recurse(int n) {
    volatile char frame[1000];
    frame[0] = (char)n;
    return n == INT_MAX ? 0 : recurse(n + 1) + frame[0];
}

static void *overflow(void *arg) {
    (void)arg;
    return (void *)(uintptr_t)recurse(0);
}

static int child_overflow(void) {
    pthread_attr_t a;
    pthread_t t;
    struct rlimit no = {0, 0};
    setrlimit(RLIMIT_CORE, &no);
    pthread_attr_init(&a);
    pthread_attr_setstacksize(&a, 64 << 10);
    pthread_create(&t, &a, overflow, NULL);
    pthread_join(t, NULL);
    return 1;
}

static size_t guard_seen;
static void *look_guard(void *arg) {
    pthread_attr_t a;
    pthread_getattr_np(pthread_self(), &a);
    pthread_attr_getguardsize(&a, &guard_seen);
    pthread_attr_destroy(&a);
    return arg;
}

int main(void) {
    if (sanitized()) {
        skip("the tool handles faults itself");
        return done();
    }
    static const size_t guards[] = {4096, 16384, 1 << 20};
    for (int i = 0; i < 3; i++) {
        guard_asked = guards[i];
        is(in_child(child_guard), 0, "a guard of %zu bytes faults in all its length", guard_asked);
    }
    is(in_child(child_overflow), 1000 + SIGSEGV,
       "endless recursion in a thread ends in SIGSEGV, not in other memory");

    pthread_attr_t a;
    pthread_attr_init(&a);
    is(pthread_attr_setguardsize(&a, 0), 0, "a guard size of 0 may be asked for");
    guard_seen = 1;
    must_join(must_create(&a, look_guard, NULL));
    is((long)guard_seen, 0, "and is what the thread has");
    is(pthread_attr_setguardsize(&a, 5000), 0, "a guard size that is no multiple of a page");
    must_join(must_create(&a, look_guard, NULL));
    ok(guard_seen == 5000 || guard_seen == 8192, "is reported as asked, or rounded up (%zu)", guard_seen);
    pthread_attr_destroy(&a);

    /* A guard that leaves no stack. */
    pthread_t t;
    pthread_attr_init(&a);
    pthread_attr_setstacksize(&a, 64 << 10);
    pthread_attr_setguardsize(&a, 64 << 10);
    int r = pthread_create(&t, &a, do_nothing, NULL);
    ok(r == EINVAL || r == 0, "a guard as large as the stack: EINVAL, or a stack beside it");
    if (r == 0)
        must_join(t);
    pthread_attr_destroy(&a);
    return done();
}
