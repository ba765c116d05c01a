/* runq: the rarer parts of a cpu's run queue (runq.h). */
#include "runq.h"

#include <sys/mman.h>

#include "idle.h"
#include "runtime/map.h"
#include "sched.h"

static void append(struct mni_fifo *f, struct mni_thread *t) {
    t->next = NULL;
    if (f->tail)
        f->tail->next = t;
    else
        f->head = t;
    f->tail = t;
    f->length++;
}

static struct mni_thread *take(struct mni_fifo *f) {
    struct mni_thread *t = f->head;
    if (t) {
        f->head = t->next;
        if (!f->head)
            f->tail = NULL;
        f->length--;
    }
    return t;
}

static void set(struct mni_cpu *c, uint32_t bit, bool on) {
    a32_store(&c->others, on ? c->others | bit : c->others & ~bit);
}

static void give_up_ring(struct mni_cpu *c) {
    if (c->ring != c->small)
        munmap(c->ring, (c->mask + (size_t)1) * sizeof *c->ring);
}

/* Four times as large: an array, because a list of cold descriptors is walked at one miss after the other, and
 * the entries of an array can be fetched ahead. */
static bool grow(struct mni_cpu *c) {
    uint32_t entries = c->mask + 1;
    struct mni_thread **ring = entries < MNI_RING_MOST ? mni_map(4 * entries * sizeof *ring) : NULL;
    if (!ring)
        return false;
    for (uint32_t i = c->head; i != c->tail; i++)
        ring[i & (4 * entries - 1)] = c->ring[i & c->mask];
    give_up_ring(c);
    c->ring = ring;
    c->mask = 4 * entries - 1;
    return true;
}

void mni_ring_shrink(struct mni_cpu *c) {
    give_up_ring(c);
    c->ring = c->small;
    c->mask = MNI_RING - 1;
}

/*
 * Of a queue that is longer than what caches and TLB hold, and of threads that have slept, the next MNI_AHEAD
 * threads are touched together: the misses of independent loads overlap, while each switch by itself waits for
 * its own (250 ns).  Loads, because the CPU may leave out a prefetch whose page is not in the TLB; once it is,
 * prefetches bring the other lines.
 */
void mni_fetch_ahead(struct mni_cpu *c, uint32_t head) {
    const char *sp[MNI_AHEAD];
    uint32_t n = c->tail - head < MNI_AHEAD ? c->tail - head : MNI_AHEAD;
    for (uint32_t i = 0; i < n; i++) {
        const struct mni_thread *t = c->ring[(head + i) & c->mask];
        sp[i] = *(void *const volatile *)&t->sp;
        if (!sp[i])
            sp[i] = (const char *)t->own; /* it begins there */
    }
    for (uint32_t i = 0; i < n; i++) {
        const char *t = (const char *)c->ring[(head + i) & c->mask];
        if (sp[i]) {
            (void)*(const volatile char *)sp[i];
            for (int line = 1; line < 5; line++)
                __builtin_prefetch(sp[i] + 64 * line, 1);
        }
        for (int line = 1; line < 4; line++)
            __builtin_prefetch(t + 64 * line, 1);
    }
    c->fetched = head + n;
}

/* The ring is full, or the list is in use already. */
void mni_runq_overflow(struct mni_cpu *c, struct mni_thread *t) {
    if (!(c->others & MNI_OTHER_OVERFLOW) && grow(c)) {
        mni_ring_put(c, t);
        return;
    }
    append(&c->overflow, t);
    set(c, MNI_OTHER_OVERFLOW, true);
    mni_count(c, overflows, 1);
}

void mni_runq_put_other(struct mni_cpu *c, struct mni_thread *t) {
    uint8_t priority = a8_load(&t->priority);
    if (priority == MN_NORMAL) { /* just now: it was not a moment ago */
        mni_runq_put(c, t);
        return;
    }
    bool high = priority == MN_HIGH;
    append(high ? &c->high : &c->low, t);
    set(c, high ? MNI_OTHER_HIGH : MNI_OTHER_LOW, true);
}

