/*
 * The lock word of a mutex: how a thread gets it when somebody else has it.
 *
 * Guarantee: who sleeps is woken when the mutex is free and nobody awake is about to take it; the mutex is not
 * touched after the store that frees it; a thread spins at most about a microsecond in a row; the more patient
 * sleeper is not overtaken for ever.
 *
 * A process-shared word is glibc's: 0 free, 1 locked, 2 locked and somebody may sleep on the word.  Who waits
 * keeps away for a microsecond, as from short sections below, and then sleeps.  What follows is about private
 * words.
 *
 *   bit        set by                               cleared by
 *   LOCKED     whoever gets the mutex               its owner
 *   SLEEPERS   a thread that is about to sleep, or  the owner as it unlocks, when it takes on the
 *              that has slept and gets the mutex    duty to wake one
 *              (others may still sleep)
 *   SPINNER    one thread that spins while the      the same thread, in the step in which it gets the mutex or
 *              mutex is locked and others sleep     turns to sleep (then setting SLEEPERS)
 *
 * Sleepers sleep on `wakes`, not on the word, so that the others' bits do not disturb them.  The owner changes
 * it with each wake-up:
 *
 *   sleeper: read wakes (acquire); see LOCKED and SLEEPERS, or set SLEEPERS, in the word; sleep while wakes is
 *            the same
 *   owner:   clear SLEEPERS; add one to wakes (release); free the word; wake one
 *
 * A sleeper that read wakes before the addition does not sleep past it.  One that read it after the addition
 * cannot have seen the SLEEPERS that was cleared before: it saw, or made, a new one.  So the owner frees the
 * word only while SLEEPERS is clear, or else begins again: a free word with SLEEPERS, and neither SPINNER nor
 * anybody awake who knows of it, is the state that must not be.  (tests/model/mutex_word.pml; an earlier design
 * kept such a SLEEPERS for the next unlock, and the model found that there need not be one.)
 *
 * Why not only wake, as glibc does: with sections of a few hundred nanoseconds a sleep and a wake-up cost many
 * times what there is to wait for.  Why not only spin: a spinner takes the cache line away from the owner.
 * With nearly empty sections the owner alone gets through dozens of them in the time of one transfer, and each
 * hand-over makes everybody slower (measured: 1.2 to 3 times slower than glibc).  So a mutex learns how long it
 * is held, and a thread waits accordingly:
 *
 *   held for          waits by
 *   under SHORT_NS    keeping away: looks again after AWAY_SHORT_NS, a few times; then sleeps
 *   up to LONG_NS     keeping away for AWAY_NS, then looking all the time; fewer threads of the process than
 *                     there are CPUs.  If others sleep, SPINNER says so, and unlock wakes nobody
 *   longer            sleeping at once
 *
 * The time is measured by a thread that got the mutex after waiting, every SAMPLE_EVERY-th time: it sets
 * MUTEX_SAMPLED in `kind`, which keeps its unlock off the fast path and costs other unlocks nothing.  `stat`
 * has the running average in bits 0-15 (0: not known; spin) and a count of such acquisitions in bits 16-31.
 *
 * Fairness: while two threads hand the mutex to each other by spinning nobody is woken.  So when TURN_EVERY
 * threads have waited for it, unlock wakes a sleeper all the same; that thread may spin beside the SPINNER, and
 * whoever comes back next finds the spinner's place taken and goes to sleep in its stead.
 *
 * fork: the child has none of the threads that spun, and a SPINNER that one of them left would keep its unlocks
 * from waking anybody.  `epoch` counts the forks between this process and its first ancestor.  Whoever is about
 * to wait for a mutex of another epoch, or to send others to wait for it, clears SPINNER first.  Two threads
 * may do so at once, the later taking away a SPINNER that is true: then an unlock wakes a sleeper that it could
 * have spared.  A SLEEPERS that was left costs one wake-up.
 *
 * Limits: a spinner that is preempted keeps sleepers waiting until it runs again.  The number of CPUs is asked
 * for at start and then now and then by threads that sleep; a thread that is bound to one CPU does not spin.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "mutex.h"

#include "cpu.h"
#include "cpus.h"
#include "pause.h"
#include "umtx.h"

/* To be tuned together: doc/design/mutex.md has what was tried. */
enum {
    SHORT_NS = 150,
    LONG_NS = 3000,
    AWAY_SHORT_NS = 300, /* short sections: between two looks at the word, */
    AWAY_TIMES = 3,      /* and how many */
    AWAY_NS = 600,       /* longer ones: before the first look */
    SPIN_NS = 1000,
    POLL_NS = 40, /* then between two looks */
    SAMPLE_EVERY = 8,
    TURN_EVERY = 256,
    AVERAGE_OVER = 8,
    HELD_MAX_NS = 8000, /* longer counts as this: a preempted owner tells nothing about the section */
    CPUS_EVERY = 64,    /* sleeps of one thread between two looks at its affinity */
};

