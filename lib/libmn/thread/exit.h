/* exit: see exit.c. */
#ifndef MNI_EXIT_H
#define MNI_EXIT_H

#include "thread.h"

struct mni_cpu;

/* Runs the thread's function; a C++ exception that leaves it ends the program (entry.c). */
void *mni_call_entry(struct mni_thread *t);

/* Unwinds the current thread's frames, then ends it. */
_Noreturn void mni_exit_unwind(void *result);

/* Ends the current thread without unwinding. */
_Noreturn void mni_exit_abandon(void *result);

/*
 * The calling thread, outside the runtime, has returned: cleans up, wakes who joins it.  Returns the context
 * that the caller is to jump to.
 */
void *mni_thread_end(struct mni_thread *t, void *result);

/*
 * What has to be done by the thread itself before it ends, if it is MNI_UNTIDY: deferred functions, open
 * scopes, values of thread-local keys; then it leaves its scope.  Called outside the runtime.
 */
void mni_thread_cleanup(struct mni_thread *t, void *result);

/* mn_cancel, inside the runtime; poked: MNI_POKED, or 0. */
int mni_cancel(mn_thread thread, uint32_t poked);

/* The same, poked, up to the end of one wait of a thread: that which its claim counts as seq. */
void mni_cancel_wait(struct mni_thread *t, uint32_t seq);

/* Calls the thread's function by its type.  Inline: its frame is the caller's (boundary.h). */
static inline __attribute__((always_inline)) void *mni_call_fn(struct mni_thread *t) {
    if (__builtin_expect(t->flags & MNI_INT_RESULT, 0))
        return (void *)(intptr_t)((int (*)(void *))(void (*)(void))t->fn)(t->arg);
    return t->fn(t->arg);
}

#endif
