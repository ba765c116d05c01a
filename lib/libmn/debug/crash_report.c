/*
 * Saying which thread ran out of stack.
 *
 * A stack that grows into its guard faults.  The handler (crash.c) has the address looked up in the slab; if
 * it lies in the guard of the very slot that this LWP's thread has, the thread's handle, name, entry function
 * and backtrace are written.
 */
#include "crash.h"

#include <stdio.h>

#include "backtrace.h"
#include "symbol.h"
#include "sys.h"
#include "thread/table.h"

enum { FRAMES = 32 };

void mni_crash_line(const char *line, size_t size, int n) {
    if (n > 0)
        sys(SYS_write, 2, line, (size_t)n < size ? (size_t)n : size - 1);
}

bool mni_overflowed(const struct mni_thread *t, const void *address) {
    char *slot;
    unsigned class;
    mni_stack_owner(address, &slot, &class);
    return slot && mni_thread_stack(t) == slot && (size_t)((const char *)address - slot) < mni_stack_guard(class);
}

void mni_overflow_report(const struct mni_thread *t, const void *address, const void *context) {
    char line[600], symbol[300];
    void *pcs[FRAMES];
    const char *name = mni_thread_name(t);
    int n = snprintf(line, sizeof line,
                     "odonata: stack overflow: thread %#lx%s%s%s, entry function %s: its stack of %zu KiB is "
                     "full (%p)\n",
                     (unsigned long)mni_thread_handle(t), name ? " \"" : "", name ? name : "", name ? "\"" : "",
                     mni_symbol((void *)(uintptr_t)t->fn, symbol, sizeof symbol),
                     mni_stack_bytes(t->stack_class) >> 10, address);
    mni_crash_line(line, sizeof line, n);
    /* Not of this stack: unw_backtrace has thread-local data, which malloc makes when an LWP uses it first. */
    n = backtrace_take_from(context, 1, pcs, FRAMES);
    backtrace_print(2, pcs, n);
    if (n == FRAMES)
        mni_crash_line("  ...\n", 7, 6);
    if (t->stack_class < MN_STACK_1M) {
        static const char hint[] =
            "  struct mn_attr's member stack, or MN_STACK in the environment, gives a larger one\n";
        mni_crash_line(hint, sizeof hint, (int)sizeof hint - 1);
    }
}
