/*
 * crash: faults: SIGSEGV and SIGBUS, and where faults of processes are trapped, SIGFPE and SIGILL.
 *
 * The handler runs on an alternate stack, one for each worker's LWP.  A fault of a process may be the end of
 * that process alone (proc/trap.c).  For an overflow of a thread's stack there is a report (crash_report.c).
 * Then, and for all other faults without a word, what the program had installed before the runtime started is
 * called as the kernel would have called it; where that is the default action, the handler makes it so and
 * returns: the instruction faults again, and a core file shows it.
 *
 * A program that installs a handler of its own later has that one, and no reports and no traps.  Such a
 * handler runs on the thread's stack unless it says SA_ONSTACK, and cannot run at all when that is what is
 * full.
 *
 * The handler asks which thread this LWP runs (current.c), also if its cpu is being taken from it.  It takes
 * the loader's lock to name functions; that lock is recursive, so a thread that overflows inside the loader
 * gets through as well.  One that overflows inside malloc(3) does, too: nothing here allocates.  A fault within the handler ends the process: the signal is blocked by then.
 */
#include "crash.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "atomic.h"
#include "backtrace.h"
#include "fault.h"
#include "proc/trap.h"
#include "runtime/runtime.h"
#include "thread/current.h"
#include "tls.h"

enum { ALTERNATE = 128 << 10, SIGNALS = 4, ALWAYS = 2 };

/* The first ALWAYS of them; all, if those of processes are trapped. */
static const int signals[SIGNALS] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
static struct sigaction before[SIGNALS]; /* what was there; written before the handler is */
static uint32_t trapping;                /* atomic */

/* initial-exec: a handler reads it. */
static __thread struct {
    char *stack, *end; /* NULL: none of ours */
    stack_t before;
} alternate __attribute__((tls_model("initial-exec")));

/* ---- the chain */

static void chain(int sig, siginfo_t *info, void *context) {
    unsigned i = 0;
    while (signals[i] != sig)
        i++;
    struct sigaction *old = &before[i];
    bool caused = info->si_code > 0; /* by an instruction, which will fault again */
    if (!(old->sa_flags & SA_SIGINFO) && (old->sa_handler == SIG_DFL || old->sa_handler == SIG_IGN)) {
        if (!caused && old->sa_handler == SIG_IGN)
            return;
        struct sigaction none = {.sa_handler = SIG_DFL};
        sigaction(sig, &none, NULL);
        if (!caused)
            raise(sig); /* blocked until this handler has returned */
        return;
    }
    /* Under the mask that it asked for; returning from this handler restores the thread's. */
    struct sigaction now = *old;
    sigset_t own;
    sigemptyset(&own);
    sigaddset(&own, sig);
    pthread_sigmask(SIG_BLOCK, &now.sa_mask, NULL);
    if (now.sa_flags & SA_NODEFER)
        pthread_sigmask(SIG_UNBLOCK, &own, NULL);
    if (now.sa_flags & (int)SA_RESETHAND) {
        old->sa_flags = 0;
        old->sa_handler = SIG_DFL;
    }
    if (now.sa_flags & SA_SIGINFO)
        now.sa_sigaction(sig, info, context);
    else
        now.sa_handler(sig);
}

static bool on_alternate(void) {
    const char *here = __builtin_frame_address(0);
    return alternate.stack && here > alternate.stack && here < alternate.end;
}

static void handle(int sig, siginfo_t *info, void *context) {
    int saved = errno;
    const struct mni_worker *w = mni_worker_self();
    struct mni_thread *t = info->si_code > 0 && mni_rt && w ? mni_current() : NULL;
    if (t && on_alternate() && a32_load_acquire(&trapping) &&
        mni_trap(t, a32_load(&w->inside), info, context)) {
        errno = saved;
        return;
    }
    if (t && mni_overflowed(t, info->si_addr))
        mni_overflow_report(t, info->si_addr, context);
    chain(sig, info, context);
    errno = saved;
}

/* ---- start and end */

static bool ours(const struct sigaction *a) {
    return (a->sa_flags & SA_SIGINFO) && a->sa_sigaction == handle;
}

static void install(unsigned n) {
    struct sigaction mine = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK}, old;
    sigemptyset(&mine.sa_mask);
    for (unsigned i = 0; i < n; i++)
        /* Ours is there already in the child of a fork: what it chains to is known. */
        if (sigaction(signals[i], NULL, &old) == 0 && !ours(&old)) {
            before[i] = old;
            sigaction(signals[i], &mine, NULL);
        }
}

void mni_crash_start(void) {
    backtrace_prepare();
    install(a32_load(&trapping) ? SIGNALS : ALWAYS);
}

void mni_crash_trap(void) {
    /* Release: after what mni_trap looks at; pairs with the handler's acquire. */
    a32_store_release(&trapping, 1);
    if (mni_rt)
        install(SIGNALS);
}

void mni_crash_end(void) {
    struct sigaction now;
    for (int i = 0; i < SIGNALS; i++)
        if (sigaction(signals[i], NULL, &now) == 0 && ours(&now))
            sigaction(signals[i], &before[i], NULL);
}

void mni_crash_worker_start(void) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *p = fault("mmap") ? MAP_FAILED
                            : mmap(NULL, ALTERNATE + page, PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (p == MAP_FAILED)
        return; /* no reports from this LWP: an overflow ends the process all the same */
    mprotect(p, page, PROT_NONE);
    stack_t mine = {.ss_sp = p + page, .ss_size = ALTERNATE};
    if (sigaltstack(&mine, &alternate.before) != 0) {
        munmap(p, ALTERNATE + page);
        return;
    }
    alternate.end = p + page + ALTERNATE;
    alternate.stack = p;
}

void mni_crash_worker_end(void) {
    char *p = alternate.stack;
    stack_t now;
    if (!p)
        return;
    /* A program's own that came later stays. */
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (sigaltstack(NULL, &now) == 0 && now.ss_sp == p + page)
        sigaltstack(&alternate.before, NULL);
    alternate.stack = NULL;
    munmap(p, ALTERNATE + page);
}
