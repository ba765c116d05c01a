/*
 * trap: a fault as the end of one process.
 *
 * Guarantee.  A process whose own code faults ends as by mn_proc_exit, with a reason that names the fault;
 * nobody else notices anything but that.  Any other fault goes on to what the program had installed, or kills
 * it, as without traps.
 *
 * What is its own code?  All between the fault and the process's first function, by the return addresses on
 * its stack: each lies in a module that the program has registered (code.c).  The naive way looks at the
 * address of the fault alone, and would cut a qsort or a once short whose callback faults, or the printf that
 * was given a bad string: a lock of the libc's stays taken for ever.  So everything else has a veto: a frame
 * of a library that is not registered; one of libmn that holds something; a frame whose caller cannot be found
 * for certain (no unwind information, a corrupted stack); a thread that is inside the runtime, is no process,
 * or is the first of mn_run, whose end is the program's.
 *
 * How it is walked.  In the signal handler, on the alternate stack, from the registers of the fault, by
 * libunwind, whose reads come to us: it gets what lies in this thread's stack, and unwind tables of registered
 * modules.  Nothing else is read, so that it cannot fault, whatever the stack holds.  A jump to where there is
 * no code has no frame of its own: the walk begins with its caller, if the word that a call would have left
 * there is the address after a call.
 *
 * How it is left.  The handler writes down what it found on the thread's stack, sets the registers that it
 * returns to to those of a new context there (as a thread begins), and returns: signal mask, alternate stack
 * and floating point are then as they were before the fault, by the kernel's own hand.  Frames are abandoned,
 * not unwound: between two arbitrary instructions there is no landing pad to go to, and what the frames hold
 * may be what was wrong.  Deferred functions are run, and what they were given may lie in the abandoned
 * frames, so the new context begins below them.  After an overflow there is no room below; then the innermost
 * frames, those of the recursion, are given up for it.
 *
 * A fault in a deferred function, or in a handler's terminate, abandons that one; the end goes on with the
 * next.
 */
#include "proc/trap.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backtrace.h"
#include "boundary.h"
#include "ctx_frame.h"
#include "debug/crash.h"
#include "debug/peek.h"
#include "debug/symbol.h"
#include "debug/walk_read.h"
#include "proc/code.h"
#include "proc/signal.h"
#include "thread/ctx.h"
#include "thread/exit.h"
#include "thread/table.h"

enum {
    ROOM = 65536, /* for a process's end, if the stack is large */
    REPORT = 32,  /* frames */
};

static void *space; /* atomic: what libunwind walks with */

int mni_trap_prepare(void) {
    if (aptr_load(&space))
        return 0;
    mni_peek_prepare();
    void *made = mni_unwind_open();
    if (!made)
        return -ENOTSUP;
    /* Full: before the handler looks at it; pairs with its acquire. */
    if (!aptr_cas_full(&space, NULL, made))
        mni_unwind_close(made);
    return 0;
}

/* ---- in the handler */

/* What is written on the process's stack for its end. */
struct ending {
    int64_t reason;
    struct mn_fault fault;
};

struct trap {
    struct mni_unwind unwind;
    uintptr_t low, high; /* of the stack, without its guard */
    uintptr_t steps;
    uintptr_t wrong; /* the frame that is not the process's, 0: the stack ended too early */
    bool good;
    void *report[REPORT]; /* all frames, for people */
    int reported;
    struct mn_fault fault;
};

static bool read_word(struct mni_unwind *u, uintptr_t at, uintptr_t *word) {
    const struct trap *t = (const struct trap *)(const void *)u;
    bool stack = at >= t->low && at < t->high && t->high - at >= sizeof *word;
    if (!stack && !mni_code_readable(at, sizeof *word))
        return false;
    memcpy(word, (const void *)at, sizeof *word);
    return true;
}

