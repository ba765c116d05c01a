/*
 * A fault's context as the handler of the signal sees it: whether it was a jump to nowhere, and who made it;
 * and how the handler has another function go on, on the same stack.  Also compiled for other architectures and
 * run under qemu (ctx_aarch64.sh).
 */
/* workers: 1 */
/* not under: asan, tsan, ubsan */
#include "thread/ctx.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "ctx_frame.h"
#include "tap.h"

enum { STACK = 65536 };

static char stack[STACK] __attribute__((aligned(64))), alternate[STACK];
static void *home;
static char *volatile nowhere = (char *)24;
static void (*volatile null_function)(void);
static volatile int zero;

static struct {
    bool jumped, called, after_call;
    uintptr_t pc, from;
    int went_on;
    bool argument, aligned, inside, blocked;
} seen;

static void goes_on(void *arg) {
    char here;
    sigset_t mask;
    seen.went_on++;
    seen.argument = arg == &seen;
    seen.aligned = (uintptr_t)__builtin_frame_address(0) % 16 == 0;
    seen.inside = &here >= stack && &here < stack + STACK;
    sigprocmask(SIG_SETMASK, NULL, &mask);
    seen.blocked = sigismember(&mask, SIGSEGV);
    mni_ctx_jump(home);
}

static void handle(int sig, siginfo_t *info, void *context) {
    (void)sig;
    ucontext_t *uc = context, caller = *uc;
    seen.pc = mni_ctx_pc(uc);
    seen.jumped = mni_ctx_jumped(uc, info);
    seen.called = mni_ctx_caller(&caller, (uintptr_t)stack, (uintptr_t)stack + STACK, &seen.from);
    if (seen.jumped && seen.called) {
        seen.after_call = mni_ctx_after_call(seen.from);
        seen.called = mni_ctx_pc(&caller) == seen.from;
    }
    mni_ctx_begin(uc, (mni_ctx_sp(uc) - MNI_CTX_BELOW) & ~(uintptr_t)63, goes_on, &seen);
}

__attribute__((noinline)) static int load(void) {
    return *nowhere + zero;
}
__attribute__((noinline)) static int jump(void) {
    null_function();
    return zero;
}

static void loads(void) {
    load();
}
static void jumps(void) {
    jump();
}

static void run(void (*entry)(void)) {
    void *context = mni_ctx_make(stack + STACK, entry);
    mni_ctx_switch(&home, context);
}

static bool within(uintptr_t pc, int (*fn)(void)) {
    return pc > (uintptr_t)fn && pc < (uintptr_t)fn + 128;
}

int main(void) {
    const stack_t ss = {.ss_sp = alternate, .ss_size = sizeof alternate};
    struct sigaction a = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigaltstack(&ss, NULL);
    sigaction(SIGSEGV, &a, NULL);
    for (int i = 1; i <= 2; i++) {
        run(loads);
        is(seen.went_on, i, "a function goes on instead of the one that faulted");
        ok(seen.argument && seen.aligned && seen.inside, "with its argument, on an aligned stack, the same");
        ok(!seen.blocked, "and the signal is not blocked");
        ok(!seen.jumped && within(seen.pc, load), "it was no jump");
    }
    run(jumps);
    is(seen.went_on, 3, "the same for a jump to null");
    ok(seen.jumped && seen.pc == 0, "it is seen to be one");
    ok(seen.called && seen.after_call && within(seen.from, jump), "and who made it");
    return done();
}