/* Threads that spin, on all mutexes: never as many as there are CPUs, since somebody has to unlock. */
static struct {
    uint32_t n;
} spinners __attribute__((aligned(64)));

/* ---- learning */

static uint32_t held_ns(const struct mutex *m) {
    return a32_load(&m->stat) & 0xffff; /* relaxed: a hint */
}

static uint32_t turn(const struct mutex *m) {
    return a32_load(&m->stat) >> 16; /* relaxed: a hint */
}

/* The mutex has just been got, not at once: counts it, and now and then starts the clock. */
static void note_wait(struct mutex *m) {
    uint32_t stat = a32_load(&m->stat) + 0x10000;
    a32_store(&m->stat, stat); /* relaxed: only the owner writes */
    if ((stat & 0xffff) == 0 || (stat >> 16) % SAMPLE_EVERY == 0) {
        m->since = (uint32_t)cpu_ticks();
        a32_store(&m->kind, a32_load(&m->kind) | MUTEX_SAMPLED); /* relaxed: only the owner acts upon it */
    }
}

void mutex_word_sample(struct mutex *m) {
    uint32_t passed = (uint32_t)cpu_ticks() - m->since;
    a32_store(&m->kind, a32_load(&m->kind) & ~(uint32_t)MUTEX_SAMPLED); /* relaxed: as note_wait */
    int held = HELD_MAX_NS;
    if (passed < pause_ticks(HELD_MAX_NS))
        held = (int)((uint64_t)passed * HELD_MAX_NS / pause_ticks(HELD_MAX_NS));
    uint32_t stat = a32_load(&m->stat);
    int average = (int)(stat & 0xffff);
    average = average == 0 ? held : average + (held - average) / AVERAGE_OVER;
    if (average == 0)
        average = 1;
    a32_store(&m->stat, (stat & 0xffff0000) | (uint32_t)average); /* relaxed: only the owner writes */
}

/* ---- fork */

static uint32_t epoch; /* written in a fork's child, while it has one thread */

void mutex_reset_in_child(void) {
    epoch++;
    a32_store(&spinners.n, 0); /* relaxed: one thread */
}

static __attribute__((noinline, cold)) void forget_spinner(struct mutex *m) {
    uint32_t w = a32_load(&m->word);
    while (w & WORD_SPINNER) {
        /* full: before the epoch */
        uint32_t seen = a32_fetch_cas_full(&m->word, w, w & ~(uint32_t)WORD_SPINNER);
        if (seen == w)
            break;
        w = seen;
    }
    a32_store_release(&m->epoch, epoch); /* release: pairs with the acquire in check_epoch */
}

static void check_epoch(struct mutex *m) {
    if (unlikely(a32_load_acquire(&m->epoch) != epoch)) /* acquire: pairs with the release in forget_spinner */
        forget_spinner(m);
}

/* ---- getting the word */

/* Takes a free word; `set` and `clear` are other bits to change in the same step.  False: it is locked. */
static bool take(struct mutex *m, uint32_t set, uint32_t clear) {
    uint32_t w = a32_load(&m->word);
    while (!(w & WORD_LOCKED)) {
        uint32_t seen = a32_fetch_cas_acquire(&m->word, w, (w & ~clear) | WORD_LOCKED | set);
        if (seen == w) /* acquire: pairs with every release of the word */
            return true;
        w = seen;
    }
    return false;
}

