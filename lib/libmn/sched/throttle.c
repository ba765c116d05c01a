/*
 * throttle: is it worth while to take threads of others?
 *
 * Threads that all talk to one of them, a server, a lock, a counter, are no faster on two CPUs: each of their
 * messages is a line that has to come from the other CPU, at 50 to 200 ns.  On CPUs that are far from each
 * other the two together do a third of what one does alone.  How long stolen threads keep a thief busy says
 * nothing of that: the slower they are, the longer.
 *
 * So each thief tries both ways in turns, and compares what its own cpu and the victim's get done: switches,
 * starts of threads, and messages, which weigh more, since who has to wait for room switches without getting
 * on.
 *
 *   together   it steals (take.c).  Counts from the first time that it does to when it runs dry.
 *   apart      it takes nothing, and sleeps.
 *
 * The way that gets more done has the longer phases: each is twice as long as the one before, up to LONGEST_NS.
 * The other has just enough to be measured.  Together wins where the victim ran dry alone, since then there is
 * too little to do; and where little happens in a ms (COARSE): what such threads share matters less than that
 * they run.
 *
 * Who stays apart does not miss it when the load becomes another one.  Whenever it wakes, because it is called
 * or by the watcher's naps (idle.c), it looks for MNI_PEEK_NS at how fast the victim gets on: a thread that
 * computes or blocks there is found by that.  A load that has become one for two is found when the phase ends,
 * or, if what the victim alone got done is that of the old load, after another short one.
 *
 * All of it are hints: who is wrong takes threads in vain, or leaves them for some ms to a cpu that runs them.
 * More than two cpus: the victim of a phase is whom it stole from first in it.
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
    WARM_NS = 200000, /* apart, until what the victim shared with others has come to it */
    COARSE = 200,     /* progress in a ms */
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
    t->span = t->won ? t->span < LONGEST_NS ? 2 * t->span : LONGEST_NS : FIRST_NS;
    t->won = true;
    return t->span;
}

/* As far as is known.  A change of the winner starts with short phases. */
static bool alone_wins(struct mni_throttle *t) {
    bool wins = t->together <= t->alone + t->alone / GAIN && t->alone >= COARSE;
    if (wins != t->alone_wins) {
        t->alone_wins = wins;
        t->won = false;
    }
    return wins;
}

static void come_together(struct mni_throttle *t) {
    a8_store(&t->apart, false); /* relaxed: others only read it as a hint (idle.c) */
    t->begun = 0;
    t->until = phase(t, !alone_wins(t), TOGETHER_NS);
}

void mni_throttle_init(struct mni_cpu *c) {
    c->throttle.until = FIRST_NS;
}

void mni_throttle_took(struct mni_cpu *c, const struct mni_cpu *v, int64_t now) {
    struct mni_throttle *t = &c->throttle;
    if (t->begun)
        return;
    t->victim = v;
    t->begun = now;
    t->own = progress(c);
    t->theirs = progress(v);
    t->slept = a64_load(&v->count.sleeps);
}

void mni_throttle_dry(struct mni_cpu *c, int64_t now) {
    struct mni_throttle *t = &c->throttle;
    if (t->apart || !t->begun || now - t->begun < t->until)
        return;
    const uint64_t before = t->together;
    t->together = per_ms(progress(c) - t->own + progress(t->victim) - t->theirs, now - t->begun);
    /* Another load, for which `alone` may not hold any more: it is measured again soon. */
    if (t->together > 2 * before || t->together < before / 2)
        t->won = false;
    /* The victim slept: so there was not enough to do to say anything. */
    if (t->together < COARSE || a64_load(&t->victim->count.sleeps) != t->slept) {
        t->begun = 0;
        return;
    }
    a8_store(&t->apart, true);
    t->begun = now;
    t->until = now + phase(t, alone_wins(t), APART_NS);
    t->theirs = progress(t->victim);
    t->dried = dried(t->victim);
}

bool mni_throttle_holds(struct mni_cpu *c, int64_t now) {
    struct mni_throttle *t = &c->throttle;
    if (!t->apart)
        return false;
    if (now >= t->until) {
        bool busy = dried(t->victim) == t->dried;
        t->alone = busy ? per_ms(progress(t->victim) - t->theirs, now - t->begun) : 0;
        come_together(t);
        return false;
    }
    t->peek = now;
    t->peeked = progress(t->victim);
    return true;
}

bool mni_throttle_same(struct mni_cpu *c, int64_t now) {
    struct mni_throttle *t = &c->throttle;
    uint64_t rate = per_ms(progress(t->victim) - t->peeked, now - t->peek);
    if (!t->alone_wins || now - t->begun < WARM_NS || rate >= COARSE)
        return true;
    t->alone = rate;
    come_together(t);
    return false;
}