static bool visit(struct mni_unwind *u, uintptr_t pc) {
    struct trap *t = (struct trap *)(void *)u;
    struct mn_fault *f = &t->fault;
    /* A return address may lie behind the end of its function; the call does not. */
    uintptr_t in = t->steps++ ? pc - 1 : pc;
    t->wrong = u->guessed ? 0 : pc;
    if (u->guessed || t->steps > t->high - t->low)
        return false;
    if (mni_is_boundary(in)) {
        t->good = f->frames > 0;
        return false;
    }
    if (!mni_is_through(in) && !mni_code_is(in))
        return false;
    if (f->frames < MN_FAULT_FRAMES)
        f->frame[f->frames++] = (const void *)pc;
    t->wrong = 0;
    return true;
}

static void walk(struct trap *t, const siginfo_t *info) {
    ucontext_t *uc = &t->unwind.registers;
    uintptr_t pc = mni_ctx_pc(uc), from;
    if (mni_code_is(pc)) {
        /* Where it happened. */
    } else if (mni_ctx_jumped(uc, info) && mni_ctx_caller(uc, t->low, t->high, &from) &&
               mni_code_is(from - 1) && mni_code_readable(from - MNI_CTX_CALL, MNI_CTX_CALL) &&
               mni_ctx_after_call(from)) {
        t->fault.frame[t->fault.frames++] = (const void *)pc;
        mni_ctx_set(uc, from - 1, mni_ctx_sp(uc)); /* in the call: walks take the first address as it is */
    } else {
        t->wrong = pc;
        return;
    }
    mni_unwind(aptr_load_acquire(&space), &t->unwind, visit);
}

static const char *name_of(int signal) {
    return signal == SIGBUS ? "SIGBUS" : signal == SIGFPE ? "SIGFPE" : signal == SIGILL ? "SIGILL" : "SIGSEGV";
}

/* Through the kernel: frames of any code, which may be nonsense. */
static bool peek_word(struct mni_unwind *u, uintptr_t at, uintptr_t *word) {
    (void)u;
    return mni_peek(word, (const void *)at, sizeof *word);
}

static bool collect(struct mni_unwind *u, uintptr_t pc) {
    struct trap *t = (struct trap *)(void *)u;
    t->report[t->reported++] = (void *)pc;
    return t->reported < REPORT;
}

static void print_frames(struct trap *t, const ucontext_t *uc, const siginfo_t *info) {
    uintptr_t from;
    t->unwind.registers = *uc;
    t->unwind.read = peek_word;
    if (mni_ctx_jumped(uc, info) && mni_ctx_caller(&t->unwind.registers, t->low, t->high, &from))
        t->report[t->reported++] = (void *)mni_ctx_pc(uc);
    mni_unwind(aptr_load_acquire(&space), &t->unwind, collect);
    backtrace_print(2, t->report, t->reported);
}

/* why == NULL: because of the frame `wrong`. */
static void report(const struct mni_thread *t, const struct mni_proc *p, const siginfo_t *info, const char *why,
                   uintptr_t wrong) {
    char line[900], entry[200], frame[300];
    const struct mn_handler *h = p->flags & MNI_PROC_HANDLER ? p->handler : NULL;
    const char *name = p->name ? p->name : h ? h->name : NULL;
    const void *fn = h ? (void *)(uintptr_t)h->handle_message : p->more ? (void *)(uintptr_t)p->more->fn : NULL;
    if (!fn)
        fn = h ? (void *)(uintptr_t)h->handle_call : (void *)(uintptr_t)t->fn;
    if (!why)
        why = wrong ? " is not a process's code" : "its stack cannot be followed";
    int n = snprintf(line, sizeof line,
                     "odonata: %s (%p) in process %#lx%s%s%s, function %s, is not trapped: %s%s\n",
                     name_of(info->si_signo), info->si_addr, (unsigned long)mni_pid(p), name ? " \"" : "",
                     name ? name : "", name ? "\"" : "", mni_symbol(fn, entry, sizeof entry),
                     wrong ? mni_symbol((void *)wrong, frame, sizeof frame) : "", why);
    mni_crash_line(line, sizeof line, n);
}

static int64_t reason_of(const struct mni_thread *t, const siginfo_t *info) {
    switch (info->si_signo) {
    case SIGBUS:
        return MN_REASON_BUS;
    case SIGFPE:
        return MN_REASON_FPE;
    case SIGILL:
        return MN_REASON_ILL;
    default:
        return mni_overflowed(t, info->si_addr) ? MN_REASON_STACK : MN_REASON_SEGV;
    }
}

