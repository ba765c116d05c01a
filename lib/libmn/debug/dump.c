/*
 * dump: all threads, what each waits for and where it is, while the program goes on (mn/stats.h).
 *
 * Guarantee: mn_dump changes nothing, stops nobody, and cannot fault, whatever the threads do meanwhile.  What
 * it says of a thread was true at one moment, which differs from thread to thread.
 *
 * The naive design stops the program, or takes each thread's claim (wait.h) so that nobody can wake it: then a
 * dump of a million threads holds up the program for seconds, and a waker has to wait for the dumper.  Here all
 * is read, and then it is looked whether it was true:
 *   - Descriptors are never unmapped while the runtime runs.  A handle's generation says whose one is.
 *   - A parked thread's claim says WAITING and counts its waits.  If it is the same word before and after, the thread has not
 *     run meanwhile, and the copy of its stack is right (walk_copy.c).
 *   - A ready thread has no such count.  Its stack is copied twice, and believed if both are equal, it is still queued, and
 *     the walk ends where every green thread's does.
 *   - Memory of the program's that a descriptor points to (names, the object waited for) may be gone by now: it is read through
 *     the kernel (peek.h).
 * A thread that keeps changing is said to run, after a few tries.
 *
 * Limits: no backtrace of threads that run (a debugger has it: tools/libmn-gdb.py); foreign LWPs that wait are
 * not listed.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <dlfcn.h>
#include <errno.h>
#include <mn/mutex.h>
#include <mn/stats.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "backtrace.h"
#include "clock.h"
#include "dump.h"
#include "export.h"
#include "fault.h"
#include "peek.h"
#include "runtime/keep.h"
#include "sched/runq.h"
#include "sched/worker.h"
#include "symbol.h"
#include "sync/robust.h"
#include "thread/ctx.h"
#include "thread/current.h"
#include "thread/table.h"
#include "walk_copy.h"

enum { DEPTH = 64, TRIES = 3, SYMBOLS = 256, SEEN = 1024, PROBES = 16, TEXT = 48 };

/* What was read of a thread. */
struct shot {
    uint32_t index, generation, claim;
    uint8_t state, class;
    uint16_t flags, cpu;
    void *(*fn)(void *);
    const char *name, *what;
    const void *on;
    int64_t since;
    const char *sp;
    size_t used, room; /* bytes of its stack; 0: unknown */
    int depth;
    void *pcs[DEPTH];
};

struct symbol {
    const void *pc;
    bool ours; /* within libmn */
    char text[168];
};

struct dump {
    int fd, error, count;
    struct mni_thread *caller;
    const void *base; /* where libmn lies; NULL: within the program */
    struct shot now;
    struct seen {
        uint64_t digest; /* 0: nothing here */
        uint32_t index;
    } seen[SEEN]; /* backtraces that were written, by open addressing */
    size_t length;
    char out[8192];
    struct symbol symbols[SYMBOLS];
    struct mni_copy copy;
};

static void flush(struct dump *d) {
    for (size_t done = 0; done < d->length && !d->error;) {
        ssize_t n = write(d->fd, d->out + done, d->length - done);
        if (n > 0)
            done += (size_t)n;
        else if (n < 0 && errno != EINTR)
            d->error = -errno;
    }
    d->length = 0;
}

__attribute__((format(printf, 2, 3))) static void say(struct dump *d, const char *format, ...) {
    va_list ap;
    if (sizeof d->out - d->length < 1024)
        flush(d);
    va_start(ap, format);
    int n = vsnprintf(d->out + d->length, sizeof d->out - d->length, format, ap);
    va_end(ap);
    d->length += n < 0 ? 0 : (size_t)n < sizeof d->out - d->length ? (size_t)n : sizeof d->out - d->length - 1;
}

/* A string of the program's, as far as it can be read and printed; "" for NULL. */
static const char *text(const char *from, char to[TEXT]) {
    size_t n = 0;
    while (from && n < TEXT - 1) {
        size_t piece = 64 - ((uintptr_t)(from + n) & 63);
        if (piece > TEXT - 1 - n)
            piece = TEXT - 1 - n;
        if (!mni_peek(to + n, from + n, piece))
            break;
        to[n + piece] = '\0';
        size_t length = strlen(to + n);
        n += length;
        if (length < piece)
            break;
    }
    to[n] = '\0';
    for (char *p = to; *p; p++)
        if (*p < ' ' || *p > '~')
            *p = '?';
    return to;
}

