/*
 * What is looked at when a slot comes back.
 *
 * A slot without a guard (guard.h) still has the zone where the guard would be: nothing is put there, so it reads as
 * zeroes until a stack grows into it.  Reading it costs no memory: the kernel maps its one page of zeroes.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "stack_watch.h"

#include "atomic.h"
#include "panic.h"
#include "slab.h"

/* The page next to the stack, one word of each cache line: frames that grow into it leave return addresses there. */
static bool overflowed(const char *slot, unsigned class) {
    const char *zone = slot + mni_stack_guard(class) - 4096;
    for (unsigned i = 0; i < 4096; i += 64)
        for (unsigned j = 0; j < 64; j += 8)
            if (*(const uint64_t *)(const void *)(zone + i + j) != 0)
                return true;
    return false;
}

void mni_stack_watched_give(char *slot, unsigned class) {
    if (a32_load(&mni_stack_watch) & MNI_WATCH_BARE) { /* relaxed: set before the first such slot was handed out */
        struct mni_step *step = mni_slab_step(slot);
        size_t place = (size_t)(slot - step->base) / mni_stack_bytes(class);
        if ((a32_load(&step->note[place]) & MNI_NOTE_BARE) && overflowed(slot, class))
            panic("a thread has overflowed its stack, which has no guard zone; its size is", mni_stack_bytes(class));
    }
}

void mni_stack_watch_start(void) {
}

void mni_stack_watch_end(void) {
}
