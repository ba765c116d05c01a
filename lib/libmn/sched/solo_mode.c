/*
 * solo_mode: how the plain operations of solo.h begin and end.
 *
 * Guarantee: while a worker may find mni_solo() true, no other LWP touches a word that these operations change.
 *
 * With one cpu it is on from the start.  With several it begins when one has run threads for a while and all
 * others sleep, as they do in loads that get no faster by sharing (throttle.c), and ends when another gets
 * something to run.  A ring of threads takes half the time so.  A foreign LWP ends it, too, and it does not
 * begin while one is present (wait/foreign.c).
 *
 * The naive way is a count of those who are awake, which each operation looks at: but it has looked, and goes
 * on with a plain load and a store, while another wakes.  So whoever ends it waits, and the others pay nothing:
 *
 *     the owner:  inside = 1; [light barrier]; told? word = over;
 *                 ... reads the word, plain operations ...;  inside = 0
 *     who ends:   word = ENDS;  is the owner asleep?  over.  Tells it;  waits for that.  If it takes long:
 *                 membarrier();  waits until the owner was seen outside;  word = over
 *
 * The owner says so itself when it enters the next time, which it does every few nanoseconds, or never while
 * its thread computes or sleeps.  Then it is outside: one that is inside after the barrier entered before it,
 * or reads ENDS.  (To look for that alone takes a millisecond where an owner is outside for 2 ns at a time:
 * while somebody keeps the line, its stores of 0 and 1 arrive together.)  The owner is whichever worker has the
 * owner's cpu, or who has marked that worker (take.c).  An operation is short; an owner that was preempted in
 * one is waited for in naps.  What it was told may stay in its word when it ends it in another way; that only
 * costs its next entry a look.
 *
 * Who comes along.  Most of what a sleeper wakes for is nothing: the watcher's look around, a call for help
 * with threads that are gone by then.  That must not end anything.  So a worker that has slept goes on in its
 * loop (idle.c) while mni_solo_elsewhere() says so, and touches only what is never plain there: hints, inboxes,
 * gifts, the run queues of marked cpus, the futex locks of tables and stacks.  No timers' lock, no descriptors.
 * It ends solo mode before it leaves the loop or hands out events.
 *
 * Beginning.  Others may be about to wake, or to call for the first time:
 *
 *     owner:        word = BEGINS;  is nobody else inside? are all idle?
 *                   no foreign LWP, nor sysmon?  is it not to stop?  word = ON, or over
 *     sleeper:      idle = 1;  (inside = 0;  sleeps;  inside = 1;)
 *                   idle = 0;     the word: over, or it ends that
 *     foreign LWP:  present++;    the word: over, or it ends that;  ...  present--
 *     sysmon:       visitor = 1;  the word: over, or it goes again
 *
 * Each of the others stores, then loads, and so does the owner, all with full barriers in between: one of the
 * two sees the other.  Who is idle will look before he goes on, also if he does not sleep at all.  Who was not
 * inside has no operation under way that he began when it was over, in his loop with the timers' lock.
 *
 *     over   -> BEGINS            by a worker that runs threads, for its cpu; by who starts a runtime with one
 *     BEGINS -> ON, over          by the same
 *     BEGINS -> over              by who would end it
 *     ON     -> ENDS -> over      by who ends it; several may be at it
 *     ON, ENDS -> over            by the owner, as it enters, or in its loop: no operation is under way there
 *
 * Each change is a compare-and-swap of the whole word, with a count in its upper bits: so what somebody waited
 * for is still what ends.  The count comes round in hours.  There is no lock, since a signal handler may be the
 * first to call.
 *
 * Is it worth it?  Who ends it waits for a line's way there and back, or for a membarrier.  So it begins when
 * the others have slept for FIRST_NS, or, after times in which they slept for less than LONG_NS, later and
 * later.
 *
 * tests/model/mn_solo.c walks through all orders.
 */
#include "solo_mode.h"

#include <unistd.h>

#include "cpu.h"
#include "membarrier.h"
#include "panic.h"
#include "runtime/keep.h"
#include "runtime/runtime.h"
#include "shake.h"
#include "solo.h"
#include "take.h"
#include "wait/foreign.h"

enum {
    FIRST_NS = 50000,  /* the others have slept for so long before it begins, */
    MOST_NS = 1000000, /* or at most for so long */
    LONG_NS = 200000,
    ANSWERS = 64, /* times cpu_relax(), some 2 us, for the owner to come round */
    SPINS = 1000, /* the same before the naps */
    NAP_US = 50,
};

static uint32_t visitor; /* sysmon is about to do what workers do; atomic */
static uint32_t owner;   /* whose threads it is for: index; atomic, changed by who begins */

static uint32_t changed(uint32_t word, uint32_t state) {
    uint32_t more = (word | MNI_SOLO_STATE) + 1; /* in the count, which is never 0 again: mni_solo_unbroken */
    return (more ? more : MNI_SOLO_STATE + 1) + state;
}

/* Full, and so is each change of the word. */
static bool change(uint32_t from, uint32_t state) {
    return a32_cas_full(&mni_solo_word, from, changed(from, state));
}

/* All acquire: pair with the stores before a caller's look at the word. */
static bool quiet(void) {
    return !mni_foreign_present() && !a32_load_acquire(&visitor) && !a32_load_acquire(&mni_rt->stop);
}

void mni_solo_reset(void) {
    a32_swap_full(&mni_solo_word, 0);
    a32_store(&visitor, 0);
    a32_store(&owner, 0);
}