static const struct symbol *symbol(struct dump *d, const void *pc, bool return_address) {
    struct symbol *s = &d->symbols[((uintptr_t)pc >> 1 ^ (uintptr_t)pc >> 9) % SYMBOLS];
    if (s->pc == pc)
        return s;
    s->pc = pc;
    s->ours = false;
    /* A return address may lie behind the end of its function, when that ends in a call. */
    const char *at = (const char *)pc - return_address;
    Dl_info info;
    if (dladdr(at, &info) == 0 || !info.dli_fname) {
        snprintf(s->text, sizeof s->text, "%p", pc);
        return s;
    }
    s->ours = d->base && info.dli_fbase == d->base;
    char name[64];
    unsigned long offset;
    if (info.dli_sname)
        snprintf(s->text, sizeof s->text, "%.60s+0x%lx (%s)", info.dli_sname,
                 (unsigned long)((const char *)pc - (const char *)info.dli_saddr), info.dli_fname);
    else if (mni_copy_name(&d->copy, at, name, sizeof name, &offset))
        snprintf(s->text, sizeof s->text, "%s+0x%lx (%s)", name, offset + return_address, info.dli_fname);
    else
        snprintf(s->text, sizeof s->text, "%s+0x%lx", info.dli_fname,
                 (unsigned long)((const char *)pc - (const char *)info.dli_fbase));
    return s;
}

/* ---- reading */

static uint64_t digest(const void *data, size_t size) {
    uint64_t h = size;
    for (size_t i = 0; i + 8 <= size; i += 8) {
        uint64_t word;
        memcpy(&word, (const char *)data + i, 8);
        h = (h ^ word) * 0x9e3779b97f4a7c15u;
        h ^= h >> 29;
    }
    return h;
}

static bool copy_stack(struct dump *d, struct mni_thread *t, struct shot *s) {
    char *slot;
    unsigned class;
    if (mni_stack_owner(s->sp, &slot, &class) != t)
        return false;
    uintptr_t top = (uintptr_t)mni_stack_top(slot, class);
    s->used = top - (uintptr_t)s->sp;
    s->room = top - (uintptr_t)slot - mni_stack_guard(class);
    if (!mni_copy_take(&d->copy, (uintptr_t)s->sp, top))
        return false;
    if (s->state == MNI_WAITING)
        return true;
    uint64_t first = digest(d->copy.stack, d->copy.size);
    return mni_copy_take(&d->copy, (uintptr_t)s->sp, top) && digest(d->copy.stack, d->copy.size) == first;
}

/* All relaxed, but for the first, which pairs with the operation that stored WAITING: see above. */
static void read_fields(struct mni_thread *t, struct shot *s) {
    s->claim = a32_load_acquire(&t->park.claim);
    s->index = t->index;
    s->generation = a32_load(&t->generation);
    s->state = a8_load(&t->state);
    s->class = *(volatile uint8_t *)&t->stack_class;
    s->flags = *(volatile uint16_t *)&t->flags;
    s->cpu = *(volatile uint16_t *)&t->cpu;
    s->fn = aptr_load(&t->fn);
    s->name = mni_thread_name(t);
    s->what = aptr_load(&t->wait_what);
    s->on = aptr_load(&t->wait_on);
    s->since = (int64_t)a64_load((uint64_t *)(void *)&t->since);
    s->sp = aptr_load(&t->sp);
}

static bool parked(const struct shot *s) {
    return s->state == MNI_WAITING && (s->claim & MNI_CLAIM_MASK) == MNI_WAITING_CLAIM;
}

/* A return address in the outermost frame of green threads (ctx.S). */
static bool at_base(const void *pc) {
    return (uintptr_t)pc - (uintptr_t)mni_ctx_entry < 16;
}

