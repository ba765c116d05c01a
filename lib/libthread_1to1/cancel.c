/*
 * pthread_cancel, pthread_setcancelstate, pthread_setcanceltype, pthread_testcancel.
 *
 * Guarantee: once pthread_cancel(t) has returned, t acts on the request at the first cancellation point that it
 * is in or comes to with cancellation enabled, at once where its type is asynchronous; and a system call that
 * had an effect returns to its caller, who then holds the descriptor, the bytes, the child.
 *
 * The naive design, which the libc has had for 20 years: switch to asynchronous type, make the system call,
 * switch back.  It fails in both ends of that stretch: a request that arrives after the kernel opened the file
 * and before the type is back ends the thread, and the descriptor is lost.  Testing a flag before the call
 * instead fails the other way round: a request between test and call is not seen, and the thread sleeps
 * forever.
 *
 * The design: test and call form a window, one piece of assembly with known borders (cancel_window.S).
 *
 *   the handler finds the thread      and so
 *   outside of windows, deferred      returns: the next window's test will see the word, which was set before the
 *                                     signal was sent
 *   between test and call             moves it to the window's cancelled exit: the call is never made
 *   in the call, asleep               the kernel ends the call first.  If it can be restarted, it has had no
 *                                     effect and the thread stands at the call's instruction, in the window: as
 *                                     above.  Otherwise it returns EINTR, and the wrapper tests the word again
 *   in the call, with a result        the thread stands behind the call, out of the window: as the first line
 *   anywhere, asynchronous type       acts.  The libc's own points inside fread, getaddrinfo, ... are such
 *                                     stretches, set up by the libc itself; they stay as good as they were
 *
 * A handler above a window.  A program's signal handler may have interrupted the window between test and call,
 * or the sleeping call; when SIGCANCEL arrives in that handler, the thread's position says nothing, and when
 * the handler returns, the call would sleep on.  So if the thread is in any window (thr_window_depth), the
 * request is sent again, with SIGCANCEL blocked in the interrupted context: it becomes pending, and is
 * delivered when the program's handler returns and the mask of the code below comes back: in the window.
 * Without the count every request in plain code would have to do so and would leave the signal blocked there,
 * where exec could inherit it.
 *
 * Limits: a request to a thread that is enabled, deferred and in a call which is not a point may end that call
 * with EINTR, if the kernel never restarts it (semop, io_getevents).  A raw syscall() is not a point, as in the
 * libc.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "cancel.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <gnu/libc-version.h>
#include <sys/single_threaded.h>

#include "cancel_context.h"
#include "libc.h"
#include "panic.h"
#include "sigmask.h"
#include "sys.h"
#include "target.h"

intptr_t thr_cancel_offset;
int thr_cancel_forward;
__thread uint32_t thr_window_depth __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* ---- the signal */

struct kernel_sigaction {
    void (*handler)(int, siginfo_t *, void *);
    unsigned long flags;
    uintptr_t restorer;
    uint64_t mask;
};

static uint64_t *mask_of(ucontext_t *uc) {
    return (uint64_t *)(void *)&uc->uc_sigmask;
}

static void on_cancel(int sig, siginfo_t *info, void *context) {
    (void)sig, (void)info;
    ucontext_t *uc = context;
    /* Relaxed: the signal itself orders this after the sender's a32_or_full in pthread_cancel. */
    uint32_t word = a32_load(cancel_word());
    if (!cancel_due(word))
        return;
    uintptr_t pc = context_pc(uc);
    if (pc >= (uintptr_t)thr_window_start && pc < (uintptr_t)thr_window_end) {
        context_set_pc(uc, (uintptr_t)thr_window_cancelled);
        return;
    }
    if (word & CANCEL_ASYNC) {
        /* Cleanup handlers run with the signal mask of the code that was interrupted. */
        a32_or_full(cancel_word(), CANCEL_EXITING);
        uint64_t mask = *mask_of(uc) & ~SIGMASK_KEPT;
        sigmask_set(mask);
        thr_cancel_act();
    }
    /* On its way into the window the thread will test the word; on its way out the call is complete. */
    if (pc >= (uintptr_t)thr_window_entry && pc < (uintptr_t)thr_window_leave)
        return;
    if (thr_window_depth) {
        *mask_of(uc) |= SIGMASK_BIT(THR_SIGCANCEL);
        sys(SYS_tgkill, sys(SYS_getpid), sys(SYS_gettid), THR_SIGCANCEL);
    }
}

