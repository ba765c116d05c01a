/*
 * walk: where a parked thread is.
 *
 * What the switch saved is handed to the unwinder as the registers of a call that is about to return, and that
 * is all: nothing is run on the thread's stack, and it need not be stopped.  The walk ends at mni_ctx_base
 * (ctx.S).
 */
#include "walk.h"

#include "atomic.h"
#include "backtrace.h"
#include "ctx_frame.h"
#include "thread/thread.h"

int mni_walk_context(const void *sp, void **pcs, int max) {
    ucontext_t uc;
    mni_ctx_unpack(sp, &uc);
    return backtrace_take_from(&uc, 0, pcs, max);
}

int mni_walk(const struct mni_thread *t, void **pcs, int max) {
    /* Relaxed: who calls has made sure that it does not change. */
    const void *sp = aptr_load(&t->sp);
    return sp ? mni_walk_context(sp, pcs, max) : 0;
}