static void take(struct dump *d, struct mni_thread *t, struct shot *s) {
    const uint32_t steady = ~(uint32_t)(MNI_CANCEL | MNI_SHIELD | MNI_POKED);
    for (int i = 0; i < TRIES; i++) {
        s->used = s->room = 0;
        s->depth = 0;
        read_fields(t, s);
        bool stack = !(s->flags & MNI_BOUND) && s->sp && (parked(s) || s->state == MNI_READY);
        if (stack && !copy_stack(d, t, s)) {
            s->used = s->room = 0;
            stack = false;
        }
        fence_full();
        if (a32_load(&t->generation) != s->generation)
            continue;
        if (stack && ((a32_load(&t->park.claim) & steady) != (s->claim & steady) ||
                      aptr_load(&t->sp) != s->sp || a8_load(&t->state) != s->state))
            continue;
        if (stack)
            s->depth = mni_copy_walk(&d->copy, s->pcs, DEPTH);
        if (s->depth > 0 && s->depth < DEPTH && s->state == MNI_READY && !at_base(s->pcs[s->depth - 1]))
            continue;
        if (t == d->caller)
            s->depth = backtrace_take(s->pcs, DEPTH, 0);
        return;
    }
    s->used = s->room = 0;
    s->depth = 0;
    s->state = s->state == MNI_FREE ? MNI_FREE : MNI_RUNNING;
}

/* ---- writing */

static int cpu_of(const struct mni_thread *t) {
    const struct mni_runtime *rt = mni_rt;
    for (unsigned i = 0; i < rt->ncpus; i++)
        if (aptr_load(&rt->cpus[i]->current) == t)
            return (int)i;
    return -1;
}

/* It runs on a worker that has lost its cpu. */
static bool detached(const struct mni_thread *t) {
    for (struct mni_worker *w = mni_workers_all(); w; w = w->all)
        if (a32_load(&w->taken) & MNI_TAKEN_AWAY && aptr_load(&w->detached) == t)
            return true;
    return false;
}

static void say_owner(struct dump *d, const void *mutex) {
    uint32_t owner;
    if (!mni_peek(&owner, &((const struct mn_mutex *)mutex)->owner, sizeof owner) || !(owner &= ~MNI_ROBUST))
        return;
    if (owner >> 31) /* foreign.c counts down from the top */
        say(d, ", held by a foreign LWP");
    else
        say(d, ", held by thread %u", owner);
}

static void say_wait(struct dump *d, const struct shot *s) {
    char what[TEXT];
    int64_t passed = (int64_t)clock_now_ns() - s->since;
    say(d, "waits: %s", *text(s->what, what) ? what : "?");
    if (s->on && !strcmp(what, "join"))
        say(d, " of thread %u", ((const struct mni_thread *)s->on)->index + 1);
    else if (s->on)
        say(d, " %p", s->on);
    if (s->on && !strcmp(what, "mutex"))
        say_owner(d, s->on);
    say(d, ", for %.3f s, cpu %u", passed > 0 ? (double)passed / 1e9 : 0, s->cpu);
}

static void say_state(struct dump *d, const struct mni_thread *t, const struct shot *s) {
    int cpu;
    switch (s->state) {
    case MNI_FRESH:
        say(d, s->flags & MNI_BOUND ? "starts" : "has not run yet");
        break;
    case MNI_READY:
        say(d, "ready");
        break;
    case MNI_WAITING:
        say_wait(d, s);
        break;
    case MNI_DONE:
        say(d, "has ended, is to be joined");
        break;
    default:
        if (s->flags & MNI_BOUND)
            say(d, "runs on an LWP of its own");
        else if ((cpu = cpu_of(t)) >= 0)
            say(d, "runs on cpu %d%s", cpu, t == d->caller ? ", calls this" : "");
        else
            say(d, "runs%s%s", detached(t) ? ", its cpu was handed over" : "",
                t == d->caller ? ", calls this" : "");
    }
    if (s->claim & MNI_CANCEL)
        say(d, ", cancelled%s", s->claim & MNI_SHIELD ? " but shielded" : "");
    if (s->room)
        say(d, ", stack %zu of %zu", s->used, s->room);
}

/* Where a backtrace is remembered, or can be; among many, one of those that are remembered gives way. */
static struct seen *seen(struct dump *d, uint64_t digest) {
    for (unsigned i = 0; i < PROBES; i++) {
        struct seen *e = &d->seen[(digest + i) % SEEN];
        if (e->digest == digest || e->digest == 0)
            return e;
    }
    return &d->seen[digest % SEEN];
}

