/* walk: where a parked thread is (walk.c). */
#ifndef MNI_WALK_H
#define MNI_WALK_H

struct mni_thread;

/*
 * The return addresses of a thread that does not run, innermost first: at most max; returns how many.  0: it
 * never ran, or there is no unwinder.  The caller sees to it that it does not run meanwhile; if it does, the
 * addresses are nonsense, but no memory is read that is not there.  backtrace_prepare() before, where nothing
 * may be allocated.
 */
int mni_walk(const struct mni_thread *t, void **pcs, int max);

/* The same for any context that does not run (ctx.h). */
int mni_walk_context(const void *sp, void **pcs, int max);

#endif
