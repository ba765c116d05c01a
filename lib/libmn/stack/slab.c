/*
 * The process-wide slab of stack slots.
 *
 * Guarantee.  A promise (mni_slab_promise) can fail for want of memory; a thread that holds one always gets a
 * slot, on any CPU, without asking the system.  No slot is lost when something fails.
 *
 * Naive design.  The CPU that spawns sets one of its own slots aside.  Another CPU steals the thread before it
 * ran: it can not touch the first one's cache, takes a slot of its own, and may find that there is none: too
 * late to say so.
 *
 * Design.  A promise is a number, not a slot.  For each class
 *
 *     mapped >= promised + held
 *
 * where `mapped` counts all slots, `promised` the threads that have a promise (used or not) and the credit that
 * CPUs keep, and `held` the most that all caches together may keep for themselves (3 batches each: two of
 * recycled slots, one of untouched ones).  Slots in use are promised ones; so while somebody with a promise has
 * no slot,
 *
 *     in the slab = mapped - in use - in caches >= mapped - (promised - 1) - held >= 1.
 *
 * What this costs is address space, 3 batches a CPU; it is never touched.
 *
 * Steps.  Slots come from NORESERVE mappings of one class each, the first of 2 MiB, each later one as big as
 * all before up to 16 GiB; where the system refuses (RLIMIT_AS, strict overcommit), half as much, down to a few
 * slots.  Where a fresh mapping has its pages already (mlockall with MCL_FUTURE), steps stay small.  What was
 * not handed out yet stays out of core dumps; the boundary moves in few large strides, since it splits a
 * mapping in two.  A step is never unmapped while the runtime runs: a slot that gave its pages back costs
 * nothing but addresses.
 *
 * In the slab a slot is
 *     unused   beyond step->used; no guard, no page
 *     warm     in a batch; has a page.  That of the batch's first slot has the list of them (struct batch)
 *     cold     trimmed, or handed out and never used: guarded, no page.  Linked through step->note
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "slab.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "atomic.h"
#include "clock.h"
#include "fault.h"
#include "guard.h"
#include "lock.h"
#include "memcheck.h"
#include "panic.h"
#include "runtime/map.h"
#include "sanitizer.h"
#include "stack_watch.h"
#include "sys.h"

enum {
    STEPS = 1023,
    STEP_BITS = 20, /* slots of a step: a cold slot's number is (step + 1) << 20 | place */
    STEP_FIRST = 2 << 20,
    STEP_LEAST = 4, /* slots: less is not worth a mapping */
    HELD = 3,       /* batches that a cache keeps at most */
    DUMP_STRIDE = 64 << 20,
    TRIM = MNI_STACK_BATCH, /* slots at a time */
};
#define STEP_MOST ((size_t)16 << 30)

struct pool {
    uint64_t mapped, promised, held; /* slots; see above */
    uint64_t used;                   /* handed out at least once */
    uint64_t nwarm, ncold, ntrimmed, nbare;
    uint64_t low;     /* the least that nwarm was since the last look */
    uint64_t surplus; /* warm slots that were not needed between the last two looks, less those trimmed since */
    char *warm;       /* the first batch */
    uint32_t cold;    /* the first cold slot's number, 0: none */
    uint32_t batch;   /* how many slots move at a time */
    uint32_t current; /* the first step that may have unused slots */
};

static struct lock lock = {0, RANK_STACK};
static struct pool pools[MNI_STACK_CLASSES];
static struct mni_step steps[STEPS];
static uint32_t nsteps; /* release when a step was added; acquire by mni_slab_step */
static bool locked;     /* memory is locked: steps stay small */

/* ---- steps */

struct mni_step *mni_slab_step_at(unsigned number) {
    /* Acquire: pairs with the release in add_step. */
    return number < a32_load_acquire(&nsteps) ? &steps[number] : NULL;
}

struct mni_step *mni_slab_step(const void *address) {
    struct mni_step *step;
    for (unsigned i = 0; (step = mni_slab_step_at(i)) != NULL; i++)
        if ((uintptr_t)address - (uintptr_t)step->base < step->slots * mni_stack_bytes(step->class))
            return step;
    return NULL;
}

