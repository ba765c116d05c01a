/*
 * timer: a hierarchy of wheels.
 *
 * Guarantee: never early; late by less than a tick (1.024 us) beyond the lateness of the call of
 * mni_timers_run; setting, removing and expiring take constant time, however many are pending; nothing is
 * allocated.
 *
 * Naive design: a heap of (deadline, timer).  A million random timers make it 20 levels deep (10 with four
 * children), and each move must tell the moved timer its new place, or removal could not find it: a cache miss
 * a level, more than twice the time (measured: doc/design/mn-timers.md), and an array that has to grow.
 *
 * Design.  Time is counted in ticks of 1,024 ns; a deadline is rounded up.  `cur` is the tick up to which
 * everything has been taken out.  A timer lies on the level of the highest bit in which its tick differs from
 * cur:
 *
 *     level   bits of the tick   slots   a slot is     the level reaches
 *     0       0..11              4096    1.024 us      4.19 ms
 *     1       12..21             1024    4.19 ms       4.29 s
 *     2       22..29             256     4.29 s        18.3 min
 *     3..5    8 each             256                   78 h, 2.3 years, 585 years
 *
 * So all timers of a level are later than all of the level below, all share cur's bits above the level, and the
 * order of time is the order of slots: no wheel ever wraps round.  Bitmaps find the next slot in use in a few
 * instructions.  When cur enters a slot of level 1 or more, its timers are dealt out to the levels below
 * (cascade): at most 5 times in a timer's life, once for those up to 4.29 s ahead, which are nearly all.  A
 * wide level 0 is what makes it once: with 64 slots a level it would be three times, and each time is a cache
 * miss.
 *
 * Cache misses.  A timer's record was last touched when it was set, so dealing it out misses, and a list gives
 * the address of the next record only when the present one has arrived.  Therefore a slot above level 0 has
 * seven chains, filled in turn and emptied in turn, each record prefetched while six others are dealt out.  The
 * eighth word of the slot's cache line is the earliest tick in it: what an idle CPU sleeps for, so that it does
 * not wake at the slot's beginning for nothing.
 *
 * Locks.  A cascade goes in portions, between which the lock is dropped.  A timer is expired without the lock,
 * one at a time by the owner, and one by another CPU that helps while the owner sleeps: they are `current`.
 * Who wants to remove such a one waits until its expire() has returned: without that, a thread that was woken
 * by an object just as its deadline passed could already wait for something else when expire() came to look at
 * it, and would be told of a timeout that was the former wait's.
 *
 * Limits.  Everything that is due in one slot of 4.19 ms is dealt out before the first of it expires: 100,000
 * timers in one such slot are a few milliseconds of work in one piece.  A queue whose CPU does not run keeps
 * cur; timers set then may lie a level higher than needed, and are dealt out once more.
 *
 * The lock guards all, except that next, stale, cur and pending are read without it as hints.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "timer.h"

#include <mn/time.h>
#include <string.h>

#include "panic.h"
#include "umtx.h"

enum {
    TICK_SHIFT = 10,
    NEAR_BITS = 12,
    NEAR_SLOTS = 1 << NEAR_BITS,
    FAR1_BITS = 10,
    FAR_BITS = 8,
    LEVELS = 6,
    FAR_SLOTS = (1 << FAR1_BITS) + (LEVELS - 2) * (1 << FAR_BITS),
    CHAINS = 7,
    PORTION = 64, /* timers dealt out in one go: about 2 us */
    LINE = 64,
    AHEAD = 16,   /* timers that are touched before they expire */
};

static const unsigned char level_shift[LEVELS] = {0, 12, 22, 30, 38, 46};
static const unsigned short level_mask[LEVELS] = {NEAR_SLOTS - 1, (1 << FAR1_BITS) - 1, 255, 255, 255, 255};
static const unsigned short level_base[LEVELS] = {0, 0, 1024, 1280, 1536, 1792}; /* in far[] */
#define LAST_TICK (((uint64_t)1 << (63 - TICK_SHIFT)) - 1)

