/*
 * ptab: the records of all processes.
 *
 * Segments of 4,096 records, mapped one after another and found through one array; unmapped when the runtime
 * ends.  Every cpu has a list of free records; a common one, under a lock, takes and gives batches.  A record
 * whose generation is used up is never used again: after 4 billion processes in it.
 *
 * Pids and references of an earlier runtime, and in a fork's child those of its parent's, name nothing.  When a
 * runtime ends, the highest generation in each segment is noted, and the records that the next one has there
 * begin above; numbers of references go on.  A fork's child must not be held up by a walk through its parent's
 * records: it does that when it starts a runtime, if it ever does.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "lock.h"
#include "proc/down.h"
#include "proc/limit.h"
#include "proc/proc.h"
#include "runtime/map.h"
#include "runtime/runtime.h"
#include "sched/throttle.h"

enum { SEGMENT = MNI_PROC_SEGMENT, BATCH = 64, FREE_MOST = 4096, SEGMENTS = MNI_PROC_MOST / SEGMENT };

struct mni_procs mni_procs;

static struct {
    struct lock lock;
    uint32_t fresh;
    struct mni_proc *free;
    uint64_t spawned, ended, handlers; /* of foreign LWPs; atomic */
    uint64_t none;
    uint64_t refs; /* likewise; not below any count of an earlier runtime */
} ptab = {.lock = LOCK_INIT(RANK_REGISTRY)};

/* Of each segment, the generation that its records begin with; 0: as 1.  UINT32_MAX: none is left. */
static uint32_t lowest[SEGMENTS];

/* What a fork's child has left of its parent's runtime, until it starts one. */
static struct {
    struct mni_proc **segments;
    uint32_t fresh;
} parent;

static void reset(void) {
    mni_procs.segments = NULL;
    a32_store(&mni_procs.used, 0);
    ptab.fresh = 0;
    ptab.free = NULL;
    ptab.spawned = ptab.ended = ptab.handlers = 0;
    lock_reset(&ptab.lock);
}

/* No pid of these records is given out again. */
static void outlive(struct mni_proc *const *segments, uint32_t fresh) {
    for (uint32_t i = 0; i < fresh; i++) {
        uint32_t g = a32_load(&segments[i / SEGMENT][i % SEGMENT].generation), *next = &lowest[i / SEGMENT];
        if (g >= *next)
            *next = g < UINT32_MAX ? g + 1 : g;
    }
}

static void outlive_refs(const struct mni_runtime *rt) {
    for (unsigned i = 0; i < rt->ncpus; i++)
        if (rt->cpus[i]->proc && rt->cpus[i]->proc->refs > ptab.refs)
            ptab.refs = rt->cpus[i]->proc->refs;
}

void mni_procs_outlive(const struct mni_runtime *rt) {
    outlive_refs(rt);
    outlive(mni_procs.segments, ptab.fresh);
}

void mni_procs_forked(void) {
    if (mni_rt) {
        outlive_refs(mni_rt);
        parent.segments = mni_procs.segments;
        parent.fresh = ptab.fresh;
    }
    reset();
    mni_blocks_forked();
    mni_ptimers_reset();
    mni_limit_forked();
    mni_fixed_forked();
    mni_registry_forked();
}

int mni_procs_start(struct mni_runtime *rt) {
    void *p = mni_map(SEGMENTS * sizeof(struct mni_proc *));
    if (!p)
        return -ENOMEM;
    outlive(parent.segments, parent.fresh);
    parent.fresh = 0;
    reset();
    mni_ptimers_reset();
    mni_procs.segments = p;
    for (unsigned i = 0; i < rt->ncpus; i++) {
        struct mni_proc_cpu *pc = mni_alloc_lines(sizeof *pc);
        if (!pc) {
            mni_procs_end(rt);
            return -ENOMEM;
        }
        pc->refs = ptab.refs;
        mni_throttle_init(&pc->throttle);
        rt->cpus[i]->proc = pc;
    }
    return 0;
}

void mni_procs_end(struct mni_runtime *rt) {
    mni_ptimers_end();
    for (unsigned i = 0; i < rt->ncpus; i++)
        free(rt->cpus[i]->proc);
    for (uint32_t i = 0; i < mni_procs.used; i++)
        munmap(mni_procs.segments[i], SEGMENT * sizeof(struct mni_proc));
    munmap(mni_procs.segments, SEGMENTS * sizeof(struct mni_proc *));
    reset();
    mni_blocks_end();
    mni_registry_stop();
}

static int add_segment(void) {
    if (mni_procs.used == SEGMENTS)
        return -EAGAIN;
    void *p = mni_map(SEGMENT * sizeof(struct mni_proc));
    if (!p)
        return -ENOMEM;
    mni_procs.segments[mni_procs.used] = p;
    /* Release: pairs with the acquire of mni_proc_at and mni_procs_each. */
    a32_store_release(&mni_procs.used, mni_procs.used + 1);
    return 0;
}

static int take_batch(unsigned n, struct mni_proc **chain, uint32_t *count) {
    int r = 0;
    *chain = NULL;
    *count = 0;
    lock_take(&ptab.lock);
    while (*count < n) {
        struct mni_proc *p = ptab.free;
        if (p) {
            ptab.free = p->next;
        } else {
            if (ptab.fresh == mni_procs.used * SEGMENT && (r = add_segment()) < 0)
                break;
            uint32_t generation = lowest[ptab.fresh / SEGMENT];
            if (generation == UINT32_MAX) {
                ptab.fresh += SEGMENT; /* its first record comes first: the segment stays as it is */
                continue;
            }
            p = &mni_procs.segments[ptab.fresh / SEGMENT][ptab.fresh % SEGMENT];
            p->index = ptab.fresh++;
            a64_store(&p->outer, MNI_OUTER_CLOSED);
            a32_store_release(&p->generation, generation ? generation : 1); /* pairs with mni_procs_each */
        }
        p->next = *chain;
        *chain = p;
        ++*count;
    }
    lock_drop(&ptab.lock);
    return *count ? 0 : r;
}