/* Maps n slots more: 0 or -ENOMEM.  errno is kept, as everywhere below. */
static int add_step(struct pool *pool, unsigned class, size_t n) {
    long page = sysconf(_SC_PAGESIZE);
    size_t slots = n * mni_stack_bytes(class);
    size_t bytes = slots + ((n * sizeof(uint32_t) + (size_t)page - 1) & -(size_t)page);
    if (nsteps == STEPS)
        return -ENOMEM;
    int saved = errno;
    /* Aligned so that a class's slots share as few pages of page table as can be. */
    bool small = mni_stack_bytes(class) > STEP_FIRST || n * mni_stack_bytes(class) < STEP_FIRST;
    char *base = mni_map_aligned(bytes, small ? mni_stack_bytes(class) : STEP_FIRST, MAP_STACK);
    if (base) {
        /* Advice: kernels without transparent huge pages refuse the first, and need not hear it. */
        madvise(base, bytes, MADV_NOHUGEPAGE);
        madvise(base, slots, MADV_DONTDUMP);
        unsigned char resident = 0;
        locked = mincore(base, (size_t)page, &resident) == 0 && (resident & 1);
        steps[nsteps] = (struct mni_step){.base = base,
                                          .bytes = bytes,
                                          .note = (uint32_t *)(void *)(base + slots),
                                          .slots = (uint32_t)n,
                                          .class = class};
        a32_store_release(&nsteps, nsteps + 1); /* pairs with the acquire in mni_slab_step_at */
        pool->mapped += n;
    }
    errno = saved;
    return base ? 0 : -ENOMEM;
}

/* Maps more, as much as is reasonable, at least `least` slots in all: 0 or -ENOMEM. */
static int grow(struct pool *pool, unsigned class, uint64_t least) {
    size_t bytes = mni_stack_bytes(class), first = STEP_FIRST / bytes;
    size_t most = STEP_MOST / bytes < (1u << STEP_BITS) ? STEP_MOST / bytes : 1u << STEP_BITS;
    if (first < 2 * STEP_LEAST)
        first = 2 * STEP_LEAST;
    uint64_t goal = pool->mapped + least;
    while (pool->mapped < goal) {
        size_t n = locked || pool->mapped < first ? first : pool->mapped;
        if (n < goal - pool->mapped && !locked)
            n = goal - pool->mapped;
        if (n > most)
            n = most;
        while (add_step(pool, class, n) < 0) {
            if (n <= STEP_LEAST)
                return -ENOMEM;
            n = n / 2 > STEP_LEAST ? n / 2 : STEP_LEAST;
        }
    }
    return 0;
}

/* So that mapped >= promised + held will hold with n more of either: 0 or -ENOMEM. */
static int cover(struct pool *pool, unsigned class, uint64_t n) {
    uint64_t need = pool->promised + pool->held + n;
    return need <= pool->mapped ? 0 : grow(pool, class, need - pool->mapped);
}

/* ---- promises */

int mni_slab_join(unsigned class) {
    struct pool *pool = &pools[class];
    lock_take(&lock);
    int r = cover(pool, class, HELD * pool->batch);
    if (r == 0) {
        pool->held += HELD * pool->batch;
        r = (int)pool->batch;
    }
    lock_drop(&lock);
    return r;
}

void mni_slab_leave(unsigned class) {
    lock_take(&lock);
    pools[class].held -= HELD * pools[class].batch;
    lock_drop(&lock);
}

int mni_slab_promise(unsigned class, unsigned n) {
    struct pool *pool = &pools[class];
    lock_take(&lock);
    int r = cover(pool, class, n);
    if (r < 0 && n > 1) {
        n = 1;
        r = cover(pool, class, n);
    }
    if (r == 0) {
        pool->promised += n;
        r = (int)n;
    }
    lock_drop(&lock);
    return r;
}

void mni_slab_release(unsigned class, unsigned n) {
    lock_take(&lock);
    invariant(pools[class].promised >= n);
    pools[class].promised -= n;
    lock_drop(&lock);
}

