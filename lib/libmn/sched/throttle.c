/*
 * throttle: is it worth while to share a cpu's work with another?
 *
 * Threads that all talk to one of them, a server, a lock, a counter, are no faster on two CPUs: each of their
 * messages is a line that has to come from the other CPU, at 50 to 200 ns.  On CPUs that are far from each
 * other the two together do a third of what one does alone.  How long stolen threads keep a thief busy says
 * nothing of that: the slower they are, the longer.
 *
 * So both ways are tried in turns, by each thief (take.c, idle.c) and by each cpu that gives handlers away
 * (proc/exec.c).  What gets done is compared: switches, starts of threads, and messages, which weigh more,
 * since who has to wait for room switches without getting on.
 *
 *   together   the other takes part.  Counts from the first time that it does to when the phase may end.
 *   apart      the busy one keeps what it has, and the other sleeps.
 *
 * The way that gets more done has the longer phases: each is twice as long as the one before, up to LONGEST_NS.
 * The other has just enough to be measured.  Together wins where the busy one ran dry alone, since then there
 * is too little to do; and where little happens in a ms (COARSE): what such threads share matters less than
 * that they run.
 *
 * Who stays apart does not miss it when the load becomes another one.  A thief looks whenever it wakes, because
 * it is called or by the watcher's naps, whether its victim got on: one that computes or blocks is found by
 * that.  A load that has become one for two is found when the phase ends, or, if what the victim alone got done
 * is that of the old load, after another short one.
 *
 * All of it are hints: who is wrong shares in vain, or leaves threads for some ms to a cpu that runs them.  More
 * than two cpus: a phase is about the victim that it stole from first; apart from that one, a thief takes from
 * others as ever.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "throttle.h"

enum {
    TOGETHER_NS = 300000, /* to measure it */
    APART_NS = 100000,    /* likewise */
    FIRST_NS = 1000000,   /* of who wins for the first time */
    LONGEST_NS = 16000000,
    PEEK_NS = 20000, /* at least so long must the busy one do nothing */
    COARSE = 200,    /* progress in a ms */
    MESSAGE = 4,
    GAIN = 16, /* together is better if it gets one part in so many more done */
};

static uint64_t per_ms(uint64_t n, int64_t ns) {
    return n * 1000000 / (uint64_t)(ns > 0 ? ns : 1);
}

static uint64_t progress(const struct mni_cpu *c) {
    const struct mni_counts *n = &c->count;
    return a64_load(&n->switches) + a64_load(&n->spawns) +
           MESSAGE * a64_load(&n->messages); /* relaxed: a hint */
}

/* How often it had nothing to do. */
static uint64_t dried(const struct mni_cpu *c) {
    return a64_load(&c->count.searches) + a64_load(&c->count.sleeps); /* relaxed: a hint */
}

/* How long the next phase is: of the way that wins, or that is only measured. */
static int64_t phase(struct mni_throttle *t, bool wins, int64_t least) {
    if (!wins)
        return least;
    t->span = t->span < FIRST_NS ? FIRST_NS : t->span < LONGEST_NS ? 2 * t->span : LONGEST_NS;
    return t->span;
}

/* As far as is known.  A change of the winner starts with short phases. */
static bool alone_wins(struct mni_throttle *t) {
    bool wins = t->together <= t->alone + t->alone / GAIN && t->alone >= COARSE;
    if (wins != t->alone_wins) {
        t->alone_wins = wins;
        t->span = 0;
    }
    return wins;
}

static void come_together(struct mni_throttle *t) {
    aptr_store(&t->apart, NULL); /* relaxed: others only read it as a hint (idle.c) */
    t->begun = 0;
    t->until = phase(t, !alone_wins(t), TOGETHER_NS);
}

void mni_throttle_init(struct mni_throttle *t) {
    t->until = FIRST_NS;
}

/* Apart, the other has nothing of the busy one's: what it does is no part of it. */
static uint64_t of_both(const struct mni_throttle *t) {
    return progress(t->busy) + progress(t->other);
}

void mni_throttle_share(struct mni_throttle *t, const struct mni_cpu *busy, const struct mni_cpu *other,
                        int64_t now) {
    if (t->begun)
        return;
    t->busy = busy;
    t->other = other;
    t->begun = now;
    t->from = of_both(t);
    t->idle = a64_load(&busy->count.sleeps);
}

/* A phase together ends, if it is time. */
static void go_apart(struct mni_throttle *t, int64_t now) {
    if (!t->begun || now - t->begun < t->until)
        return;
    const uint64_t before = t->together;
    t->together = per_ms(of_both(t) - t->from, now - t->begun);
    /* Another load, for which `alone` may not hold any more: it is measured again soon. */
    if (t->together > 2 * before || t->together < before / 2)
        t->span = 0;
    /* The busy one slept: so there was not enough to do to say anything. */
    if (t->together < COARSE || a64_load(&t->busy->count.sleeps) != t->idle) {
        t->begun = 0;
        return;
    }
    aptr_store(&t->apart, t->busy);
    t->begun = t->peek = now;
    t->until = now + phase(t, alone_wins(t), APART_NS);
    t->from = t->peeked = progress(t->busy);
    t->idle = dried(t->busy);
}

/* Since the last peek the busy one got on, or that was just now. */
static bool gets_on(struct mni_throttle *t, int64_t now) {
    if (now - t->peek < PEEK_NS)
        return true;
    uint64_t rate = per_ms(progress(t->busy) - t->peeked, now - t->peek);
    t->peek = now;
    t->peeked = progress(t->busy);
    return rate >= COARSE;
}

bool mni_throttle_apart(struct mni_throttle *t, int64_t now) {
    if (!t->apart) {
        go_apart(t, now);
    } else if (now >= t->until || !gets_on(t, now)) {
        bool told = now >= t->until && dried(t->busy) == t->idle;
        t->alone = told ? per_ms(progress(t->busy) - t->from, now - t->begun) : 0;
        come_together(t);
    }
    return t->apart;
}