/*
 * What the first request needs.  Idempotent, so that no lock is needed and a handler that something else has
 * put in our handler's place does not stay: installing it costs 0.1 us.
 */
static void prepare(void) {
    static uint32_t prepared;
    /* Acquire pairs with the release below: a later caller sees what the first one did. */
    if (unlikely(!a32_load_acquire(&prepared))) {
        /* The libc loads the unwinder when it first needs it.  That must not be in a signal handler. */
        void *frame;
        (void)backtrace(&frame, 1);
        /* Points inside the libc test the word only in a process that it does not believe single-threaded. */
        char *flag = libc_symbol("__libc_single_threaded"); /* a program may have a copy of it: set both */
        if (flag)
            *(volatile char *)flag = 0;
        *(volatile char *)&__libc_single_threaded = 0;
        a32_store_release(&prepared, 1);
    }
    struct kernel_sigaction action = {
        .handler = on_cancel,
        .flags = SA_SIGINFO | SA_RESTART | CONTEXT_SA_RESTORER,
        .restorer = CONTEXT_RESTORER,
    };
    sys(SYS_rt_sigaction, THR_SIGCANCEL, &action, NULL, sizeof action.mask);
}

/* ---- requests */

/* Sets the request; whether its thread has to be told by a signal. */
static bool request(uint32_t *word) {
    /* Full: what the caller did before the request is seen by the thread that acts on it (which tests the word,
     * or gets a signal that is sent after this).  It orders against a32_or_full and a32_and_full in
     * setcancelstate: a thread that is disabled here will see CANCELED when it enables cancellation. */
    uint32_t old = a32_or_full(word, CANCEL_CANCELED | CANCEL_CANCELING);
    return (old & CANCEL_DUE_MASK) == 0;
}

int pthread_cancel(pthread_t t);
THR_EXPORT int pthread_cancel(pthread_t t) {
    if (unlikely(thr_cancel_forward))
        return registry_has(t) ? libc_real(pthread_cancel)(t) : ESRCH;
    prepare();
    if (t == (pthread_t)tcb_self()) {
        request(cancel_word());
        uint32_t word = a32_load(cancel_word()); /* relaxed: our own thread's word */
        if (cancel_due(word) && word & CANCEL_ASYNC)
            thr_cancel_act();
        return 0;
    }
    struct thr *thr = registry_get(t); /* blocks signals: we are not ended ourselves while we hold it */
    if (!thr)
        return ESRCH;
    /* A thread that has begun to end can no longer be told, and its kernel id may already be another's. */
    if (request(cancel_word_of(t)) && thr->alive)
        sys(SYS_tgkill, sys(SYS_getpid), target_tid(thr), THR_SIGCANCEL);
    registry_put(thr);
    return 0;
}

/* ---- a thread's own state */

/* Sets or clears one bit of the calling thread's word; the word before.  Acts if the change makes a request
 * due. */
static uint32_t change(uint32_t bit, bool set) {
    uint32_t *word = cancel_word();
    uint32_t old = a32_load(word); /* relaxed: only this thread changes the two bits */
    if (!!(old & bit) != set)
        /* Full: see request(). */
        old = set ? a32_or_full(word, bit) : a32_and_full(word, ~bit);
    uint32_t now = set ? old | bit : old & ~bit;
    if (unlikely(cancel_due(now)) && now & CANCEL_ASYNC)
        thr_cancel_act();
    return old;
}

int pthread_setcancelstate(int state, int *old);
THR_EXPORT int pthread_setcancelstate(int state, int *old) {
    if (state != PTHREAD_CANCEL_ENABLE && state != PTHREAD_CANCEL_DISABLE)
        return EINVAL;
    if (unlikely(!thr_cancel_offset))
        return libc_real(pthread_setcancelstate)(state, old);
    /* The old state is stored first: once cancellation is enabled, an asynchronous request may end us here. */
    if (old)
        *old = a32_load(cancel_word()) & CANCEL_DISABLED ? PTHREAD_CANCEL_DISABLE : PTHREAD_CANCEL_ENABLE;
    change(CANCEL_DISABLED, state == PTHREAD_CANCEL_DISABLE);
    return 0;
}

