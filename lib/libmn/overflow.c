/*
 * Saying which thread ran out of stack.
 *
 * A stack that grows into its guard faults.  The handler runs on an alternate stack, one for each worker's LWP; it looks
 * the address up in the slab, and if it lies in the guard of the very slot that this LWP's thread has, writes the thread's
 * handle, name, entry function and backtrace.  Then, and for all other faults without a word, what the program had
 * installed before the runtime started is called as the kernel would have called it; where that is the default action, the
 * handler makes it so and returns: the instruction faults again, and a core file shows it.
 *
 * A program that installs a handler of its own later has that one, and no reports.  Such a handler runs on the thread's
 * stack unless it says SA_ONSTACK, and cannot run at all when that is what is full.
 *
 * The handler reads what this LWP alone writes: which cpu or detached thread it has (runtime.h).  It takes the loader's
 * lock to name functions; that lock is recursive, so a thread that overflows inside the loader gets through as well.  A
 * fault within the report ends the process: the signal is blocked by then.
 */
#include "overflow.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "atomic.h"
#include "backtrace.h"
#include "enter.h"
#include "fault.h"
#include "panic.h"
#include "stack.h"
#include "symbol.h"
#include "sys.h"

enum { ALTERNATE = 128 << 10, FRAMES = 32, SIGNALS = 2 };

static const int signals[SIGNALS] = {SIGSEGV, SIGBUS};
static struct sigaction before[SIGNALS]; /* what was there; written while no worker runs */

/* initial-exec: a handler reads it. */
static __thread struct {
    char *stack; /* NULL: none of ours */
    stack_t before;
} alternate __attribute__((tls_model("initial-exec")));

/* ---- the report */

static void write_line(const char *line, size_t size, int n) {
    if (n > 0)
        sys(SYS_write, 2, line, (size_t)n < size ? (size_t)n : size - 1);
}

static struct mni_thread *current(void) {
    struct mni_worker *w = mni_worker_self();
    if (!w)
        return NULL;
    struct mni_cpu *c = aptr_load(&w->cpu);
    return c && !w->detached ? c->current : w->detached;
}

static void report(const struct mni_thread *t, unsigned class, const void *address) {
    char line[600], symbol[300];
    void *pcs[FRAMES];
    const char *name = t->name;
    int n = snprintf(line, sizeof line,
                     "odonata: stack overflow: thread %#lx%s%s%s, entry function %s: its stack of %zu KiB is full (%p)\n",
                     (unsigned long)mni_thread_handle(t), name ? " \"" : "", name ? name : "", name ? "\"" : "",
                     mni_symbol((void *)(uintptr_t)t->fn, symbol, sizeof symbol), mni_stack_bytes(class) >> 10, address);
    write_line(line, sizeof line, n);
    /* Without this function, handle and the kernel's frame. */
    n = backtrace_take(pcs, FRAMES, 3);
    backtrace_print(2, pcs, n);
    if (n == FRAMES)
        write_line("  ...\n", 7, 6);
    if (class < MN_STACK_1M) {
        static const char hint[] = "  struct mn_attr's member stack, or MN_STACK in the environment, gives a larger one\n";
        write_line(hint, sizeof hint, (int)sizeof hint - 1);
    }
}

/* ---- the chain */

static void chain(int sig, siginfo_t *info, void *context) {
    struct sigaction *old = &before[sig == SIGBUS];
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

static void handle(int sig, siginfo_t *info, void *context) {
    int saved = errno;
    char *slot;
    unsigned class;
    if (info->si_code > 0 && mni_rt) {
        struct mni_thread *t = current();
        mni_stack_owner(info->si_addr, &slot, &class);
        if (t && slot && t->stack == slot && (size_t)((char *)info->si_addr - slot) < mni_stack_guard(class))
            report(t, class, info->si_addr);
    }
    chain(sig, info, context);
    errno = saved;
}

/* ---- start and end */

static bool ours(const struct sigaction *a) {
    return (a->sa_flags & SA_SIGINFO) && a->sa_sigaction == handle;
}

void mni_overflow_start(void) {
    struct sigaction mine = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK}, old;
    sigemptyset(&mine.sa_mask);
    backtrace_prepare();
    for (int i = 0; i < SIGNALS; i++)
        /* Ours is there already in the child of a fork: what it chains to is known. */
        if (sigaction(signals[i], NULL, &old) == 0 && !ours(&old)) {
            before[i] = old;
            sigaction(signals[i], &mine, NULL);
        }
}

void mni_overflow_end(void) {
    struct sigaction now;
    for (int i = 0; i < SIGNALS; i++)
        if (sigaction(signals[i], NULL, &now) == 0 && ours(&now))
            sigaction(signals[i], &before[i], NULL);
}

void mni_overflow_worker_start(void) {
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
    alternate.stack = p;
}

void mni_overflow_worker_end(void) {
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
