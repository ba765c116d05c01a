/*
 * stall: threads that make no call of the library for long.
 *
 * Each look of sysmon's says of each worker that runs a thread whether that has called since the last one: it
 * has switched, has used up some of its budget, is inside now, or has been given up by an LWP without a cpu.
 * Otherwise the time since then is added to its span; not more than a look should take, so that a process that
 * was stopped has no stalls.  Each stall is reported once.
 *
 * Backtrace.  A thread that sleeps in the kernel stands still: /proc says where, and its stack is copied.  What
 * the callee-saved registers hold is not known; functions that find their frame by the stack pointer do not
 * need that.  One that computes has to tell by itself: a signal, whose handler shows its registers and waits
 * until its stack is copied.  SIGSTKFLT: nothing sends it, workers do not block it, and it goes to an LWP that
 * has been seen computing, so that hardly ever a system call is interrupted; most of these go on by SA_RESTART.
 *
 *     request    set by                      what
 *     NONE       the signal LWP              sysmon may write the rest of it
 *     FOUND      sysmon (release)            the signal LWP reads it (acquire)
 *     shown      1 asked, 2 shown: by the handler; 0: by the signal LWP, whom the handler waits for
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <errno.h>
#include <mn/progress.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"
#include "ctx_frame.h"
#include "debug/dump.h"
#include "debug/peek.h"
#include "debug/walk_copy.h"
#include "export.h"
#include "fault.h"
#include "lock.h"
#include "panic.h"
#include "report.h"
#include "runtime/keep.h"
#include "runtime/runtime.h"
#include "sched/worker.h"
#include "stack/stack.h"
#include "stall_signal.h"
#include "umtx.h"

enum { DEPTH = 64, SPAN_LEAST = 1000000, ONE_IN = 1000000000 };
enum { NONE, FOUND };
enum { NOTHING, ASKED, SHOWN };

static struct {
    struct lock lock;
    void (*report)(const struct mn_stall *, void *);
    void *arg;
} choice = {.lock = LOCK_INIT(RANK_OBJECT)};

static uint64_t span; /* atomic; 0: off */
static uint64_t stalls; /* atomic */

static struct {
    uint32_t state; /* atomic */
    struct mni_worker *worker;
    struct mni_thread *thread;
    uint32_t generation;
    int64_t span;
    uint64_t left_out;
} request;

static struct {
    uint32_t state; /* atomic */
    int tid;
    ucontext_t *registers;
} show;

/* ---- finding them: sysmon */

/* The owner's word, read in passing. */
__attribute__((no_sanitize("thread"), noinline)) static int32_t peek_budget(const struct mni_cpu *c) {
    return *(const volatile int32_t *)&c->budget;
}

static void found(struct mni_worker *w, struct mni_thread *t) {
    static int64_t last;
    static uint64_t left_out;
    int64_t now = (int64_t)clock_now_ns();
    w->watch.told = true;
    a64_add(&stalls, 1);
    /* Acquire: pairs with the release of mni_stall_report. */
    if (now - last < ONE_IN || a32_load_acquire(&request.state) != NONE) {
        left_out++;
        return;
    }
    request.worker = w;
    request.thread = t;
    request.generation = a32_load(&t->generation);
    request.span = w->watch.span;
    request.left_out = left_out;
    left_out = 0;
    last = now;
    a32_store_release(&request.state, FOUND);
    mni_report_ring(MNI_REPORT_STALL);
}

static void look(struct mni_worker *w, int64_t passed) {
    struct mni_thread *t = NULL;
    bool called = a32_load(&w->inside);
    /* Acquire, both: pair with the releases of a hand-off. */
    struct mni_cpu *c = aptr_load_acquire(&w->cpu);
    if (a32_load_acquire(&w->taken) & MNI_TAKEN_AWAY) {
        t = aptr_load(&w->detached);
    } else if (c && aptr_load(&c->worker) == w && !a32_load(&c->remote.idle)) {
        t = aptr_load(&c->current);
        uint64_t switches = a64_load(&c->count.switches);
        int32_t budget = peek_budget(c);
        called |= switches != w->watch.switches || budget != w->watch.budget;
        w->watch.switches = switches;
        w->watch.budget = budget;
    }
    if (!t || called || t != w->watch.thread) {
        w->watch.thread = t;
        w->watch.span = 0;
        w->watch.told = false;
        return;
    }
    w->watch.span += passed;
    if (w->watch.span >= (int64_t)a64_load(&span) && !w->watch.told)
        found(w, t);
}