struct far_slot {
    uint64_t min; /* no timer here is earlier; kept when one is removed */
    struct mni_timer *chain[CHAINS];
};

/* Which slots of a level may hold something; a bit of an empty slot is cleared when it is found. */
struct map {
    uint64_t words; /* bit i: word[i] is not 0 */
    uint64_t word[64];
};

struct mni_timers {
    struct mni_olock lock;
    uint32_t stale;   /* the earliest was removed: next may be too early */
    uint64_t next;    /* MN time; what mni_timers_next says */
    uint64_t cur;     /* tick */
    struct mni_timer *current[2]; /* their expire() runs: the owner's, a helper's */
    bool helped;      /* somebody is in mni_timers_help */
    uint32_t wanted;  /* someone waits for that to end... */
    uint32_t turn;    /* ...on this word */
    uint64_t pending; /* timers that are set; read by anyone */
    unsigned chain;   /* the next to be filled */
    unsigned entered; /* the level of the slot that cur has entered and that is not dealt out yet; 0: none */
    struct far_slot *far; /* FAR_SLOTS, at a cache line's beginning */
    struct map map[LEVELS];
    struct mni_timer *near[NEAR_SLOTS];
};

size_t mni_timers_size(void) {
    return sizeof(struct mni_timers) + FAR_SLOTS * sizeof(struct far_slot) + LINE;
}

void mni_timers_init(struct mni_timers *q, int64_t now) {
    q->cur = now < 0 ? 0 : (uint64_t)now >> TICK_SHIFT;
    q->next = MN_FOREVER;
    q->far = (void *)(((uintptr_t)(q + 1) + LINE - 1) & ~(uintptr_t)(LINE - 1));
}

static uint64_t tick_of(int64_t deadline) {
    if (deadline <= 0)
        return 0;
    uint64_t tick = ((uint64_t)deadline + (1 << TICK_SHIFT) - 1) >> TICK_SHIFT;
    return tick < LAST_TICK ? tick : LAST_TICK;
}

static void map_set(struct map *m, unsigned i) {
    m->word[i / 64] |= (uint64_t)1 << i % 64;
    m->words |= (uint64_t)1 << i / 64;
}

static void map_clear(struct map *m, unsigned i) {
    if ((m->word[i / 64] &= ~((uint64_t)1 << i % 64)) == 0)
        m->words &= ~((uint64_t)1 << i / 64);
}

static bool map_has(const struct map *m, unsigned i) {
    return m->word[i / 64] >> i % 64 & 1;
}

/* The first bit from `from` on; -1: none. */
static int map_find(const struct map *m, unsigned from) {
    unsigned w = from / 64;
    uint64_t bits = m->word[w] & ~(uint64_t)0 << from % 64;
    if (!bits) {
        uint64_t words = m->words & ~(uint64_t)0 << w & ~((uint64_t)1 << w);
        if (!words)
            return -1;
        w = (unsigned)__builtin_ctzl(words);
        bits = m->word[w];
    }
    return (int)(w * 64 + (unsigned)__builtin_ctzl(bits));
}

static unsigned digit(uint64_t tick, unsigned level) {
    return (unsigned)(tick >> level_shift[level]) & level_mask[level];
}

static struct far_slot *far_slot(struct mni_timers *q, unsigned level, unsigned i) {
    return &q->far[level_base[level] + i];
}

static bool slot_empty(struct mni_timers *q, unsigned level, unsigned i) {
    if (level == 0)
        return !q->near[i];
    const struct far_slot *s = far_slot(q, level, i);
    uintptr_t any = 0;
    for (int c = 0; c < CHAINS; c++)
        any |= (uintptr_t)s->chain[c];
    return any == 0;
}

