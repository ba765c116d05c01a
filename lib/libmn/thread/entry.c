/*
 * entry: the call of a thread's function, and two ways out of it that are not its return.
 *
 * An exception.  It ends the program, as one does that leaves a thread of C++, but says of which thread it was.
 * A catch-all would have to be C++, and would have unwound the stack before anyone can look at it.  The
 * unwinder calls the personality routine of each frame in its first phase, the search for a handler, when
 * nothing has been unwound yet.  So the frame of mni_call_entry names a routine of ours: to be asked means that
 * no frame of the thread has a handler.  It says so; the search then reaches the end of the stack
 * (mni_ctx_base), and the C++ library calls std::terminate, with its handler.
 *
 * mn_exit.  Forced unwinding, as pthread_exit has it: destructors and cleanup attributes of the frames run,
 * innermost first, then what was deferred.  The unwinder is libgcc_s', if the process has that; without it
 * there is nothing that would need unwinding.
 */
#include "exit.h"

#include <dlfcn.h>
#include <string.h>
#include <unwind.h>

#include "atomic.h"
#include "bound.h"
#include "boundary.h"
#include "current.h"
#include "panic.h"
#include "sanitizer.h"
#include "sched/sched.h"

/* What mn_exit unwinds with. */
struct leaving {
    struct _Unwind_Exception exception;
    void *result;
};
static const _Unwind_Exception_Class ours = 0x4f444f4e41544100; /* "ODONATA" */

void mni_exit_abandon(void *result) {
    struct mni_thread *t = mni_current();
    /* Frames that were not unwound may have left something. */
    t->own->exceptions[0] = t->own->exceptions[1] = NULL;
    if (t->own->proc)
        mni_untidy(t);
    /* No second time, when a deferred function calls mn_exit. */
    t->own->unwind = NULL;
    if (mni_bound_self())
        mni_bound_exit(result);
    mni_jump(mni_thread_end(t, result));
}

/* Named by mni_call_entry's unwind information. */
_Unwind_Reason_Code mni_entry_personality(int version, _Unwind_Action actions, _Unwind_Exception_Class cls,
                                          struct _Unwind_Exception *exception, struct _Unwind_Context *context)
    __attribute__((visibility("hidden"), used));

_Unwind_Reason_Code mni_entry_personality(int version, _Unwind_Action actions, _Unwind_Exception_Class cls,
                                          struct _Unwind_Exception *exception,
                                          struct _Unwind_Context *context) {
    (void)version, (void)context;
    if (cls == ours) /* all frames above are unwound */
        mni_exit_abandon(((struct leaving *)(void *)exception)->result);
    if (actions & _UA_SEARCH_PHASE) {
        const struct mni_thread *t = mni_current();
        Dl_info info;
        memset(&info, 0, sizeof info);
        void *fn = t ? (void *)t->fn : NULL;
        if (fn)
            dladdr(fn, &info);
        const char *name = t ? mni_thread_name(t) : NULL, *symbol = info.dli_sname;
        notice("libmn: an exception leaves thread %u%s%s%s, which began in %p%s%s%s: the program ends",
               t ? t->index + 1 : 0, name ? " \"" : "", name ? name : "", name ? "\"" : "", fn,
               symbol ? " (" : "", symbol ? symbol : "", symbol ? ")" : "");
    }
    return _URC_CONTINUE_UNWIND;
}

/* Not instrumented for ThreadSanitizer, which would want a personality routine for itself. */
MNI_BOUNDARY __attribute__((noinline, no_sanitize("thread"))) void *mni_call_entry(struct mni_thread *t) {
    __asm__ volatile(".cfi_personality 0x1b, mni_entry_personality"); /* 0x1b: pc-relative, four bytes */
    struct leaving room; /* it has to outlive all frames but this one */
    t->own->unwind = &room;
    void *result = mni_call_fn(t);
    t->own->unwind = NULL;
    __asm__ volatile("" : : : "memory"); /* no tail call: the frame must be there */
    return result;
}

typedef _Unwind_Reason_Code unwinder(struct _Unwind_Exception *, _Unwind_Stop_Fn, void *);

static unwinder *forced_unwind(void) {
    static unwinder *found; /* atomic, relaxed: all who write it write the same */
    unwinder *f = aptr_load(&found);
    if (!f) {
        void *libgcc = dlopen("libgcc_s.so.1", RTLD_LAZY | RTLD_NOLOAD);
        if (libgcc) {
            *(void **)&f = dlsym(libgcc, "_Unwind_ForcedUnwind");
            aptr_store(&found, f);
        }
    }
    return f;
}

static void swallowed(_Unwind_Reason_Code reason, struct _Unwind_Exception *exception) {
    (void)reason, (void)exception;
    panic("a handler for any exception caught mn_exit and did not throw it on", 0);
}

/* Called before each frame.  It does not come to the end of the stack, unless a frame has no unwind
 * information. */
static _Unwind_Reason_Code stop(int version, _Unwind_Action actions, _Unwind_Exception_Class cls,
                                struct _Unwind_Exception *exception, struct _Unwind_Context *context,
                                void *result) {
    (void)version, (void)cls, (void)exception, (void)context;
    if (actions & _UA_END_OF_STACK)
        mni_exit_abandon(result);
    return _URC_NO_REASON;
}

void mni_exit_unwind(void *result) {
    unwinder *unwind = forced_unwind();
    struct leaving *l = mni_current()->own->unwind;
    if (unwind && l) {
        memset(l, 0, sizeof *l);
        l->exception.exception_class = ours;
        l->exception.exception_cleanup = swallowed;
        l->result = result;
        sanitizer_unwinds();
        unwind(&l->exception, stop, result);
        /* It returns only on an error. */
    }
    mni_exit_abandon(result);
}