void mni_stall_look(const struct mni_runtime *rt, int64_t passed) {
    (void)rt;
    if (a64_load(&span))
        for (struct mni_worker *w = mni_workers_all(); w; w = w->all)
            look(w, passed);
}

int64_t mni_stall_wants(void) {
    int64_t s = (int64_t)a64_load(&span);
    if (s)
        for (struct mni_worker *w = mni_workers_all(); w; w = w->all)
            if (a32_load(&w->taken) & MNI_TAKEN_AWAY && !w->watch.told)
                return s / 4 > SPAN_LEAST ? s / 4 : SPAN_LEAST;
    return 0;
}

uint64_t mni_stalls(void) {
    return a64_load(&stalls);
}

/* ---- where they are: the signal LWP */

static int tid_of(const struct mni_worker *w) {
    return (int)a32_load((const uint32_t *)&w->tid); /* relaxed: it runs */
}

static void handler(int number, siginfo_t *info, void *context) {
    (void)number, (void)info;
    if ((int)syscall(SYS_gettid) != (int)a32_load((uint32_t *)&show.tid))
        return;
    show.registers = context;
    /* Full: pairs with the signal LWP's load; if it has given up, so do we. */
    if (!a32_cas_full(&show.state, ASKED, SHOWN))
        return;
    umtx_wake(&show.state, 1, UMTX_PRIVATE);
    while (a32_load_acquire(&show.state) == SHOWN)
        umtx_wait(&show.state, SHOWN, NULL, CLOCK_MONOTONIC, UMTX_PRIVATE);
}

bool mni_stall_handler(const struct sigaction *a) {
    return a->sa_flags & SA_SIGINFO && a->sa_sigaction == handler;
}

static bool install(void) {
    struct sigaction now, new = {.sa_sigaction = handler, .sa_flags = SA_RESTART | SA_ONSTACK | SA_SIGINFO};
    sigfillset(&new.sa_mask);
    if (sigaction(MNI_STALL_SIGNAL, NULL, &now) < 0)
        return false;
    if (mni_stall_handler(&now))
        return true;
    return !(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_DFL &&
           sigaction(MNI_STALL_SIGNAL, &new, NULL) == 0;
}

/* The stack from where the registers say, if it is this thread's. */
static bool copy(struct mni_copy *c, const struct mni_thread *t, const ucontext_t *uc) {
    char *slot;
    unsigned class;
    uintptr_t sp = mni_ctx_sp(uc);
    return mni_stack_owner((void *)sp, &slot, &class) == t &&
           mni_copy_take(c, sp, (uintptr_t)mni_stack_top(slot, class));
}

static bool of_running(struct mni_copy *c, const struct mni_worker *w, const struct mni_thread *t,
                       ucontext_t *uc) {
    if (!install())
        return false;
    a32_store((uint32_t *)&show.tid, (uint32_t)tid_of(w));
    /* Full: pairs with the handler's. */
    a32_swap_full(&show.state, ASKED);
    if (syscall(SYS_tgkill, getpid(), tid_of(w), MNI_STALL_SIGNAL) < 0) {
        a32_swap_full(&show.state, NOTHING);
        return false;
    }
    /* It is to run, but the machine may be busy with others. */
    int64_t until = (int64_t)clock_now_ns() + 1000000000;
    struct timespec ts = clock_timespec(until);
    while (a32_load_acquire(&show.state) == ASKED)
        if (umtx_wait(&show.state, ASKED, &ts, CLOCK_MONOTONIC, UMTX_PRIVATE) == -ETIMEDOUT &&
            a32_cas_full(&show.state, ASKED, NOTHING))
            return false;
    bool good = copy(c, t, show.registers);
    *uc = *show.registers;
    a32_swap_full(&show.state, NOTHING);
    umtx_wake(&show.state, 1, UMTX_PRIVATE);
    return good;
}

/* "number arguments... sp pc" while it sleeps in the kernel, "running" otherwise. */
static bool asleep(const struct mni_worker *w, char *text, size_t size, ucontext_t *uc) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/syscall", tid_of(w));
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    size_t n = fread(text, 1, size - 1, f);
    fclose(f);
    text[n] = '\0';
    const char *pc = strrchr(text, ' '), *sp = pc;
    if (!pc)
        return false;
    do
        sp--;
    while (sp > text && *sp != ' ');
    memset(uc, 0, sizeof *uc);
    mni_ctx_set(uc, strtoul(pc, NULL, 16), strtoul(sp, NULL, 16));
    return true;
}

