/*
 * The unwinder of the compiler walks from a running context to its entry and ends there, and so do walks that
 * start inside the switch's callers.  Static, so that it also runs where there is only a cross compiler
 * (ctx_aarch64.sh).
 */
/* workers: 1 */
#include "thread/ctx.h"

#include <stdint.h>
#include <unwind.h>

#include "tap.h"

enum { STACK = 65536, MOST = 64 };

static char stack[STACK] __attribute__((aligned(64)));
static void *green, *home;
static uintptr_t pcs[MOST], starts[MOST];
static int count;

static _Unwind_Reason_Code step(struct _Unwind_Context *c, void *arg) {
    (void)arg;
    if (count < MOST) {
        starts[count] = _Unwind_GetRegionStart(c);
        pcs[count++] = _Unwind_GetIP(c);
    }
    return _URC_NO_REASON;
}

static int walk(void) {
    count = 0;
    return _Unwind_Backtrace(step, NULL);
}

/* Frames of different sizes. */
#define DEEP(n, next)                                                                                        \
    __attribute__((noinline)) static void deep##n(void) {                                           \
        char room[32 << n];                                                                                  \
        __asm__ volatile("" : : "r"(room) : "memory");                                                       \
        next();                                                                                              \
        __asm__ volatile("" : : "r"(room) : "memory");                                                       \
    }
__attribute__((noinline)) static void deep0(void) {
    mni_ctx_switch(&green, home);
    walk();
    __asm__ volatile("" : : : "memory");
}
DEEP(1, deep0)
DEEP(2, deep1)
DEEP(3, deep2)

static void entry(void) {
    deep3();
    mni_ctx_jump(home);
}

int main(void) {
    green = mni_ctx_make(stack + STACK, entry);
    mni_ctx_switch(&home, green);
    is(count, 0, "parked");
    mni_ctx_switch(&home, green);
    static void (*const want[])(void) = {deep0, deep1, deep2, deep3, entry};
    int at = 0, right = 0;
    while (at < count && starts[at] != (uintptr_t)deep0)
        at++;
    for (int i = 0; i < 5 && at < count; i++)
        right += starts[at++] == (uintptr_t)want[i];
    is(right, 5, "each frame is there");
    ok(at < count && pcs[at] - (uintptr_t)mni_ctx_entry < 16, "then the base");
    /* Some versions report the end as a frame without an address. */
    ok(at + 1 == count || (at + 2 == count && pcs[at + 1] == 0), "and no more");
    return done();
}