/* The first slot in use from cur on; -1: none. */
static int first_slot(struct mni_timers *q, unsigned level) {
    for (;;) {
        int i = map_find(&q->map[level], digit(q->cur, level));
        if (i < 0 || !slot_empty(q, level, (unsigned)i))
            return i;
        map_clear(&q->map[level], (unsigned)i);
    }
}

static void push(struct mni_timer **head, struct mni_timer *t) {
    struct mni_timer *first = *head;
    t->next = first;
    t->prev = head;
    if (first)
        first->prev = &t->next;
    *head = t;
}

static void unlink_timer(struct mni_timer *t) {
    invariant(*t->prev == t);
    *t->prev = t->next;
    if (t->next)
        t->next->prev = t->prev;
    t->prev = NULL;
}

/* Into the slot that belongs to a tick from cur on. */
static void place(struct mni_timers *q, struct mni_timer *t, uint64_t tick) {
    uint64_t differs = tick ^ q->cur;
    if (differs < NEAR_SLOTS) {
        unsigned i = (unsigned)tick & (NEAR_SLOTS - 1);
        if (!q->near[i])
            map_set(&q->map[0], i);
        push(&q->near[i], t);
        return;
    }
    unsigned top = 63 - (unsigned)__builtin_clzl(differs);
    unsigned level = top < NEAR_BITS + FAR1_BITS ? 1 : 2 + (top - NEAR_BITS - FAR1_BITS) / FAR_BITS;
    unsigned i = digit(tick, level);
    struct far_slot *s = far_slot(q, level, i);
    if (!map_has(&q->map[level], i)) {
        map_set(&q->map[level], i);
        s->min = tick;
    } else if (tick < s->min) {
        s->min = tick;
    }
    unsigned c = q->chain;
    push(&s->chain[c], t);
    q->chain = c + 1 < CHAINS ? c + 1 : 0;
}

uint64_t mni_timers_pending(const struct mni_timers *q) {
    return a64_load(&q->pending); /* relaxed: for statistics */
}

void mni_timer_set(struct mni_timers *q, struct mni_timer *t, int64_t deadline) {
    uint64_t tick = tick_of(deadline);
    mni_lock_take(&q->lock);
    invariant(t->prev == NULL);
    t->deadline = deadline;
    t->queue = q;
    if (tick < q->cur)
        tick = q->cur;
    place(q, t, tick);
    a64_store(&q->pending, q->pending + 1);
    if (tick << TICK_SHIFT < q->next)
        a64_store(&q->next, tick << TICK_SHIFT); /* relaxed: read as a hint by others, in order by the owner */
    mni_lock_drop(&q->lock);
}

bool mni_timer_remove(struct mni_timer *t) {
    struct mni_timers *q = t->queue;
    if (!q)
        return false;
    mni_lock_take(&q->lock);
    if (t->prev) {
        unlink_timer(t);
        a64_store(&q->pending, q->pending - 1);
        if (tick_of(t->deadline) << TICK_SHIFT <= q->next) /* less: it was late when it was set */
            a32_store(&q->stale, 1); /* relaxed: as next */
        mni_lock_drop(&q->lock);
        return true;
    }
    while (q->current[0] == t || q->current[1] == t) {
        uint32_t turn = q->turn;
        q->wanted = 1;
        mni_lock_drop(&q->lock);
        umtx_wait(&q->turn, turn, NULL, CLOCK_MONOTONIC, UMTX_PRIVATE);
        mni_lock_take(&q->lock);
    }
    mni_lock_drop(&q->lock);
    return false;
}

