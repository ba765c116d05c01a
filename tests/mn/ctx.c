/*
 * The context switch: what must live through it does, contexts start at their entry with an aligned stack, and
 * a jump leaves for good.  Also compiled for other architectures and run under qemu (ctx_aarch64.sh).
 */
/* workers: 1 */
#include "thread/ctx.h"

#include <stdint.h>

#include "tap.h"

enum { STACK = 65536, COUNT = 5, ROUNDS = 200 };

static char stacks[COUNT][STACK] __attribute__((aligned(64)));
static void *saved[COUNT], *home;
static int running, entered, misaligned, wrong, ended;

static void go_to(int i) {
    running = i;
    mni_ctx_switch(&home, saved[i]);
}

static void back(int i) {
    mni_ctx_switch(&saved[i], home);
}

/* More values than there are registers to keep them in, integers and floating point, all alive over the
 * switch. */
__attribute__((noinline)) static void check_registers(int i, unsigned seed) {
    uint64_t a[12];
    double d[12];
    uint64_t x = seed * 2654435761u + 1;
#define EACH(f) f(0) f(1) f(2) f(3) f(4) f(5) f(6) f(7) f(8) f(9) f(10) f(11)
#define SET(k)                                                                                               \
    uint64_t a##k = a[k] = x *= 6364136223846793005u;                                                        \
    double d##k = d[k] = (double)(x >> 20);                                                                  \
    __asm__ volatile("" : "+r"(a##k)); /* it has to be kept, it cannot be computed again */
#define KEEP(k) __asm__ volatile("" : : "r"(a##k)); wrong += a[k] != a##k; wrong += d[k] != d##k;
    EACH(SET)
    volatile uint64_t *hide = a;
    volatile double *hide_too = d;
    (void)hide, (void)hide_too;
    __asm__ volatile("" : : "r"(a), "r"(d) : "memory");
    back(i);
    __asm__ volatile("" : : "r"(a), "r"(d) : "memory");
    EACH(KEEP)
}

static void entry(void) {
    int i = running;
    entered++;
    misaligned += (uintptr_t)__builtin_frame_address(0) % 16 != 0;
    char here;
    wrong += &here < stacks[i] || &here >= stacks[i] + STACK;
    for (unsigned n = 0; n < ROUNDS; n++)
        check_registers(i, n * COUNT + (unsigned)i);
    ended++;
    mni_ctx_jump(home);
}

int main(void) {
    for (int i = 0; i < COUNT; i++)
        saved[i] = mni_ctx_make(stacks[i] + STACK, entry);
    is(entered, 0, "a context that was made has not run");
    volatile double two = 2;
    double before = two / 3;
    for (unsigned n = 0; n < ROUNDS; n++)
        for (int i = 0; i < COUNT; i++)
            go_to(i);
    is(entered, COUNT, "each began once");
    is(ended, 0, "none has ended");
    for (int i = 0; i < COUNT; i++)
        go_to(i);
    is(ended, COUNT, "each ended once, by a jump");
    is(misaligned, 0, "stacks are aligned at the entry");
    is(wrong, 0, "registers live through switches");
    ok(before == 2.0 / 3, "and those of the first context");
    /* A stack is used again. */
    saved[0] = mni_ctx_make(stacks[0] + STACK - 1024, entry);
    go_to(0);
    is(entered, COUNT + 1, "a stack is used again");
    return done();
}
