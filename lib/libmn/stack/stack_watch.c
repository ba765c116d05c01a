/*
 * What is looked at when a slot comes back, in runs that need it.
 *
 * Slots without guards.  A slot without a guard (guard.h) still has the zone where the guard would be: nothing
 * is put there, so it reads as zeroes until a stack grows into it.  Reading it costs no memory: the kernel maps
 * its one page of zeroes.
 *
 * Marks: how deep the threads of each entry function went.  A slot is all zeroes below its header when a thread
 * gets it, since each return of one clears what was used; so the lowest word that is not zero is the mark.
 * Which pages exist is asked of the kernel (mincore), so that looking makes none.  The threads that live are
 * measured when a report is wanted: their stacks change meanwhile, which makes their marks recent, not wrong.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "stack_watch.h"

#include <errno.h>
#include <mn/stats.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "atomic.h"
#include "debug/symbol.h"
#include "export.h"
#include "guard.h"
#include "lock.h"
#include "memcheck.h"
#include "panic.h"
#include "slab.h"
#include "sys.h"
#include "thread/thread.h"

enum {
    PAGE = 4096, /* of larger pages, this finds out in several steps what one would have said */
    USES = 1001, /* the last: all functions that found no place */
    SLOTS = 2048, /* of the hash table */
    CLEAR = 16384,
    AT_ONCE = 4096, /* pages asked about by one mincore */
};

struct marks {
    uint32_t n;
    struct mn_stack_use use[USES];
    uint16_t place[SLOTS]; /* index + 1 in use, by hash of function and class */
};

/* Reads what others write, frames of running threads among them: one word at a time, for what it is.  The
 * tools need not know. */
#define UNWATCHED __attribute__((noinline, no_sanitize("thread"), no_sanitize("address")))

static struct lock lock = {0, RANK_OBJECT};
static struct marks marks;
static bool kept; /* marks mean something; written while no runtime runs */

/* The page next to the stack, all its words: frames that grow into it leave return addresses there. */
static bool overflowed(const char *slot, unsigned class) {
    const uint64_t *zone = (const uint64_t *)(const void *)(slot + mni_stack_guard(class) - PAGE);
    for (unsigned i = 0; i < PAGE / sizeof *zone; i++)
        if (zone[i] != 0)
            return true;
    return false;
}

/* Of a slot in use: in passing, its thread may end at this moment; its descriptor stays readable. */
UNWATCHED static void *(*function_of(char **header))(void *) {
    char *word = *(char *const volatile *)header;
    return (uintptr_t)word & 1
               ? *(void *(*const volatile *)(void *)) & ((struct mni_thread *)(void *)(word - 1))->fn
               : NULL;
}

/* ---- marks */

static struct mn_stack_use *find(struct marks *m, void *(*fn)(void *), unsigned class) {
    size_t hash = ((uintptr_t)fn >> 4) * 0x9e3779b97f4a7c15u >> 40;
    for (size_t i = hash + class;; i++) {
        uint16_t *place = &m->place[i % SLOTS];
        if (*place == 0) {
            if (m->n < USES - 1) {
                m->use[m->n] = (struct mn_stack_use){.fn = fn, .stack = (enum mn_stack)class};
                *place = (uint16_t)++m->n;
                return &m->use[m->n - 1];
            }
            /* More functions than that: those left over share the last entry. */
            if (m->n < USES)
                m->use[m->n++] = (struct mn_stack_use){.fn = NULL, .stack = (enum mn_stack)class};
            return &m->use[USES - 1];
        }
        struct mn_stack_use *u = &m->use[*place - 1];
        if (u->fn == fn && u->stack == (enum mn_stack)class)
            return u;
    }
}

static void note(struct marks *m, void *(*fn)(void *), unsigned class, size_t depth) {
    struct mn_stack_use *u = find(m, fn, class);
    u->threads++;
    if (depth > u->deepest)
        u->deepest = depth;
}

/* Bytes of a slot that hold something, down from its header; pages: mincore's answer, from its lowest
 * address on. */
UNWATCHED static size_t depth_of(char *slot, unsigned class, const unsigned char *pages) {
    const volatile uint64_t *top = mni_stack_top(slot, class);
    for (size_t at = mni_stack_guard(class); at < mni_stack_bytes(class); at += PAGE) {
        if (!(pages[at / PAGE] & 1))
            continue;
        const volatile uint64_t *word = (const uint64_t *)(void *)(slot + at),
                                *end = word + PAGE / sizeof *word;
        for (; word < end && word < top; word++)
            if (*word != 0) /* its owner may be running */
                return (size_t)((top - word) * (ptrdiff_t)sizeof *word);
    }
    return 0;
}

static void measure(char *slot, unsigned class) {
    unsigned char pages[(1 << 20) / PAGE];
    void *(*fn)(void *) = function_of(mni_stack_header(slot, class));
    VALGRIND_DISABLE_ERROR_REPORTING; /* to it, what lies below a stack pointer is nobody's memory */
    if (fn && sys(SYS_mincore, slot, mni_stack_bytes(class), pages) == 0) {
        char *top = mni_stack_top(slot, class);
        size_t depth = depth_of(slot, class, pages), most = (size_t)(top - slot) - mni_stack_guard(class);
        lock_take(&lock);
        note(&marks, fn, class, depth);
        lock_drop(&lock);
        if (depth > CLEAR) {
            /* Whole pages go back; what is left of the top one is cleared. */
            char *from = slot + mni_stack_guard(class), *last = (char *)((uintptr_t)top & -(uintptr_t)PAGE);
            mni_pages_drop(&from, 1, (size_t)(last - from));
            depth = (size_t)(top - last) < most ? (size_t)(top - last) : most;
        }
        memset(top - depth, 0, depth);
    }
    VALGRIND_ENABLE_ERROR_REPORTING;
}