/* Deals out a portion of a slot that cur has entered. */
static void cascade(struct mni_timers *q, unsigned level, unsigned i) {
    struct far_slot *s = far_slot(q, level, i);
    struct mni_timer *rest[CHAINS];
    int left = PORTION, empty = 0;
    for (int c = 0; c < CHAINS; c++) {
        rest[c] = s->chain[c];
        __builtin_prefetch(rest[c], 1);
    }
    for (int c = 0; left > 0 && empty < CHAINS; c = c + 1 < CHAINS ? c + 1 : 0) {
        struct mni_timer *t = rest[c];
        if (!t) {
            empty++;
            continue;
        }
        empty = 0;
        left--;
        rest[c] = t->next;
        __builtin_prefetch(t->next, 1);
        place(q, t, tick_of(t->deadline));
    }
    if (empty == CHAINS)
        q->entered = 0;
    for (int c = 0; c < CHAINS; c++) {
        s->chain[c] = rest[c];
        if (rest[c])
            rest[c]->prev = &s->chain[c];
    }
}

/*
 * Takes out a timer that is due at tick; NULL: none is, cur is tick now.  *more: there is other work first,
 * which was begun; call again.
 */
static struct mni_timer *take_due(struct mni_timers *q, uint64_t tick, bool *more) {
    *more = q->entered != 0;
    if (q->entered) {
        cascade(q, q->entered, digit(q->cur, q->entered));
        return NULL;
    }
    int i = first_slot(q, 0);
    if (i >= 0) {
        uint64_t at = (q->cur & ~(uint64_t)(NEAR_SLOTS - 1)) + (unsigned)i;
        if (at <= tick) {
            struct mni_timer *t = q->near[i];
            a64_store(&q->cur, at); /* relaxed: read as a hint without the lock */
            unlink_timer(t);
            return t;
        }
    } else {
        for (unsigned level = 1; level < LEVELS; level++) {
            i = first_slot(q, level);
            if (i < 0)
                continue;
            unsigned shift = level_shift[level];
            uint64_t above = q->cur >> shift & ~(uint64_t)level_mask[level];
            uint64_t at = (above + (unsigned)i) << shift;
            if (at <= tick) {
                a64_store(&q->cur, at); /* relaxed: as above */
                q->entered = level;
                *more = true;
                return NULL;
            }
            break;
        }
    }
    if (q->cur < tick)
        a64_store(&q->cur, tick); /* relaxed: as above */
    return NULL;
}

/* Sets next anew.  While a slot is not wholly dealt out (a helper has stopped there), that is now. */
static void find_next(struct mni_timers *q) {
    uint64_t next = MN_FOREVER;
    int i = first_slot(q, 0);
    if (q->entered) {
        next = q->cur << TICK_SHIFT;
    } else if (i >= 0) {
        next = ((q->cur & ~(uint64_t)(NEAR_SLOTS - 1)) + (unsigned)i) << TICK_SHIFT;
    } else {
        for (unsigned level = 1; level < LEVELS; level++) {
            i = first_slot(q, level);
            if (i >= 0) {
                next = far_slot(q, level, (unsigned)i)->min << TICK_SHIFT;
                break;
            }
        }
    }
    a64_store(&q->next, next); /* relaxed: as in mni_timer_set */
    a32_store(&q->stale, 0);
}

/*
 * The next ones that are due are touched together, and what lies before them, where a thread has what its waker
 * changes: each was last touched when it was set, or dealt out, and one after the other the misses would be
 * waited for.
 */
static void fetch_due(struct mni_timers *q, uint64_t tick) {
    uint64_t last = q->cur | (NEAR_SLOTS - 1);
    unsigned end = (unsigned)(tick < last ? tick : last) & (NEAR_SLOTS - 1);
    int i = map_find(&q->map[0], digit(q->cur, 0));
    for (int n = 0; n < AHEAD && i >= 0 && (unsigned)i <= end; n++) {
        const struct mni_timer *t = q->near[i];
        if (t) {
            (void)*(struct mni_timer *const volatile *)&t->next;
            __builtin_prefetch((const char *)t - LINE, 1);
            __builtin_prefetch((const char *)t - 2 * LINE, 1);
        }
        i = (unsigned)i < end ? map_find(&q->map[0], (unsigned)i + 1) : -1;
    }
}