void mni_solo_at_once(void) {
    /* Full, both: as those of begin(); the count is 0 before and after (mni_solo_unbroken). */
    if (a32_cas_full(&mni_solo_word, 0, MNI_SOLO_BEGINS) && !quiet())
        change(MNI_SOLO_BEGINS, 0);
    a32_cas_full(&mni_solo_word, MNI_SOLO_BEGINS, MNI_SOLO_ON);
}

static bool asleep(const struct mni_cpu *c) {
    /* Acquire: pairs with the release of a hand-off.  NULL: the runtime is starting. */
    const struct mni_worker *w = aptr_load_acquire(&c->worker);
    /* Acquire: pairs with the release as it went to sleep. */
    return w && a32_load_acquire(&w->inside) == 0 && a32_load_acquire(&c->remote.idle);
}

static bool alone(const struct mni_cpu *c) {
    for (unsigned i = 0; i < mni_rt->ncpus; i++)
        if (mni_rt->cpus[i] != c && !asleep(mni_rt->cpus[i]))
            return false;
    return quiet();
}

static bool begin(const struct mni_cpu *c) {
    uint32_t word = a32_load(&mni_solo_word);
    if (word & MNI_SOLO_STATE || !change(word, MNI_SOLO_BEGINS))
        return false;
    bool on = alone(c);
    /* Relaxed: the change orders it.  Nobody else gets that far while we are awake. */
    a32_store(&owner, c->index);
    return change(changed(word, MNI_SOLO_BEGINS), on ? MNI_SOLO_ON : 0) && on;
}

void mni_solo_look(struct mni_cpu *c, int64_t now) {
    struct mni_solo *s = &c->solo;
    if (mni_solo())
        return;
    const uint32_t comings = mni_foreign_comings();
    /* Relaxed: a hint. */
    bool calm = a32_load(&mni_rt->idlers) + 1 >= mni_rt->ncpus && mni_rt->membarrier && comings == s->comings &&
                !mni_foreign_present();
    s->comings = comings;
    if (s->since && (!calm || s->on)) {
        s->wait = now - s->since >= LONG_NS ? FIRST_NS : 2 * s->wait;
        s->since = 0;
        s->on = false;
    }
    if (!calm)
        return;
    if (s->since == 0)
        s->since = now;
    s->wait = s->wait < FIRST_NS ? FIRST_NS : s->wait < MOST_NS ? s->wait : MOST_NS;
    if (now - s->since < s->wait && !mni_shakes())
        return;
    if (begin(c)) {
        s->on = true;
        mni_count(c, solos, 1);
    }
}

void mni_solo_told(void) {
    uint32_t word = a32_load(&mni_solo_word);
    if (word & MNI_SOLO_ENDS) /* not if it has ended, and begun again */
        change(word, 0);
}

void mni_solo_idle(void) {
    if (mni_rt->ncpus == 1)
        return;
    for (uint32_t word; (word = a32_load(&mni_solo_word)) & (MNI_SOLO_ON | MNI_SOLO_ENDS);)
        change(word, 0);
}

bool mni_solo_elsewhere(void) {
    return mni_rt->ncpus > 1 && !mni_solo_over();
}

/* The owner is outside; it is told.  False also while there is no runtime any more: who ends it has changed the
 * word. */
static bool owner_outside(void) {
    MNI_KEEP_OR(false);
    const struct mni_cpu *c = mni_rt->cpus[a32_load(&owner)];
    mni_tell(c);
    return !mni_in_motion(c);
}

/* In its loop, which it leaves by full operations, after which it sees the word. */
static bool owner_sleeps(void) {
    MNI_KEEP_OR(false);
    const struct mni_cpu *c = mni_rt->cpus[a32_load(&owner)];
    /* Acquire: pairs with the operation that stored it, since which `inside` is 1 but for the sleep. */
    return a32_load_acquire(&c->remote.idle) && !mni_in_motion(c);
}

/* Until it is over, as far as `word` says. */
static void wait_for_owner(uint32_t word) {
    if (owner_sleeps()) {
        change(word, 0);
        return;
    }
    owner_outside();
    for (int i = 0; i < ANSWERS; i++) {
        if (a32_load(&mni_solo_word) != word)
            return;
        cpu_relax();
    }
    mni_heavy_barrier();
    for (int i = 0; a32_load(&mni_solo_word) == word && !owner_outside(); i++) {
        if (i < SPINS)
            cpu_relax();
        else
            usleep(NAP_US);
    }
    change(word, 0); /* unless somebody has */
}

void mni_solo_end(void) {
    /* Acquire: as in mni_solo_over. */
    for (uint32_t word; (word = a32_load_acquire(&mni_solo_word)) & MNI_SOLO_STATE;) {
        if (word & MNI_SOLO_ENDS)
            wait_for_owner(word);
        else
            change(word, word & MNI_SOLO_ON ? MNI_SOLO_ENDS : 0);
    }
}

bool mni_solo_visit(void) {
    a32_swap_full(&visitor, 1); /* full: before the look at the word; see above */
    if (mni_solo_over())
        return true;
    mni_solo_visited();
    return false;
}

void mni_solo_visited(void) {
    a32_store_release(&visitor, 0); /* pairs with alone() */
}

#ifdef OD_LOCK_RANKS
/* As a runtime starts or ends there is one LWP. */
void mni_solo_check(void) {
    if (!mni_worker_self() && !mni_foreign_here() && !a32_load(&visitor) && mn_workers())
        panic("an LWP that is not present touches what workers do", 0);
}
#endif