void mni_stack_watched_give(char *slot, unsigned class) {
    uint32_t watch = a32_load(&mni_stack_watch); /* relaxed: set before the first such slot was handed out */
    if (watch & MNI_WATCH_BARE) {
        struct mni_step *step = mni_slab_step(slot);
        size_t place = (size_t)(slot - step->base) / mni_stack_bytes(class);
        if ((a32_load(&step->note[place]) & MNI_NOTE_BARE) && overflowed(slot, class)) {
            char symbol[300] = "?";
            void *(*fn)(void *) = function_of(mni_stack_header(slot, class));
            if (fn)
                mni_symbol((void *)(uintptr_t)fn, symbol, sizeof symbol);
            notice("stack overflow, noticed as the thread ends: entry function %s, stack of %zu KiB", symbol,
                   mni_stack_bytes(class) >> 10);
            panic("memory beyond a stack without a guard zone may be overwritten", class);
        }
    }
    if (watch & MNI_WATCH_MARKS)
        measure(slot, class);
}

/* Adds the threads that have a slot now. */
static void note_living(struct marks *m) {
    static const size_t span = (size_t)AT_ONCE * PAGE;
    unsigned char pages[AT_ONCE];
    struct mni_step *step;
    VALGRIND_DISABLE_ERROR_REPORTING;
    for (unsigned i = 0; (step = mni_slab_step_at(i)) != NULL; i++) {
        size_t bytes = mni_stack_bytes(step->class), used = a32_load(&step->used) * bytes;
        for (size_t from = 0; from < used; from += span) {
            size_t length = used - from < span ? used - from : span;
            if (sys(SYS_mincore, step->base + from, length, pages) != 0)
                continue;
            for (size_t at = 0; at < length; at += bytes) {
                char *slot = step->base + from + at, **header = mni_stack_header(slot, step->class);
                if (!(pages[(at + (size_t)((char *)header - slot)) / PAGE] & 1))
                    continue;
                void *(*fn)(void *) = function_of(header);
                size_t depth = fn ? depth_of(slot, step->class, pages + at / PAGE) : 0;
                if (depth > 0)
                    note(m, fn, step->class, depth);
            }
        }
    }
    VALGRIND_ENABLE_ERROR_REPORTING;
}

/* ---- the report */

static int deepest_first(const void *a, const void *b) {
    const struct mn_stack_use *x = a, *y = b;
    return (x->deepest < y->deepest) - (x->deepest > y->deepest);
}

MN_EXPORT int mn_stack_uses(struct mn_stack_use *uses, int max) {
    if (max < 0)
        return -EINVAL;
    if (!kept)
        return -ENODATA;
    struct marks *m = malloc(sizeof *m);
    if (!m)
        return -ENOMEM;
    lock_take(&lock);
    *m = marks;
    lock_drop(&lock);
    note_living(m);
    qsort(m->use, m->n, sizeof *m->use, deepest_first);
    int n = (int)m->n;
    if (max > 0)
        memcpy(uses, m->use, (size_t)(n < max ? n : max) * sizeof *uses);
    free(m);
    return n;
}

MN_EXPORT int mn_stack_report(int fd) {
    static const char *const names[] = {"?", "16K", "64K", "256K", "1M"};
    struct mn_stack_use *uses = malloc(USES * sizeof *uses);
    if (!uses)
        return -ENOMEM;
    int n = mn_stack_uses(uses, USES);
    for (int i = 0; i < n; i++) {
        char line[512], symbol[300] = "all others";
        const struct mn_stack_use *u = &uses[i];
        if (u->fn)
            mni_symbol((void *)(uintptr_t)u->fn, symbol, sizeof symbol);
        int length =
            snprintf(line, sizeof line, "stack  class %s  threads %lu  deepest %zu of %zu  function %s\n",
                     names[u->stack], (unsigned long)u->threads, u->deepest,
                     mni_stack_bytes(u->stack) - mni_stack_guard(u->stack), symbol);
        if (length >= (int)sizeof line) {
            length = sizeof line - 1;
            line[length - 1] = '\n';
        }
        long r = sys(SYS_write, fd, line, length);
        if (r < 0) {
            n = (int)r;
            break;
        }
    }
    free(uses);
    return n;
}

void mni_stack_watch_start(void) {
    const char *wanted = getenv("MN_STACK_REPORT");
    kept = wanted && *wanted && strcmp(wanted, "0") != 0;
    memset(&marks, 0, sizeof marks);
    a32_store(&mni_stack_watch, kept ? MNI_WATCH_MARKS : 0); /* relaxed: no worker yet */
}

void mni_stack_watch_end(void) {
    if (a32_load(&mni_stack_watch) & MNI_WATCH_MARKS)
        mn_stack_report(2);
}

void mni_stack_watch_forked(void) {
    lock_reset(&lock);
    kept = false;
}