/* Nearly empty sections: the owner is left alone for a while, then found unlocked about half of the time. */
static bool keep_away(struct mutex *m, uint32_t set) {
    for (int i = 0; i < AWAY_TIMES; i++) {
        pause_ns(AWAY_SHORT_NS);
        if (take(m, set, 0))
            return true;
    }
    return false;
}

/*
 * Takes the spinner's place if there are sleepers; without any nobody needs to know.
 * 1: took it; 0: no need; -1: got the mutex; -2: the place is taken.
 */
static int be_spinner(struct mutex *m, uint32_t set) {
    uint32_t w = a32_load(&m->word);
    for (;;) {
        if (!(w & WORD_LOCKED)) {
            if (take(m, set, 0))
                return -1;
            w = a32_load(&m->word);
            continue;
        }
        if (w & WORD_SPINNER)
            return -2;
        if (!(w & WORD_SLEEPERS) && !set)
            return 0;
        /* full: no pair, it publishes nothing.  Who sleeps relies on SLEEPERS, which is set along */
        uint32_t seen = a32_fetch_cas_full(&m->word, w, w | WORD_SPINNER | set);
        if (seen == w)
            return 1;
        w = seen;
    }
}

/* Gives up the spinner's place in an orderly way: with the mutex, or about to sleep.  True: got it. */
static bool stop_spinning(struct mutex *m, uint32_t set) {
    uint32_t w = a32_load(&m->word);
    for (;;) {
        uint32_t new = w & ~(uint32_t)WORD_SPINNER;
        new |= w & WORD_LOCKED ? (uint32_t)WORD_SLEEPERS : WORD_LOCKED | set;
        /* full, of which acquire: pairs with every release of the word */
        uint32_t seen = a32_fetch_cas_full(&m->word, w, new);
        if (seen == w)
            return !(w & WORD_LOCKED);
        w = seen;
    }
}

/* A woken thread spins also beside another, and at once: see Fairness. */
static bool spin(struct mutex *m, uint32_t set, bool woken) {
    int place = be_spinner(m, set);
    if (place == -1)
        return true;
    if (place == -2 && !woken)
        return false;
    bool mine = place == 1;
    uint64_t begin = cpu_ticks(), length = pause_ticks(SPIN_NS);
    if (!woken)
        pause_ns(AWAY_NS); /* each look disturbs the owner, which may as well have it a few times in a row */
    do {
        if (take(m, set, mine ? WORD_SPINNER : 0))
            return true;
        pause_ns(POLL_NS);
    } while (cpu_ticks() - begin < length);
    return mine && stop_spinning(m, set);
}

/* Waits without sleeping, as the mutex's history recommends.  True: got it. */
static bool wait_awake(struct mutex *m, uint32_t set, bool woken) {
    if (take(m, set, 0))
        return true;
    uint32_t held = held_ns(m), n = a32_load(&thr_cpus); /* relaxed: a hint */
    if (n < 2 || held > LONG_NS)
        return false;
    if (held != 0 && held < SHORT_NS)
        return keep_away(m, set);
    /* Relaxed: a limit that may be off by a few for a moment. */
    if (a32_load(&spinners.n) >= (woken ? n : n - 1))
        return false;
    a32_add(&spinners.n, 1);
    bool got = spin(m, set, woken);
    a32_add(&spinners.n, (uint32_t)-1);
    return got;
}

static __thread uint32_t sleeps __attribute__((tls_model("initial-exec")));

static int wait_private(struct mutex *m, const struct timespec *deadline, clockid_t clock, bool sleepers) {
    uint32_t set = sleepers ? WORD_SLEEPERS : 0;
    check_epoch(m);
    while (!wait_awake(m, set, set != 0)) {
        uint32_t wakes = a32_load_acquire(&m->wakes); /* acquire: pairs with the release in mutex_word_wake */
        uint32_t w = a32_load(&m->word);
        while ((w & (WORD_LOCKED | WORD_SLEEPERS)) != (WORD_LOCKED | WORD_SLEEPERS)) {
            uint32_t new = w & WORD_LOCKED ? w | WORD_SLEEPERS : w | WORD_LOCKED | set;
            /* full: acquire if this gets the mutex; and the load of wakes must not move below it */
            uint32_t seen = a32_fetch_cas_full(&m->word, w, new);
            if (seen != w) {
                w = seen;
                continue;
            }
            if (!(w & WORD_LOCKED))
                goto got;
            break;
        }
        if (sleeps++ % CPUS_EVERY == 0)
            cpus_count();
        int r = umtx_wait(&m->wakes, wakes, deadline, clock, UMTX_PRIVATE);
        if (r == -ETIMEDOUT || r == -EINVAL)
            return r; /* it has not consumed a wake-up */
        set = WORD_SLEEPERS;
    }
got:
    note_wait(m);
    return 0;
}