/* ---- slots */

/* Below the header of its first slot, in its first page: the other slots of a batch, and the first slot of
 * the next batch. */
struct batch {
    char *next;
    size_t n; /* in all */
    char *rest[MNI_STACK_BATCH - 1];
};

static struct batch *batch_at(char *slot, unsigned class) {
    return (struct batch *)(void *)mni_stack_header(slot, class) - 1;
}

static void push_batch(struct pool *pool, unsigned class, char *const *slots, unsigned n) {
    struct batch *b = batch_at(slots[0], class);
    VALGRIND_MAKE_MEM_UNDEFINED(b, sizeof *b); /* below the stack pointer of whoever used it last */
    b->next = pool->warm;
    b->n = n;
    memcpy(b->rest, slots + 1, (n - 1) * sizeof *slots);
    pool->warm = slots[0];
    a64_store(&pool->nwarm, pool->nwarm + n); /* relaxed: mni_slab_decay looks without the lock */
}

/* Up to *n slots of the first batch. */
static void pop_batch(struct pool *pool, unsigned class, char **slots, unsigned *n) {
    struct batch *b = batch_at(pool->warm, class);
    size_t length = b->n, take = *n < length ? *n : length;
    bool whole = take == length;
    char **last = b->rest + length - 1 - take; /* of those that stay */
    if (whole) {
        slots[0] = pool->warm;
        pool->warm = b->next;
        last++;
    }
    memcpy(slots + whole, last, (take - whole) * sizeof *slots);
    /* A thread that gets it finds zeroes (stack_watch.c). */
    memset(last, 0, (take - whole) * sizeof *last);
    b->n -= take;
    if (whole)
        b->next = NULL;
    *n = (unsigned)take;
    a64_store(&pool->nwarm, pool->nwarm - take); /* relaxed, as above */
    if (pool->nwarm < pool->low)
        pool->low = pool->nwarm;
}

/* Cold slots that lie side by side. */
static char *pop_cold(struct pool *pool, unsigned class, unsigned *n, char **end) {
    size_t bytes = mni_stack_bytes(class);
    struct mni_step *step = &steps[(pool->cold >> STEP_BITS) - 1];
    uint32_t low = pool->cold & ((1u << STEP_BITS) - 1), high = low, wanted = *n;
    *n = 0;
    for (;;) {
        uint32_t place = pool->cold & ((1u << STEP_BITS) - 1);
        low = place < low ? place : low;
        high = place > high ? place : high;
        pool->cold = step->note[place] & MNI_NOTE_NEXT;
        ++*n;
        uint32_t next = pool->cold & ((1u << STEP_BITS) - 1);
        if (*n == wanted || pool->cold == 0 || &steps[(pool->cold >> STEP_BITS) - 1] != step ||
            (next != high + 1 && next + 1 != low))
            break;
    }
    pool->ncold -= *n;
    *end = step->base + (high + 1) * bytes;
    return step->base + low * bytes;
}

static void push_cold(struct pool *pool, unsigned class, char *slot) {
    struct mni_step *step = mni_slab_step(slot);
    uint32_t place = (uint32_t)((size_t)(slot - step->base) / mni_stack_bytes(class));
    step->note[place] = (step->note[place] & MNI_NOTE_BARE) | pool->cold;
    pool->cold = (uint32_t)(step - steps + 1) << STEP_BITS | place;
    pool->ncold++;
}

/* Unused slots, no guards yet. */
static char *pop_unused(struct pool *pool, unsigned class, unsigned *n, char **end) {
    size_t bytes = mni_stack_bytes(class);
    struct mni_step *step;
    while ((step = mni_slab_step_at(pool->current)) != NULL &&
           (step->class != class || step->used == step->slots))
        pool->current++;
    if (!step)
        panic("a promised stack is not there", class);
    if (*n > step->slots - step->used)
        *n = step->slots - step->used;
    uint32_t from = step->used;
    a32_store(&step->used, from + *n); /* relaxed: note_living reads it, and may see it late */
    pool->used += *n;
    if (step->used > step->dumped) {
        uint32_t stride = (uint32_t)(DUMP_STRIDE / bytes) < 8 ? 8 : (uint32_t)(DUMP_STRIDE / bytes);
        uint32_t grown = step->dumped + (step->dumped > stride ? step->dumped : stride);
        uint32_t to = grown < step->slots ? grown : step->slots;
        if (to < step->used)
            to = step->used;
        madvise(step->base + step->dumped * bytes, (to - step->dumped) * bytes, MADV_DODUMP);
        step->dumped = to;
    }
    *end = step->base + step->used * bytes;
    return step->base + from * bytes;
}

