/*
 * libunwind walks from every instruction of the context switch, and from parked contexts, to the entry, and
 * ends there.  Built twice: with the switch as a function, and (ctx_unwind_inline) as part of the function that
 * blocks.
 *
 * Every instruction: the trap flag makes the CPU stop after each, and the handler takes a backtrace of what it
 * interrupted.  While the stack is changed, that may be of the context that is left or of the one that is
 * entered, but always of one of the two, whole, and with the values of the registers that its function relies
 * on.
 */
/* workers: 1 */
/* not under: asan, tsan, clang */
#include "thread/ctx.h"

#ifdef INLINE
#include "ctx_inline.h"
#define mni_ctx_switch(save, to) mni_ctx_switch_inline(save, to)
#define mni_ctx_jump(to) mni_ctx_jump_inline(to)
#endif

#include <signal.h>
#include <stdint.h>
#include <ucontext.h>

#include "backtrace.h"
#include "ctx_frame.h"
#include "tap.h"


enum { STACK = 65536, MOST = 64 };

static char stack[2][STACK] __attribute__((aligned(64)));
static void *green[2], *home;
static volatile int traps, wrong, in_switch, seen[3];

/* Each function has a section of its own, whose bounds the linker knows. */
#define BODY(name) __attribute__((noinline, section("text_" #name))) static void name
extern char __start_text_inner[], __stop_text_inner[], __start_text_outer[], __stop_text_outer[];
extern char __start_text_entry[], __stop_text_entry[], __start_text_inmain[], __stop_text_inmain[];

static int within(const void *pc, const char *start, const char *end) {
    return (const char *)pc > start && (const char *)pc <= end;
}

static int base(const void *pc) {
    return (const char *)pc - (const char *)mni_ctx_entry >= 0 &&
           (const char *)pc - (const char *)mni_ctx_entry < 16;
}

/* From frame i on, is it inner, outer, entry, base or the base alone (1), or inmain and main (2)? */
static int whole_from(void *const *pcs, int n, int i) {
    if (i < n && within(pcs[i], __start_text_inmain, __stop_text_inmain))
        return n - i >= 2 ? 2 : 0;
    if (i + 4 == n && within(pcs[i], __start_text_inner, __stop_text_inner) &&
        within(pcs[i + 1], __start_text_outer, __stop_text_outer) &&
        within(pcs[i + 2], __start_text_entry, __stop_text_entry))
        i += 3;
    return i + 1 == n && base(pcs[i]) ? 1 : 0;
}

/* The first frame may be the switch itself, or the place that it is part of; or that, and the switch in
 * which the other was left. */
static int whole(void *const *pcs, int n) {
    int which = 0;
    for (int i = 0; i < 3 && !which; i++)
        which = whole_from(pcs, n, i);
    return which;
}

static int in_a_switch(const void *pc) {
#ifdef INLINE
    return within(pc, __start_text_inner, __stop_text_inner) ||
           within(pc, __start_text_inmain, __stop_text_inmain);
#else
    return (const char *)pc >= (const char *)mni_ctx_switch && (const char *)pc < (const char *)mni_ctx_entry;
#endif
}

static void trapped(int sig, siginfo_t *si, void *arg) {
    (void)sig, (void)si;
    ucontext_t *uc = arg;
    void *pcs[MOST];
    uintptr_t pc = (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
    traps++;
    if (!in_a_switch((void *)pc))
        return;
    in_switch++;
    int n = backtrace_take_from(uc, 1, pcs, MOST), which = whole(pcs, n);
    seen[which]++;
    if (!which) {
        wrong++;
        for (int i = 0; i < n; i++)
            printf("# %d: %p (entry %+ld)\n", i, pcs[i], (long)((char *)pcs[i] - (char *)mni_ctx_entry));
        printf("#\n");
    }
}

static void trap_on(void) {
    __asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq" : : : "memory", "cc");
}
static void trap_off(void) {
    __asm__ volatile("pushfq; andq $~0x100, (%%rsp); popfq" : : : "memory", "cc");
}

/* A frame that is found by rbp: so rbp's value counts, too. */
BODY(inner)(int i, int size) {
    char *room = __builtin_alloca((size_t)size);
    __asm__ volatile("" : : "r"(room) : "memory");
    for (int n = 0; n < 3; n++) {
        trap_on();
        mni_ctx_switch(&green[i], i == 0 && n == 1 ? green[1] : home);
        trap_off();
    }
    trap_on();
    mni_ctx_jump(home);
}
BODY(outer)(int i) {
    char room[256];
    __asm__ volatile("" : : "r"(room) : "memory");
    inner(i, 100 + i);
    __asm__ volatile("" : : "r"(room) : "memory");
}
static int running;
BODY(entry)(void) {
    trap_off();
    outer(running);
    __asm__ volatile("" : : : "memory");
}
BODY(inmain)(int i) {
    running = i;
    trap_on();
    mni_ctx_switch(&home, green[i]);
    trap_off();
}

static int parked(int i, int want) {
    void *pcs[MOST];
    ucontext_t uc;
    mni_ctx_unpack(green[i], &uc);
    int n = backtrace_take_from(&uc, 0, pcs, MOST);
#ifndef INLINE
    if (want > 1) /* and mni_ctx_switch itself, where the registers of its caller lie */
        want++;
#endif
    return n == want && whole(pcs, n) == 1;
}

int main(void) {
    if (backtrace_prepare() != 0) {
        skip("libunwind.so.8 is not installed");
        return done();
    }
    struct sigaction sa = {.sa_sigaction = trapped, .sa_flags = SA_SIGINFO};
    for (int i = 0; i < 2; i++)
        green[i] = mni_ctx_make(stack[i] + STACK, entry);
    ok(parked(0, 1), "a context that has not run: its base alone");
    sigaction(SIGTRAP, &sa, NULL);
    inmain(0);
    ok(parked(0, 4), "parked: inner, outer, entry, base");
    inmain(1);
    ok(parked(1, 4), "another");
    inmain(0); /* goes over to 1, which comes back */
    ok(parked(0, 4) && parked(1, 4), "after a switch between the two");
    inmain(0);
    inmain(0);
    ok(in_switch > 100, "single steps were taken in the switch: %d of %d", in_switch, traps);
    ok(seen[1] > 50 && seen[2] > 50, "of green contexts %d, of the first one %d", seen[1], seen[2]);
    is(wrong, 0, "each backtrace is whole");
    char nonsense[4096];
    memset(nonsense, 0x55, sizeof nonsense);
    ucontext_t uc;
    mni_ctx_unpack(nonsense, &uc);
    void *pcs[MOST];
    ok(backtrace_take_from(&uc, 0, pcs, MOST) <= MOST, "nonsense gives no fault");
    uc.uc_mcontext.gregs[REG_RIP] = (greg_t)mni_ctx_entry;
    uc.uc_mcontext.gregs[REG_RSP] = 0x10;
    ok(backtrace_take_from(&uc, 0, pcs, MOST) <= MOST, "a bad stack pointer neither");
    is(backtrace_take_from(&uc, 0, pcs, 0), 0, "room for none");
    return done();
}
