/*
 * Stacks that are used again and again, by frames of different shapes, some of them left without a return;
 * frames that outlive switches.  For the tools: each would complain if it mistook one thread's stack for
 * another's, or did not know that a stack is used anew.  valgrind.sh runs it under valgrind.
 */
#include <mn.h>

#include <pthread.h>

#include "tap.h"

static int wrong;
static void (*volatile end)(void *) = mn_exit; /* so that the compiler does not see that it never returns */

/* Fills a frame of its own size, lets others run in the middle, and looks again. */
__attribute__((noinline)) static void fill(int depth, unsigned seed) {
    unsigned char room[100 + seed % 7 * 64], edge[16];
    memset(room, (int)(seed & 0xff), sizeof room);
    memset(edge, 0x5a, sizeof edge);
    mn_yield();
    if (depth > 0)
        fill(depth - 1, seed * 5 + 1);
    mn_yield();
    for (size_t i = 0; i < sizeof room; i++)
        if (room[i] != (seed & 0xff))
            __sync_add_and_fetch(&wrong, 1);
    for (size_t i = 0; i < sizeof edge; i++)
        if (edge[i] != 0x5a)
            __sync_add_and_fetch(&wrong, 1);
}

__attribute__((noinline)) static void leave(int depth) {
    char room[200];
    memset(room, depth, sizeof room);
    __asm__ volatile("" : : "r"(room) : "memory");
    if (depth > 0)
        leave(depth - 1);
    else
        end(NULL);
    __asm__ volatile("" : : "r"(room) : "memory");
}

static void *thread(void *arg) {
    unsigned seed = (unsigned)(uintptr_t)arg;
    fill((int)(seed % 5), seed);
    if (seed % 3 == 0)
        leave((int)(seed % 11));
    return arg;
}

static int run(void *arg) {
    enum { ROUNDS = 40, THREADS = 25 };
    mn_thread t[THREADS];
    (void)arg;
    for (uintptr_t r = 0; r < ROUNDS; r++) {
        for (uintptr_t i = 0; i < THREADS; i++)
            if (mn_go(&t[i], thread, (void *)(r * THREADS + i)) != 0)
                return 1;
        for (int i = 0; i < THREADS; i++)
            mn_join(t[i], NULL);
    }
    return 0;
}

/* The first worker's loop also runs on a small stack, and again on a new LWP. */
static void *lwp(void *arg) {
    *(int *)arg = mn_run(run, NULL, NULL);
    return NULL;
}

int main(void) {
    is(mn_run(run, NULL, NULL), 0, "on the first LWP");
    int result = -1;
    pthread_t p;
    pthread_create(&p, NULL, lwp, &result);
    pthread_join(p, NULL);
    is(result, 0, "on another");
    is(wrong, 0, "frames are as they were");
    return done();
}