/* Guards new slots; notes those that could not be. */
static void guard(unsigned class, char *from, unsigned n) {
    unsigned done = mni_guard_install(from, mni_stack_bytes(class), n, mni_stack_guard(class));
    if (done == n)
        return;
    struct mni_step *step = mni_slab_step(from);
    uint32_t place = (uint32_t)((size_t)(from - step->base) / mni_stack_bytes(class));
    lock_take(&lock);
    for (unsigned i = done; i < n; i++)
        step->note[place + i] |= MNI_NOTE_BARE;
    pools[class].nbare += n - done;
    lock_drop(&lock);
    /* Full: as it is there; whoever gets the slots sees it anyway. */
    a32_or_full(&mni_stack_watch, MNI_WATCH_BARE);
}

char *mni_slab_take(unsigned class, char **slots, unsigned *n, char **end) {
    struct pool *pool = &pools[class];
    bool unused = false;
    char *slot = NULL;
    int saved = errno;
    *end = NULL;
    lock_take(&lock);
    if (pool->warm) {
        pop_batch(pool, class, slots, n);
    } else if (pool->cold) {
        slot = pop_cold(pool, class, n, end);
    } else {
        slot = pop_unused(pool, class, n, end);
        unused = true;
    }
    lock_drop(&lock);
    if (unused)
        guard(class, slot, *n);
    errno = saved;
    return slot;
}

void mni_slab_give(unsigned class, char *const *slots, unsigned n) {
    lock_take(&lock);
    push_batch(&pools[class], class, slots, n);
    lock_drop(&lock);
}

void mni_slab_give_cold(unsigned class, char *from, char *end) {
    lock_take(&lock);
    while (end > from)
        push_cold(&pools[class], class, end -= mni_stack_bytes(class));
    lock_drop(&lock);
}

/*
 * The slots are out of the slab while their pages go: they count as held by a cache, so that a promise is still
 * good; where there is no room for that, there is nothing to gain by trimming either.
 */
int mni_slab_trim(unsigned class, unsigned max, unsigned most) {
    struct pool *pool = &pools[class];
    size_t zone = mni_stack_guard(class), bytes = mni_stack_bytes(class) - zone;
    unsigned done = 0;
    while (done < most) {
        char *from[TRIM];
        unsigned n = TRIM;
        lock_take(&lock);
        if (pool->nwarm <= max || pool->promised + pool->held + n > pool->mapped) {
            lock_drop(&lock);
            break;
        }
        if (n > pool->nwarm - max)
            n = (unsigned)(pool->nwarm - max);
        pop_batch(pool, class, from, &n);
        pool->held += n;
        lock_drop(&lock);
        for (unsigned i = 0; i < n; i++)
            from[i] += zone;
        mni_pages_drop(from, n, bytes);
        lock_take(&lock);
        for (unsigned i = 0; i < n; i++)
            push_cold(pool, class, from[i] - zone);
        pool->held -= n;
        pool->ntrimmed += n;
        lock_drop(&lock);
        done += n;
    }
    return (int)done;
}

/*
 * Which slots to trim when.  A burst that comes again every few seconds must find its stacks warm; a burst that
 * is over should not keep its memory.  So what counts is the low-water mark: recycled slots that nobody took
 * during ten seconds are surplus, except for a few thousand.  The surplus goes in small pieces, by workers that
 * are about to sleep.
 */
int64_t mni_slab_decay_ns = 10000000000;