static int trace(const struct mni_worker *w, const struct mni_thread *t, void **pcs, int *blocked) {
    struct mni_copy *c = fault("malloc") ? NULL : calloc(1, sizeof *c);
    char before[256], after[256];
    ucontext_t uc, again;
    int n = 0;
    *blocked = asleep(w, before, sizeof before, &uc);
    if (!c)
        return 0;
    mni_peek_prepare();
    mni_copy_begin(c);
    if (*blocked ? copy(c, t, &uc) && asleep(w, after, sizeof after, &again) && !strcmp(before, after)
                 : of_running(c, w, t, &uc))
        n = mni_copy_walk_from(c, &uc, pcs, DEPTH);
    mni_copy_end(c);
    free(c);
    return n;
}

/* Whether it is still the same stall: the thread is where it was, and has not called. */
static bool still(const struct mni_worker *w, const struct mni_thread *t) {
    const struct mni_cpu *c = aptr_load_acquire(&w->cpu);
    if (a32_load(&t->generation) != request.generation)
        return false;
    return a32_load_acquire(&w->taken) & MNI_TAKEN_AWAY ? aptr_load(&w->detached) == t
                                                        : c && aptr_load(&c->current) == t;
}

/* Of a thread that runs, or has just ended: in passing, too. */
__attribute__((no_sanitize("thread"), noinline)) static const char *read_fields(const struct mni_thread *t,
                                                                                struct mn_stall *s) {
    s->thread = (uint64_t)request.generation << 32 | (*(const volatile uint32_t *)&t->index + 1);
    s->fn = *(void *(*const volatile *)(void *))&t->fn;
    return mni_thread_name(t);
}

void mni_stall_report(void) {
    if (a32_load_acquire(&request.state) != FOUND)
        return;
    struct mni_thread *t = request.thread;
    void *pcs[DEPTH];
    char name[64] = "";
    struct mn_stall s = {
        .name = name,
        .span = request.span,
        .lwp = tid_of(request.worker),
        .pcs = pcs,
        .left_out = request.left_out,
    };
    const char *from = read_fields(t, &s);
    for (size_t i = 0; from && i < sizeof name - 1; i++)
        if (!mni_peek(name + i, from + i, 1) || !name[i])
            break;
    if (still(request.worker, t))
        s.depth = trace(request.worker, t, pcs, &s.blocked);
    a32_store_release(&request.state, NONE);
    lock_take(&choice.lock);
    void (*report)(const struct mn_stall *, void *) = choice.report;
    void *arg = choice.arg;
    lock_drop(&choice.lock);
    if (report) {
        report(&s, arg);
        return;
    }
    char head[256], more[64] = "";
    if (s.left_out)
        snprintf(more, sizeof more, " (%llu others were not reported)", (unsigned long long)s.left_out);
    snprintf(head, sizeof head,
             "odonata: libmn: thread %u%s%s%s has made no call for %.3f s: it %s, on LWP %d%s\n",
             (unsigned)s.thread, *name ? " \"" : "", name, *name ? "\"" : "", (double)s.span / 1e9,
             s.blocked ? "sleeps in the kernel" : "computes", s.lwp, more);
    mni_dump_frames(2, head, (void *)s.fn, pcs, s.depth);
}

MN_EXPORT int mn_on_stall(int64_t ns, void (*report)(const struct mn_stall *stall, void *arg), void *arg) {
    if (ns < 0 || (ns > 0 && ns < SPAN_LEAST))
        return -EINVAL;
    lock_take(&choice.lock);
    choice.report = report;
    choice.arg = arg;
    lock_drop(&choice.lock);
    a64_store(&span, (uint64_t)ns);
    return 0;
}

void mni_stall_start(const struct mni_runtime *rt) {
    a32_store(&request.state, NONE);
    a64_store(&stalls, 0);
    if (rt->config.stall_ms) {
        lock_take(&choice.lock);
        choice.report = NULL;
        lock_drop(&choice.lock);
        a64_store(&span, (uint64_t)rt->config.stall_ms * 1000000);
    }
}

MN_EXPORT int mn_stats_lwps(struct mn_lwps *lwps, size_t size) {
    if (!lwps || size < sizeof *lwps)
        return -EINVAL;
    MNI_KEEP_OR(-EPERM);
    struct mni_lwps n;
    mni_workers_lwps(&n);
    memset(lwps, 0, size);
    *lwps = (struct mn_lwps){n.now, n.most, n.spares, mni_stalls()};
    return 0;
}
