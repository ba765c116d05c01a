/* The state of mn_rwlock.c: memory, as a thread sees it, and queues. */
#ifndef MODEL_MN_RWLOCK_H
#define MODEL_MN_RWLOCK_H

#include "explore.h"

enum { MOST = 5, CPUS = 3, FULL = 2 /* holds in a slot */, DRAIN = CPUS /* a choice */ };
enum { WRITER = 1, QUEUE = 2, BIAS = 4, REVOKING = 8, BIASED = BIAS | REVOKING, WANTED = 16, READER = 32 };
enum { SHUT = WRITER | QUEUE | WANTED };
enum { CALLED = 1, VAIN = 2, LAST = 4 }; /* tags */

/* clang-format off */
enum pc {
    NEXT, RESUME, AGAIN, /* of a call: its beginning; after it was called; the beginning on the cpu that it has */
    RD_SLOT, RD_SLOT_CAS, RD_LOOK, RD_BACK, RD_CAS, BIAS_LOOK, BIAS_CAS,
    TRY_LOOK, WANT_LOOK, WANT_CAS, WANT_TRY, SLOW, SLOW_AGAIN, SLOW_TAKE, SLOW_LOOK, SLOW_CAS, SETTLE, SLOW_DROP,
    ASLEEP, CLAIMED, TIME_DROP,
    UN_OWN, UN_OWN_STORE, UN_ANY, UN_CAS, UN_HAND, UN_DROP, UN_LATE,
    END_WORD, END_BARRIER, END_SCAN, END_ADD, COUNTED, DESTROY_LOOK,
    SLOW_LOCK, TIME_LOCK, UN_LOCK, COUNT, DESTROY, /* these take the lock first */
    END
};

/* What is broken on purpose: see main. */
enum broken {
    GOOD, NO_BARRIER, NO_REVOKING, REVOKING_SHORT, REVOKING_UNSEEN, NOT_COUNTED, COUNTS_SLOTS, SPARES_OWN_CPU,
    NO_LOOK, NOT_MINE, LEFT_THERE, PLAIN_HOLD, PLAIN_DROP, EMPTIES_SLOT, REFUSES, BIAS_ALWAYS, QUEUE_ALWAYS,
    TRY_GIVES_UP, TRY_ONCE, DESTROY_BIASED, LAST_LEAVES, FORGETS_WRITERS, NO_LOOK_AGAIN, TOUCHES, WAKES_FIRST,
    NO_SETTLE, QUEUE_THOUGH_CALLED, LEFT_WANTED, HANDS_WANTED, STILL_CALLED, BIAS_WANTED
};
/* clang-format on */

struct thread {
    uint8_t pc, op, cpu;   /* cpu: from 1; 0: none, or foreign */
    uint8_t from;          /* the cpu that it was on, if its slot is still to be seen there */
    uint8_t held;          /* READS or WRITES: it is in between the calls, or in unlock */
    uint8_t counts;        /* as a reader, somewhere */
    uint8_t w, v;          /* the word, and a slot, as loaded */
    uint8_t scan, hand;    /* cpus looked at, holds found there */
    uint8_t out, heir;     /* those to be woken, bits; who becomes the writer, from 1 */
    uint8_t slow, to, saw; /* under the lock; where the end of a bias returns to; the lock was held */
    uint8_t tag, wanted;   /* of its waiter; it has set WANTED */
    uint8_t wake, gone;    /* who was called, from 1; it has left the lock */
};
struct state {
    uint8_t word, owner, lock;                /* owner and lock: from 1 */
    uint8_t slot[CPUS], buffered[CPUS], used; /* holds; one that only its cpu sees; cpus inside, bits */
    uint8_t readers[MOST], writers[MOST];     /* who waits, in turn, from 1 */
    uint8_t freed;
    struct thread t[MOST];
};

enum { READS = 1, WRITES = 2 };
/* r, w: locks; R, W: with a deadline; t, T: tries.  Then u: unlock; x: the same, or, if nobody else is to come,
 * the writer frees it.  d: destroys it when nobody is to come. */