/* Memory whose contents are lost is more than one process's affair. */
static bool of_hardware(const siginfo_t *info) {
    return info->si_signo == SIGBUS && (info->si_code == BUS_MCEERR_AR || info->si_code == BUS_MCEERR_AO);
}

/* The process of thread t, if that is what the stack pointer says, too: an overrun may have changed the
 * pointer to it. */
static const struct mni_proc *process(const struct mni_thread *t, uintptr_t sp) {
    const char *stack = mni_thread_stack(t);
    bool own = stack && sp - (uintptr_t)stack < mni_stack_bytes(t->stack_class);
    const struct mni_proc *p = own ? t->own->proc : NULL;
    /* Acquire: pairs with the release of add_segment. */
    for (uint32_t i = a32_load_acquire(&mni_procs.used); p && i-- > 0;) {
        uintptr_t offset = (uintptr_t)p - (uintptr_t)mni_procs.segments[i];
        if (offset < MNI_PROC_SEGMENT * sizeof *p && offset % sizeof *p == 0)
            return p->flags & MNI_PROC_CALLER ? NULL : p;
    }
    return NULL;
}

static void end(void *arg);

bool mni_trap(struct mni_thread *t, bool inside, const siginfo_t *info, void *context) {
    ucontext_t *uc = context;
    uintptr_t sp = mni_ctx_sp(uc), low = (uintptr_t)mni_thread_stack(t) + mni_stack_guard(t->stack_class);
    const struct mni_proc *p = process(t, sp);
    if (!p)
        return false;
    struct trap found = {
        .unwind = {.registers = *uc, .read = read_word},
        .low = low,
        .high = (uintptr_t)t->own,
        .fault = {.signal = info->si_signo,
                  .code = info->si_code,
                  .address = info->si_addr,
                  .pc = (void *)mni_ctx_pc(uc)},
    };
    const char *why = inside                ? "the runtime is at work"
                      : t->flags & MNI_MAIN ? "the program ends with it"
                      : of_hardware(info)   ? "memory was lost"
                                            : NULL;
    if (!why)
        walk(&found, info);
    if (!found.good) {
        report(t, p, info, why, found.wrong);
        if (!mni_overflowed(t, info->si_addr)) /* of that there is one more report */
            print_frames(&found, uc, info);
        return false;
    }
    uintptr_t half = (found.high - low) / 2, room = half < ROOM ? half : ROOM;
    if (sp < low + room + MNI_CTX_BELOW)
        sp = low + room + MNI_CTX_BELOW;
    struct ending *e = (struct ending *)((sp - MNI_CTX_BELOW - sizeof *e) & ~(uintptr_t)63);
    *e = (struct ending){reason_of(t, info), found.fault};
    mni_ctx_begin(uc, (uintptr_t)e, end, e);
    return true;
}

/* ---- on the process's stack again */

static void doom(struct mni_proc *p, int64_t reason, struct mn_bin *detail) {
    struct mn_bin *old;
    /* What was deferred by a process that had ended well has faulted: then it has not ended well. */
    if (p->flags & MNI_PROC_DOOMED && mni_proc_reason(p, &old) == MN_REASON_NORMAL) {
        mn_bin_drop(old);
        if (p->more)
            p->more->detail = NULL;
        mni_proc_flag(p, 0, MNI_PROC_DOOMED | MNI_PROC_ENDING);
    }
    mni_proc_doom(p, reason, detail);
}

static void end(void *arg) {
    const struct ending *e = arg;
    struct mni_cpu *c = mni_enter();
    struct mni_proc *p = mni_proc_self(c);
    struct mn_bin *detail;
    if (mn_bin_make(&detail, &e->fault, sizeof e->fault) < 0)
        detail = NULL; /* without the memory for it the reason goes alone */
    doom(p, e->reason, detail);
    mn_bin_drop(detail);
    if (p->flags & MNI_PROC_HANDLER)
        mni_proc_flag(p, MNI_PROC_KILLED, 0); /* its state may be what was wrong: not for terminate */
    mni_proc_abandon(c, p);
}
