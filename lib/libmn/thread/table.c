/*
 * table: the descriptors of all threads.
 *
 * Segments of 32,768 descriptors (7.5 MiB, page by page as they are used), mapped one after another as threads
 * are started and found through one array.  They are unmapped when the runtime ends, so any handle that was
 * ever given out can be looked up until then.  Where there are many, a cold one would be a miss of the TLB,
 * too: from 65,536 on they lie in huge pages.  Every cpu has a list of free descriptors; a common one, under a
 * lock, takes and gives batches.
 *
 * max_threads bounds the descriptors.  What lies free on one cpu is not to be missing on another: where there
 * are no more, the other cpus' lists are taken (mni_take_free), and batches are small when the limit is.
 */
#include "table.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "clock.h"
#include "cpu.h"
#include "lock.h"
#include "runtime/map.h"
#include "runtime/fork.h"
#include "runtime/run.h"
#include "sched/enter.h"
#include "sched/take.h"
#include "sys.h"

enum {
    SEGMENT = MNI_SEGMENT,
    SMALL_PAGES = 2, /* segments that are not in huge pages */
    BATCH = 64,
    LOOKS = 100,     /* without naps between them */
    NAP_NS = 20000,
    LONGEST_NAP_NS = 1000000,
};
#define RECLAIM_NS 10000000000 /* for an LWP that does not run because of other programs */

struct mni_table mni_table;

static struct {
    struct lock lock;
    uint32_t most;                /* segments */
    uint32_t fresh;               /* index of the first descriptor that was never used */
    struct mni_thread *free;
    uint64_t max;
    uint32_t batch; /* how many a cpu takes at a time */
    /* Generation of new descriptors: another for each runtime, so that handles of an earlier one name
     * nobody. */
    uint32_t first;
} table = {.lock = LOCK_INIT(RANK_REGISTRY)};

int mni_table_start(uint64_t max_threads, unsigned ncpus) {
    table.max = max_threads;
    uint64_t share = max_threads / (4 * ncpus);
    table.batch = share < 1 ? 1 : share < BATCH ? (uint32_t)share : BATCH;
    table.most = (uint32_t)((max_threads + SEGMENT - 1) / SEGMENT);
    void *p = mni_map(table.most * sizeof(struct mni_thread_segment *));
    if (!p)
        return -ENOMEM;
    mni_table.segments = p;
    mni_table.used = table.fresh = 0;
    table.free = NULL;
    table.first += 0x9e3779b9; /* far from all before */
    if (table.first == 0)
        table.first = 1;
    return 0;
}

void mni_table_end(void) {
    for (uint32_t i = 0; i < mni_table.used; i++)
        munmap(mni_table.segments[i], sizeof(struct mni_thread_segment));
    munmap(mni_table.segments, table.most * sizeof(struct mni_thread_segment *));
    mni_table.segments = NULL;
    a32_store(&mni_table.used, 0);
}

static int add_segment(void) {
    if (mni_table.used == table.most)
        return -EAGAIN;
    struct mni_thread_segment *s = mni_map_aligned(sizeof *s, MNI_SEGMENT_ALIGN, 0);
    if (!s)
        return -ENOMEM;
    /* Advice: kernels without transparent huge pages refuse it, and need not hear it. */
    if (mni_table.used >= SMALL_PAGES)
        madvise(s, sizeof s->thread, MADV_HUGEPAGE);
    mni_table.segments[mni_table.used] = s;
    /* Release: pairs with the acquire of mni_thread_find and mni_table_each. */
    a32_store_release(&mni_table.used, mni_table.used + 1);
    return 0;
}

/* Takes up to n descriptors as a chain; 0 or a negative errno, when there is not even one.  *count: how
 * many. */
static int take_batch(unsigned n, struct mni_thread **chain, uint32_t *count) {
    int r = 0;
    unsigned got = 0;
    *chain = NULL;
    lock_take(&table.lock);
    while (got < n) {
        struct mni_thread *t = table.free;
        if (t) {
            table.free = t->next;
        } else {
            if (table.fresh >= table.max) {
                r = -EAGAIN;
                break;
            }
            if (table.fresh == mni_table.used * SEGMENT && (r = add_segment()) < 0)
                break;
            t = mni_thread_at(table.fresh);
            t->index = table.fresh++;
            t->park.owner = t->index + 1;
            t->waiter.parker = &t->park;
            /* Release: pairs with the acquire of who looks at all. */
            a32_store_release(&t->generation, table.first);
        }
        t->next = *chain;
        *chain = t;
        got++;
    }
    a32_store(count, got); /* relaxed: the lock orders, for who has to know */
    lock_drop(&table.lock);
    return got ? 0 : r;
}