int pthread_setcanceltype(int type, int *old);
THR_EXPORT int pthread_setcanceltype(int type, int *old) {
    if (type != PTHREAD_CANCEL_DEFERRED && type != PTHREAD_CANCEL_ASYNCHRONOUS)
        return EINVAL;
    if (unlikely(!thr_cancel_offset))
        return libc_real(pthread_setcanceltype)(type, old);
    if (old)
        *old = a32_load(cancel_word()) & CANCEL_ASYNC ? PTHREAD_CANCEL_ASYNCHRONOUS : PTHREAD_CANCEL_DEFERRED;
    change(CANCEL_ASYNC, type == PTHREAD_CANCEL_ASYNCHRONOUS);
    return 0;
}

void pthread_testcancel(void);
THR_EXPORT void pthread_testcancel(void) {
    if (unlikely(!thr_cancel_offset)) {
        libc_real(pthread_testcancel)();
        return;
    }
    if (unlikely(cancel_due(a32_load(cancel_word())))) /* relaxed: acting orders nothing */
        thr_cancel_act();
}

/* ---- start-up */

/* The offset of a field of struct pthread, from the descriptor that the libc exports for debuggers; 0: none. */
static intptr_t field_offset(const char *descriptor, uint32_t bits) {
    const uint32_t *field = libc_symbol(descriptor); /* size in bits, number of elements, offset */
    return field && field[0] == bits && field[1] == 1 ? (intptr_t)field[2] : 0;
}

/*
 * Versions whose word and whose points we know: before 2.36 state and type lie elsewhere; from 2.41 on the libc
 * has windows of its own, which only its own handler knows, so that version's own functions are the ones to
 * use.
 */
static bool version_known(void) {
    /* "2.36".  Our start-up comes before the libc's: parse it by hand. */
    const char *version = gnu_get_libc_version();
    if (version[0] != '2' || version[1] != '.')
        return false;
    unsigned minor = 0;
    for (version += 2; *version >= '0' && *version <= '9'; version++)
        minor = minor * 10 + (unsigned)(*version - '0');
    return minor >= 36 && minor <= 40;
}

/* Lets the libc's own functions change the word and looks whether the expected bits change, and no others. */
static bool word_behaves(intptr_t tp_offset) {
    const uint32_t *word = (const uint32_t *)(tcb_self() + tcb_bias() + (uintptr_t)tp_offset);
    int state, type;
    /* Relaxed throughout: our own word, changed by functions that we call. */
    libc_cancel.setstate(PTHREAD_CANCEL_DISABLE, &state);
    libc_cancel.settype(PTHREAD_CANCEL_DEFERRED, &type);
    uint32_t disabled = a32_load(word);
    libc_cancel.settype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    uint32_t async = a32_load(word);
    libc_cancel.settype(PTHREAD_CANCEL_DEFERRED, NULL);
    libc_cancel.setstate(PTHREAD_CANCEL_ENABLE, NULL);
    uint32_t enabled = a32_load(word);
    libc_cancel.setstate(PTHREAD_CANCEL_DISABLE, NULL);
    libc_cancel.settype(type, NULL);
    libc_cancel.setstate(state, NULL);
    return (disabled & (CANCEL_DISABLED | CANCEL_ASYNC)) == CANCEL_DISABLED &&
           (disabled ^ async) == CANCEL_ASYNC && (disabled ^ enabled) == CANCEL_DISABLED &&
           (enabled & ~(uint32_t)(CANCEL_CANCELED | CANCEL_CANCELING)) == 0;
}

/* Every exported point. */
extern struct next_point __start_thr_points[] HIDDEN, __stop_thr_points[] HIDDEN;

void thr_cancel_init(void) {
    libc_cancel.exit = (__typeof__(libc_cancel.exit))libc_symbol("pthread_exit");
    libc_cancel.setstate = (__typeof__(libc_cancel.setstate))libc_symbol("pthread_setcancelstate");
    libc_cancel.settype = (__typeof__(libc_cancel.settype))libc_symbol("pthread_setcanceltype");
    uintptr_t (*self)(void) = (uintptr_t(*)(void))libc_symbol("pthread_self");
    intptr_t offset = field_offset("_thread_db_pthread_cancelhandling", 32);
    if (offset && self && version_known() && thr_feature("cancelword")) {
        offset = context_tp_offset(self(), offset);
        if (word_behaves(offset)) {
            thr_cancel_offset = offset;
            return;
        }
    }
    for (struct next_point *p = __start_thr_points; p < __stop_thr_points; p++)
        p->function = dlsym(RTLD_NEXT, p->name);
    thr_cancel_forward = 1;
    if (thr_verbose)
        notice("cancellation is the libc's own: %s",
               version_known() ? "ours is switched off, or the libc's word is not where it should be"
                               : "a version that we do not know");
}