/* By the lock's holder: expires what is due, as the owner (0) or a helper (1), while *asleep is not 0 (NULL:
 * always). */
static int run(struct mni_timers *q, int helper, int64_t now, int most, const uint32_t *asleep,
               void (*expire)(struct mni_timer *t, void *arg), void *arg) {
    uint64_t tick = now < 0 ? 0 : (uint64_t)now >> TICK_SHIFT;
    int n = 0, fetched = 0;
    /* Acquire: who finds it asleep again sees what the setters of its timers did before. */
    while (n < most && (!asleep || a32_load_acquire(asleep))) {
        bool more;
        if (n == fetched) {
            fetch_due(q, tick);
            fetched += AHEAD;
        }
        struct mni_timer *t = take_due(q, tick, &more);
        if (!t && !more)
            break;
        if (t) {
            q->current[helper] = t;
            a64_store(&q->pending, q->pending - 1);
            mni_lock_drop(&q->lock);
            expire(t, arg);
            n++;
            mni_lock_take(&q->lock);
            q->current[helper] = NULL;
            if (q->wanted) {
                q->wanted = 0;
                a32_add(&q->turn, 1); /* relaxed: the lock orders; the kernel compares it */
                umtx_wake(&q->turn, UMTX_WAKE_ALL, UMTX_PRIVATE);
            }
        } else {
            mni_lock_drop(&q->lock); /* who waits to remove a timer is let in */
            mni_lock_take(&q->lock);
        }
    }
    find_next(q);
    return n;
}

int mni_timers_run(struct mni_timers *q, int64_t now, int most, void (*expire)(struct mni_timer *t, void *arg),
                   void *arg) {
    /* relaxed: our own stores, or those of a CPU that set a timer here and tells us by other means.  Now and
     * then cur is moved though nothing is due, or timers would be set on higher and higher levels. */
    if ((int64_t)a64_load(&q->next) > now && ((uint64_t)now >> TICK_SHIFT ^ a64_load(&q->cur)) < NEAR_SLOTS)
        return 0;
    mni_lock_take(&q->lock);
    int n = run(q, 0, now, most, NULL, expire, arg);
    mni_lock_drop(&q->lock);
    return n;
}

int mni_timers_help(struct mni_timers *q, int64_t now, int most, const uint32_t *asleep,
                    void (*expire)(struct mni_timer *t, void *arg), void *arg) {
    int n = 0;
    mni_lock_take(&q->lock);
    if (!q->helped) {
        q->helped = true;
        n = run(q, 1, now, most, asleep, expire, arg);
        q->helped = false;
    }
    mni_lock_drop(&q->lock);
    return n;
}

int64_t mni_timers_next(struct mni_timers *q) {
    if (a32_load(&q->stale)) { /* relaxed: a hint */
        mni_lock_take(&q->lock);
        find_next(q);
        mni_lock_drop(&q->lock);
    }
    return (int64_t)a64_load(&q->next); /* relaxed: a hint */
}

bool mni_timers_crowd(struct mni_timers *q, int64_t until, int n) {
    uint64_t last = (uint64_t)until >> TICK_SHIFT;
    if (until < (int64_t)a64_load(&q->next)) /* relaxed: a hint */
        return false;
    mni_lock_take(&q->lock);
    if (last > (q->cur | (NEAR_SLOTS - 1)))
        last = q->cur | (NEAR_SLOTS - 1);
    int i = first_slot(q, 0);
    while (n > 0 && i >= 0 && (unsigned)i <= (last & (NEAR_SLOTS - 1))) {
        if (!slot_empty(q, 0, (unsigned)i))
            n--;
        i = i + 1 < NEAR_SLOTS ? map_find(&q->map[0], (unsigned)i + 1) : -1;
    }
    mni_lock_drop(&q->lock);
    return n <= 0;
}

int64_t mni_timers_hint(const struct mni_timers *q) {
    return (int64_t)a64_load(&q->next); /* relaxed: a hint */
}