/*
 * Collects what the other cpus have free; false: nothing.  Of one whose worker is inside the runtime nothing
 * can be taken: it is outside soon, or gives them by itself, if it has no thread to run and only looks for one;
 * or when its LWP runs again, if it does not just now: some milliseconds, on a busy machine hundreds.  Better
 * to wait than to fail, but not for an LWP that somebody has stopped.
 */
static bool reclaim(const struct mni_cpu *self) {
    bool found = false, any;
    uint64_t give_up = clock_now_ns() + RECLAIM_NS;
    struct timespec nap = {.tv_nsec = NAP_NS};
    a32_add_full(&mni_table.wanted, 1);
    for (int round = 0;; round++) {
        any = false;
        for (unsigned i = 0; i < mni_rt->ncpus; i++) {
            struct mni_cpu *c = mni_rt->cpus[i];
            if (c != self && mni_thread_any_free(c))
                found |= mni_take_free(c);
        }
        /* Under the lock, as they move between a cpu and the common list: so none is on its way. */
        lock_take(&table.lock);
        found |= table.free != NULL;
        for (unsigned i = 0; i < mni_rt->ncpus; i++)
            any |= mni_rt->cpus[i] != self && mni_thread_any_free(mni_rt->cpus[i]);
        lock_drop(&table.lock);
        if (!any || found || clock_now_ns() > give_up)
            break;
        if (round < LOOKS) {
            cpu_relax();
            continue;
        }
        sys(SYS_nanosleep, &nap, NULL);
        if (nap.tv_nsec < LONGEST_NAP_NS)
            nap.tv_nsec += nap.tv_nsec / 8;
    }
    a32_add_full(&mni_table.wanted, (uint32_t)-1);
    return found;
}

/* As take_batch; self: the caller's cpu, or NULL. */
static int take(const struct mni_cpu *self, unsigned n, struct mni_thread **chain, uint32_t *count) {
    int r;
    while ((r = take_batch(n, chain, count)) == -EAGAIN && reclaim(self))
        continue; /* another may have been faster */
    return r;
}

int mni_thread_refill(struct mni_cpu *c) {
    return take(c, table.batch, &c->free, &c->free_count);
}

struct mni_thread *mni_thread_take_shared(int *error) {
    struct mni_thread *t;
    uint32_t n;
    *error = take(NULL, 1, &t, &n);
    return *error < 0 ? NULL : t;
}

/* Half of a cpu's free descriptors without a stack, or all there are, go back. */
void mni_thread_flush(struct mni_cpu *c, bool all) {
    uint32_t n = c->free_count / 2, rest = c->free_count - n, kept = c->kept_count;
    if (all) {
        n = c->free_count + kept;
        rest = kept = 0;
        for (struct mni_thread **t = &c->kept;; t = &(*t)->next) {
            if (!*t) {
                *t = c->free;
                break;
            }
            mni_thread_drop_stack(c, *t);
        }
        c->free = c->kept;
        c->kept = NULL;
    }
    if (!n)
        return;
    struct mni_thread *first = c->free, *last = first;
    for (unsigned i = 1; i < n; i++)
        last = last->next;
    c->free = last->next;
    lock_take(&table.lock);
    a32_store(&c->free_count, rest); /* relaxed: the lock orders, for who has to know */
    a32_store(&c->kept_count, kept);
    last->next = table.free;
    table.free = first;
    lock_drop(&table.lock);
}

void mni_thread_give_shared(struct mni_thread *t) {
    mni_thread_retire(t);
    lock_take(&table.lock);
    t->next = table.free;
    table.free = t;
    lock_drop(&table.lock);
}

void mni_table_each(bool (*visit)(struct mni_thread *t, void *arg), void *arg) {
    uint32_t used = a32_load_acquire(&mni_table.used);
    for (uint32_t s = 0; s < used; s++)
        for (uint32_t i = 0; i < SEGMENT; i++) {
            struct mni_thread *t = &mni_table.segments[s]->thread[i];
            if (a32_load_acquire(&t->generation) == 0)
                return; /* never used, nor those after it */
            if (a8_load(&t->state) != MNI_FREE && !visit(t, arg))
                return;
        }
}

void mni_table_forked(void) {
    lock_reset(&table.lock);
    mni_table.segments = NULL;
    table.free = NULL;
    a32_store(&mni_table.used, 0);
}