int64_t mni_slab_decay(void) {
    enum { KEEP = 4096, PIECE = 64 };
    const int64_t interval = mni_slab_decay_ns;
    static int64_t looked; /* under the lock */
    bool many = false;
    for (unsigned class = 1; class < MNI_STACK_CLASSES; class++)
        many |= a64_load(&pools[class].nwarm) > KEEP; /* relaxed: a hint */
    if (!many)
        return INT64_MAX;
    int64_t now = (int64_t)clock_now_ns();
    uint64_t max[MNI_STACK_CLASSES] = {0};
    unsigned piece = 0;
    lock_take(&lock);
    bool look = now - looked >= interval;
    if (look)
        looked = now;
    int64_t next = looked + interval;
    for (unsigned class = 1; class < MNI_STACK_CLASSES; class++) {
        struct pool *pool = &pools[class];
        if (look) {
            pool->surplus = pool->low > KEEP ? pool->low - KEEP : 0;
            pool->low = pool->nwarm;
        }
        if (!piece && pool->surplus > 0 && pool->nwarm > KEEP) {
            uint64_t n = pool->surplus < PIECE ? pool->surplus : PIECE;
            pool->surplus -= n;
            piece = class;
            max[class] = pool->nwarm > n ? pool->nwarm - n : 0;
        }
    }
    lock_drop(&lock);
    if (!piece)
        return next;
    return mni_slab_trim(piece, (unsigned)max[piece], PIECE) > 0 ? now : next;
}

/* ---- start and end */

/* Whether address space is scarce: then less of it is kept in caches. */
static bool scarce(void) {
    struct rlimit limit;
    char mode = '0';
    int fd = (int)sys(SYS_openat, AT_FDCWD, "/proc/sys/vm/overcommit_memory", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        sys(SYS_read, fd, &mode, 1);
        sys(SYS_close, fd);
    }
    return mode == '2' || (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY);
}

int mni_stack_slab_start(enum mn_stack default_class) {
    static const uint32_t batch[2][MNI_STACK_CLASSES] = {{0, 64, 64, 16, 8}, {0, 16, 8, 4, 2}};
    bool few = scarce();
    for (unsigned class = 1; class < MNI_STACK_CLASSES; class++)
        pools[class] = (struct pool){.batch = batch[few][class]};
    mni_guard_start();
    mni_stack_watch_start();
    unsigned class = default_class == MN_STACK_DEFAULT ? MN_STACK_64K : default_class;
    lock_take(&lock);
    int r = cover(&pools[class], class, HELD * pools[class].batch + 1);
    lock_drop(&lock);
    if (r < 0)
        mni_stack_slab_end();
    return r;
}

static void forget(void) {
    a32_store(&nsteps, 0); /* relaxed: there is no other thread */
    a32_store(&mni_stack_watch, 0);
    locked = false;
    for (unsigned class = 0; class < MNI_STACK_CLASSES; class++)
        pools[class] = (struct pool){0};
}

void mni_stack_slab_end(void) {
    mni_stack_watch_end();
    unsigned n = nsteps;
    forget();
    for (unsigned i = 0; i < n; i++) {
        /* Threads never return from their first frames: marks of these stay, for what is mapped here next. */
        sanitizer_is_free(steps[i].base, steps[i].used * mni_stack_bytes(steps[i].class));
        munmap(steps[i].base, steps[i].bytes);
    }
}

void mni_stack_slab_forked(void) {
    lock_reset(&lock);
    mni_stack_watch_forked();
    forget();
}

void mni_stack_totals(unsigned class, struct mni_stack_totals *totals) {
    struct pool *pool = &pools[class];
    lock_take(&lock);
    uint64_t touched = pool->used - pool->ncold;
    *totals = (struct mni_stack_totals){
        .mapped_bytes = pool->mapped * mni_stack_bytes(class),
        .resident_bytes = touched * 4096,
        .slots = pool->mapped,
        .touched = touched,
        .promised = pool->promised,
        .warm = pool->nwarm,
        .cold = pool->ncold,
        .trimmed = pool->ntrimmed,
        .unguarded = pool->nbare,
    };
    lock_drop(&lock);
}