/* Without what lies inside libmn: but for the function of it that the thread called. */
static void say_frames(struct dump *d, const struct shot *s) {
    int first = 0, end = s->depth;
    if (end <= 0)
        return;
    while (end > 0 && symbol(d, s->pcs[end - 1], true)->ours)
        end--;
    if (end == 0)
        end = s->depth;
    while (first + 1 < end && symbol(d, s->pcs[first], true)->ours && symbol(d, s->pcs[first + 1], true)->ours)
        first++;
    /* Who stands at the same place of the program need not do so within libmn. */
    int program = first + (symbol(d, s->pcs[first], true)->ours && first + 1 < end);
    uint64_t h = digest(s->pcs + program, (size_t)(end - program) * sizeof *s->pcs);
    struct seen *before = seen(d, h);
    if (before->digest == h) {
        say(d, "  where thread %u is\n", before->index + 1);
        return;
    }
    *before = (struct seen){h, s->index};
    for (int i = first; i < end; i++)
        say(d, "  #%-2d %p  %s\n", i - first, s->pcs[i], symbol(d, s->pcs[i], true)->text);
}

static bool visit(struct mni_thread *t, void *arg) {
    struct dump *d = arg;
    struct shot *s = &d->now;
    char name[TEXT];
    take(d, t, s);
    if (s->state == MNI_FREE)
        return true;
    d->count++;
    say(d, "thread %u [0x%llx]", s->index + 1, (unsigned long long)s->generation << 32 | (s->index + 1));
    if (*text(s->name, name))
        say(d, " \"%s\"", name);
    say(d, " %s: ", s->fn ? symbol(d, (void *)s->fn, false)->text : "?");
    say_state(d, t, s);
    say(d, "\n");
    say_frames(d, s);
    return d->error == 0;
}

static void say_cpu(struct dump *d, const struct mni_cpu *c) {
    const struct mni_thread *t = aptr_load(&c->current);
    say(d, "cpu %u: ", c->index);
    if (t)
        say(d, "runs thread %u", t->index + 1);
    else
        say(d, a32_load(&c->remote.idle) ? "sleeps" : "looks for work");
    say(d, ", %llu ready, %llu timers, %llu switches\n",
        (unsigned long long)(mni_ring_length(c) % (MNI_RING_MOST + 1) + a64_load(&c->overflow.length) +
                             a64_load(&c->high.length) + a64_load(&c->low.length) +
                             (aptr_load(&c->hot) != NULL)),
        (unsigned long long)mni_timers_pending(c->timers), (unsigned long long)a64_load(&c->count.switches));
}

MN_EXPORT int mn_dump(int fd) {
    MNI_KEEP_OR(-EPERM);
    const struct mni_runtime *rt = mni_rt;
    struct dump *d = fault("malloc") ? NULL : calloc(1, sizeof *d);
    if (!d)
        return -ENOMEM;
    int saved = errno;
    Dl_info info;
    d->fd = fd;
    d->caller = mni_current();
    if (dladdr((void *)(uintptr_t)mn_dump, &info) && getauxval(AT_PHDR) - (uintptr_t)info.dli_fbase >= 4096)
        d->base = info.dli_fbase;
    mni_peek_prepare();
    mni_copy_begin(&d->copy);
    say(d, "libmn: process %d, %u cpus\n", (int)getpid(), rt->ncpus);
    if (!d->copy.space)
        say(d, "no backtraces: libunwind cannot be loaded (package libunwind8)\n");
    for (unsigned i = 0; i < rt->ncpus; i++)
        say_cpu(d, rt->cpus[i]);
    mni_table_each(visit, d);
    say(d, "%d threads\n", d->count);
    flush(d);
    mni_copy_end(&d->copy);
    int r = d->error ? d->error : d->count;
    free(d);
    errno = saved;
    return r;
}

void mni_dump_frames(int fd, const char *head, void *fn, void *const *pcs, int depth) {
    struct dump *d = fault("malloc") ? NULL : calloc(1, sizeof *d);
    if (!d)
        return;
    int saved = errno;
    d->fd = fd;
    mni_peek_prepare();
    mni_copy_begin(&d->copy);
    say(d, "%s", head);
    if (fn)
        say(d, "  began in %s\n", symbol(d, fn, false)->text);
    for (int i = 0; i < depth; i++)
        say(d, "  #%-2d %p  %s\n", i, pcs[i], symbol(d, pcs[i], i > 0)->text);
    flush(d);
    mni_copy_end(&d->copy);
    free(d);
    errno = saved;
}
