/*
 * keep: foreign LWPs that use the runtime's memory keep it from going.
 *
 * Guarantee: what a foreign LWP sees of the runtime (cpus, descriptors of threads and processes) is there until
 * its call has returned; calls that come when the runtime is about to end find none, and fail as they do
 * without one.
 *
 * Threads and bound threads are waited for before the runtime ends, and workers are joined.  Nobody knows of
 * the other LWPs of the program: one may have looked mni_rt up, be preempted, and go on when the memory is
 * another's.  A count of those in a call would do, but one word that all of them change costs 100 ns on many
 * CPUs, and a list of LWPs with a flag each has to be left at their ends, and cannot be entered from a signal
 * handler.  So the count is in pieces: an LWP always uses the same, by its address, mostly alone.
 *
 *     caller:  piece + 1 (full);  open?  no: piece - 1, there is no runtime
 *     ender:   open = 0 (full);   waits until it has seen each piece at 0
 *
 * Either the caller sees that it is closed, or the ender sees the caller's piece.  A piece that was 0 once,
 * after the close, rises only for a moment, by callers who find it closed.
 *
 * Only calls that need the runtime are counted: a foreign LWP that waits for a mutex or a channel may do so for
 * ever, across runtimes.  One that waits for a thread, or a process, is counted meanwhile, since these end
 * before.  That somebody spawns a thread just before the end is seen by the count of threads (create.c).
 */
#include "keep.h"

#include <time.h>

#include "atomic.h"

enum { PIECES = 64 };

static struct {
    _Alignas(64) uint32_t count;
} pieces[PIECES];
static uint32_t open;

static __thread char here __attribute__((tls_model("initial-exec")));

static uint32_t *piece(void) {
    return &pieces[((uintptr_t)&here >> 12) * 0x9e3779b1u >> 8 & (PIECES - 1)].count;
}

void mni_keep_alive(void) {
    a32_add_full(piece(), 1); /* full; pairs with the swap of mni_keep_close */
}

void mni_let_go_foreign(void) {
    a32_add_release(piece(), (uint32_t)-1); /* release; pairs with the acquire of mni_keep_close */
}

bool mni_keep_foreign(void) {
    mni_keep_alive();
    /* Acquire: pairs with mni_keep_open: the runtime is made. */
    if (a32_load_acquire(&open))
        return true;
    mni_let_go_foreign();
    return false;
}

void mni_keep_open(void) {
    a32_store_release(&open, 1);
}

void mni_keep_close(void) {
    a32_swap_full(&open, 0);
    for (int i = 0; i < PIECES; i++)
        while (a32_load_acquire(&pieces[i].count)) {
            struct timespec t = {0, 50000};
            clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
        }
}

void mni_keep_forked(void) {
    for (int i = 0; i < PIECES; i++)
        pieces[i].count = 0;
    open = 0;
}