void mni_runq_other(struct mni_cpu *c, struct mni_thread *t) {
    bool more = !mni_runq_empty(c);
    mni_runq_put_other(c, t);
    /* Alone it runs next, unless the thread that is there goes on: then a watcher finds it, if there is one. */
    if (more || (c->current && !mni_idle_watched()))
        mni_runq_seek_help(c);
}

static struct mni_thread *take_from(struct mni_cpu *c, struct mni_fifo *f, uint32_t bit) {
    struct mni_thread *t = take(f);
    if (!f->head)
        set(c, bit, false);
    return t;
}

/* Into the ring with the oldest of the overflow list: half a ring, so that pushes go there for a while. */
static void refill(struct mni_cpu *c) {
    uint32_t tail = c->tail;
    for (int i = 0; i < MNI_RING / 2; i++) {
        struct mni_thread *t = take(&c->overflow);
        if (!t)
            break;
        __builtin_prefetch(t->next);
        mni_prefetch_stack(t);
        __builtin_prefetch((const char *)t + 64);
        __builtin_prefetch((const char *)t + 128);
        c->ring[tail++ & c->mask] = t;
    }
    a32_store(&c->tail, tail);
    if (!c->overflow.head)
        set(c, MNI_OTHER_OVERFLOW, false);
}

/*
 * Called when something lies in one of the lists: with an empty ring for the overflow, or with high or low
 * waiting.  NULL: the hot slot and the ring come first.
 */
struct mni_thread *mni_runq_pick_other(struct mni_cpu *c) {
    if (c->others & MNI_OTHER_HIGH) {
        c->budget = MNI_BUDGET;
        return take_from(c, &c->high, MNI_OTHER_HIGH);
    }
    bool rest = c->hot || c->head != c->tail || (c->others & MNI_OTHER_OVERFLOW);
    if (c->others & MNI_OTHER_LOW && (!rest || c->count.switches % 64 == 0)) {
        c->budget = MNI_BUDGET;
        return take_from(c, &c->low, MNI_OTHER_LOW);
    }
    if (c->hot || c->head != c->tail || !(c->others & MNI_OTHER_OVERFLOW))
        return NULL;
    refill(c);
    struct mni_thread *t = c->ring[c->head & c->mask];
    a32_store(&c->head, c->head + 1);
    c->budget = MNI_BUDGET;
    return t;
}

/* The first of a list, unless it is pinned. */
static unsigned give_first(struct mni_cpu *c, struct mni_fifo *f, uint32_t bit, struct mni_thread **out) {
    if (!(c->others & bit) || f->head->flags & MNI_PINNED)
        return 0;
    *out = take_from(c, f, bit);
    return 1;
}

unsigned mni_runq_give(struct mni_cpu *c, bool hot, struct mni_thread **out, unsigned most) {
    unsigned n = 0;
    if (c->head == c->tail && (c->others & MNI_OTHER_OVERFLOW))
        refill(c);
    uint32_t head = c->head, half = (c->tail - head + 1) / 2, want = half < most ? half : most;
    for (uint32_t i = 0; i < want; i++) {
        __builtin_prefetch(c->ring[(head + MNI_AHEAD) & c->mask]);
        struct mni_thread *t = c->ring[head++ & c->mask];
        if (t->flags & MNI_PINNED) {
            uint32_t tail = c->tail;
            a32_store(&c->head, head);
            c->ring[tail & c->mask] = t;
            a32_store(&c->tail, tail + 1);
            continue;
        }
        out[n++] = t;
    }
    a32_store(&c->head, head);
    if (n == 0)
        n = give_first(c, &c->low, MNI_OTHER_LOW, out);
    if (n == 0)
        n = give_first(c, &c->high, MNI_OTHER_HIGH, out);
    if (n == 0 && hot && c->hot && !(c->hot->flags & MNI_PINNED)) {
        *out = c->hot;
        aptr_store(&c->hot, NULL);
        n = 1;
    }
    return n;
}

void mni_runq_adopt(struct mni_cpu *c, struct mni_thread *const *all, unsigned n) {
    bool more = n > 1 || !mni_runq_empty(c);
    for (unsigned i = 0; i < n; i++)
        mni_runq_push_quietly(c, all[i]);
    if (n > MNI_AHEAD)
        c->cold = c->tail; /* nothing of them is in this CPU's caches */
    if (n && more)
        mni_runq_seek_help(c);
}