static const char *programs[MOST];
static char place[MOST]; /* a cpu, from 0; *: any; f: foreign */
static int threads, cpus, broken;
static const char *wrong; /* with the step just made */

/* ---- memory */

static void drain(struct state *s, int cpu) {
    if (!cpu)
        return;
    s->slot[cpu - 1] = (uint8_t)(s->slot[cpu - 1] + s->buffered[cpu - 1]);
    s->buffered[cpu - 1] = 0;
}

static void touch(struct state *s) {
    if (s->freed)
        wrong = "a lock is touched that is no more";
}

static uint8_t load(struct state *s) {
    touch(s);
    return s->word;
}

static int cas(struct state *s, const struct thread *t, uint8_t from, int to) {
    touch(s);
    drain(s, t->cpu);
    if (s->word != from)
        return 0;
    s->word = (uint8_t)to;
    return 1;
}

static uint8_t look(const struct state *s, const struct thread *t, int cpu) {
    return (uint8_t)(s->slot[cpu - 1] + (t->cpu == cpu ? s->buffered[cpu - 1] : 0));
}

/* One hold out of a slot. */
static int take(struct state *s, struct thread *t, int cpu) {
    if (!look(s, t, cpu))
        return 0;
    drain(s, t->cpu);
    s->slot[cpu - 1] = broken == EMPTIES_SLOT ? 0 : (uint8_t)(s->slot[cpu - 1] - 1);
    return 1;
}

static int lock(struct state *s, int i) {
    if (s->lock)
        return 0;
    touch(s);
    drain(s, s->t[i].cpu);
    s->lock = (uint8_t)(i + 1);
    return 1;
}

static void drop(struct state *s) {
    touch(s);
    s->lock = 0;
}

/* ---- queues */

static int is_called(const struct state *s) {
    return (s->readers[0] && s->t[s->readers[0] - 1].tag & CALLED) ||
           (s->writers[0] && s->t[s->writers[0] - 1].tag & CALLED);
}

static uint8_t queue_bit(const struct state *s) {
    return s->readers[0] || s->writers[0] ? QUEUE : 0;
}

static uint8_t *place_in(uint8_t *queue, int i) {
    return memchr(queue, i + 1, MOST);
}

static int unqueue(struct state *s, int i) {
    uint8_t *q = place_in(s->readers, i) ? s->readers : s->writers, *w = place_in(q, i);
    if (w) {
        memmove(w, w + 1, (size_t)(q + MOST - 1 - w));
        q[MOST - 1] = 0;
    }
    return w != NULL;
}

/* The first of a queue that can be woken, from 1; it stays in the queue. */
static uint8_t claim_first(struct state *s, uint8_t *q) {
    while (q[0]) {
        struct thread *t = &s->t[q[0] - 1];
        if (t->pc == ASLEEP) {
            t->pc = CLAIMED;
            return q[0];
        }
        unqueue(s, q[0] - 1);
    }
    return 0;
}

/* By a thread with that tag, which has come. */
static uint8_t call_first(struct state *s, uint8_t *q, uint8_t tag) {
    uint8_t last = 0;
    while (q[0] && s->t[q[0] - 1].pc != ASLEEP) { /* it cannot be woken */
        last |= s->t[q[0] - 1].tag & LAST;
        unqueue(s, q[0] - 1);
    }
    uint8_t w = claim_first(s, q);
    if (w) {
        s->t[w - 1].tag |= CALLED | last;
        s->t[q[strnlen((char *)q, MOST) - 1] - 1].tag |= tag & LAST;
    }
    return w;
}

static uint8_t let_in(struct state *s) {
    uint8_t all = 0;
    for (uint8_t w; (w = claim_first(s, s->readers)); unqueue(s, w - 1))
        all |= (uint8_t)(1u << (w - 1));
    return all;
}

static void count(struct state *s, uint8_t who) {
    for (int i = 0; i < threads; i++)
        s->t[i].counts |= who >> i & 1;
    s->word = (uint8_t)(s->word + __builtin_popcount(who) * READER);
}

#endif