/* Half of a cpu's free records go back. */
static void flush(struct mni_proc_cpu *pc) {
    uint32_t n = pc->free_count / 2;
    struct mni_proc *first = pc->free, *last = first;
    for (uint32_t i = 1; i < n; i++)
        last = last->next;
    pc->free = last->next;
    pc->free_count -= n;
    lock_take(&ptab.lock);
    last->next = ptab.free;
    ptab.free = first;
    lock_drop(&ptab.lock);
}

struct mni_proc *mni_proc_take(struct mni_cpu *c, int *error) {
    struct mni_proc *p;
    uint32_t n;
    if (c) {
        struct mni_proc_cpu *pc = c->proc;
        if (__builtin_expect(!pc->free, 0) && (*error = take_batch(BATCH, &pc->free, &pc->free_count)) < 0)
            return NULL;
        p = pc->free;
        pc->free = p->next;
        pc->free_count--;
        a64_store(&pc->spawned, pc->spawned + 1);
    } else {
        if ((*error = take_batch(1, &p, &n)) < 0)
            return NULL;
        a64_add(&ptab.spawned, 1);
    }
    *error = 0;
    a32_store(&p->flags, 0);
    a64_store(&p->thread, 0);
    aptr_store(&p->handler, NULL); /* relaxed, as what follows: info.c may look at it */
    p->state = NULL;
    p->more = NULL;
    aptr_store(&p->name, NULL);
    p->next = NULL;
    p->head = NULL;
    p->tail = &p->head;
    p->rels = NULL;
    a32_store(&p->nrels, 0);
    a32_store(&p->length, 0);
    a64_store(&p->received, 0);
    return p;
}

/* Its pid is stale from here on. */
void mni_proc_give(struct mni_cpu *c, struct mni_proc *p) {
    uint32_t next = p->generation + 1;
    if (c)
        a64_store(&c->proc->ended, c->proc->ended + 1);
    else
        a64_add(&ptab.ended, 1);
    /* Release: all signals that it sent are under way; pairs with the acquire of mni_proc_is. */
    a32_store_release(&p->generation, next);
    if (__builtin_expect(next == UINT32_MAX, 0))
        return; /* retired: that generation is nobody's */
    if (c) {
        struct mni_proc_cpu *pc = c->proc;
        p->next = pc->free;
        pc->free = p;
        if (__builtin_expect(++pc->free_count > FREE_MOST, 0))
            flush(pc);
    } else {
        lock_take(&ptab.lock);
        p->next = ptab.free;
        ptab.free = p;
        lock_drop(&ptab.lock);
    }
}

void mni_procs_each(bool (*visit)(struct mni_proc *p, void *arg), void *arg) {
    uint32_t used = a32_load_acquire(&mni_procs.used);
    for (uint32_t s = 0; s < used; s++)
        for (uint32_t i = 0; i < SEGMENT; i++) {
            struct mni_proc *p = &mni_procs.segments[s][i];
            if (a32_load_acquire(&p->generation) == 0)
                break; /* never used, nor those after it */
            if (a64_load(&p->outer) != MNI_OUTER_CLOSED && !visit(p, arg))
                return;
        }
}

enum { SPAWNED = offsetof(struct mni_proc_cpu, spawned), ENDED = offsetof(struct mni_proc_cpu, ended) };
enum {
    HANDLERS = offsetof(struct mni_proc_cpu, handlers),
    HANDLERS_ENDED = offsetof(struct mni_proc_cpu, handlers_ended)
};

static uint64_t sum(const struct mni_runtime *rt, size_t at, const uint64_t *shared) {
    uint64_t n = a64_load(shared);
    for (unsigned i = 0; i < rt->ncpus; i++)
        n += a64_load((const uint64_t *)(const void *)((const char *)rt->cpus[i]->proc + at));
    return n;
}

/* Ends first: one that starts meanwhile is counted, or nothing of it is. */
uint64_t mni_procs_alive(const struct mni_runtime *rt) {
    uint64_t ended = sum(rt, ENDED, &ptab.ended);
    fence_full();
    return sum(rt, SPAWNED, &ptab.spawned) - ended;
}

uint64_t mni_handlers_alive(const struct mni_runtime *rt) {
    uint64_t ended = sum(rt, HANDLERS_ENDED, &ptab.none);
    fence_full();
    return sum(rt, HANDLERS, &ptab.handlers) - ended;
}

void mni_handlers_count(struct mni_cpu *c, bool started) {
    if (!c)
        a64_add(&ptab.handlers, started ? 1 : (uint64_t)-1); /* relaxed; an end: of one that did not start after all */
    else if (started)
        a64_store(&c->proc->handlers, c->proc->handlers + 1);
    else
        a64_store(&c->proc->handlers_ended, c->proc->handlers_ended + 1);
}

/* Numbers of a cpu's own, so that none is shared: the count above, which cpu below. */
mn_ref mni_ref_make(struct mni_cpu *c) {
    if (!c)
        return (a64_add(&ptab.refs, 1) + 1) << 16 | 0xffff;
    return ++c->proc->refs << 16 | c->index;
}