/* ---- process-shared: glibc's protocol */

enum { SHARED_FREE = 0, SHARED_SLEEPERS = 2 };

static bool take_shared(struct mutex *m) {
    /* Acquire: pairs with every release of the word. */
    return a32_load(&m->word) == SHARED_FREE && a32_cas_acquire(&m->word, SHARED_FREE, WORD_LOCKED);
}

/* Whoever else waits or unlocks may be on the libc: there is nothing to learn from, or to tell them. */
static bool wait_shared_awake(struct mutex *m) {
    if (a32_load(&thr_cpus) < 2)
        return false;
    if ((a32_load(&m->kind) & MUTEX_TYPE) == PTHREAD_MUTEX_ADAPTIVE_NP) {
        uint64_t begin = cpu_ticks(), length = pause_ticks(SPIN_NS);
        do {
            if (take_shared(m))
                return true;
            pause_ns(POLL_NS);
        } while (cpu_ticks() - begin < length);
    }
    for (int i = 0; i < AWAY_TIMES; i++) {
        pause_ns(AWAY_SHORT_NS);
        if (take_shared(m))
            return true;
    }
    return false;
}

static int wait_shared(struct mutex *m, const struct timespec *deadline, clockid_t clock) {
    if (wait_shared_awake(m))
        return 0;
    /* Full, of which acquire: as take_shared. */
    while (a32_swap_full(&m->word, SHARED_SLEEPERS) != SHARED_FREE) {
        int r = umtx_wait(&m->word, SHARED_SLEEPERS, deadline, clock, UMTX_SHARED);
        if (r == -ETIMEDOUT || r == -EINVAL)
            return r;
    }
    return 0;
}

int mutex_word_wait(struct mutex *m, const struct timespec *deadline, clockid_t clock, bool sleepers) {
    if (mutex_is_shared(m))
        return wait_shared(m, deadline, clock);
    if (!sleepers && take(m, 0, 0)) /* free but for other bits: no wait, and not counted as one */
        return 0;
    return wait_private(m, deadline, clock, sleepers);
}

/* ---- letting it go */

void mutex_word_wake(struct mutex *m) {
    if (mutex_is_shared(m)) {
        /* Full, of which release: pairs with whoever gets the mutex. */
        if (a32_swap_full(&m->word, SHARED_FREE) == SHARED_SLEEPERS)
            umtx_wake(&m->word, 1, UMTX_SHARED);
        return;
    }
    bool wake = false;
    uint32_t w = a32_load(&m->word);
    for (;;) {
        if (!(w & WORD_LOCKED))
            return; /* unlock of a mutex that is not locked: undefined, as harmless as may be */
        bool duty = w & WORD_SLEEPERS && (!(w & WORD_SPINNER) || (!wake && turn(m) % TURN_EVERY == 0));
        uint32_t new = w & ~(uint32_t)(duty ? WORD_SLEEPERS : WORD_LOCKED);
        uint32_t seen = a32_fetch_cas_full(&m->word, w, new); /* full, of which release: as above */
        if (seen != w) {
            w = seen;
            continue;
        }
        if (!duty)
            break; /* free: the mutex may be gone */
        a32_store_release(&m->wakes, a32_load(&m->wakes) + 1); /* release: pairs with wait_private's acquire */
        wake = true;
        w = new;
    }
    if (wake)
        umtx_wake(&m->wakes, 1, UMTX_PRIVATE); /* only its address */
}

void mutex_word_expect(struct mutex *m) {
    check_epoch(m);
    uint32_t w = a32_load(&m->word);
    while (!(w & WORD_SLEEPERS)) {
        uint32_t seen = a32_fetch_cas_full(&m->word, w, w | WORD_SLEEPERS); /* full: before the requeue */
        if (seen == w)
            return;
        w = seen;
    }
}
