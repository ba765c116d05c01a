/*
 * Mutexes with a priority ceiling (PTHREAD_PRIO_PROTECT): the lock word.
 *
 * The word is the libc's, also in a private mutex, so that a process on the plain libc can be at the other end:
 *
 *   bits 0-18    0 free, 1 locked, 2 locked and somebody may sleep on the word
 *   bits 19-31   the ceiling
 *
 * What a ceiling does to a thread, and why that comes before the word is taken and after it is free, is told in
 * ceiling.c.  Here is what it means that the ceiling may change at any time.
 *
 * Guarantee: no thread owns the mutex under another ceiling than the mutex has.  A thread raises itself to the
 * ceiling that it read, then takes the word only while that is its ceiling; if not, it goes over to the new
 * one, or is refused, and tries again.
 *
 * Guarantee: nobody sleeps while the mutex is free.  The three states are the usual ones: who has slept takes
 * the word as 2, since others may still sleep; an unlock that finds 2 wakes one.  That one is then answerable
 * for the others, and it is as long as it goes on to take the word or to sleep, either of which leaves a 2.
 * But a new ceiling may turn it away (EINVAL, EPERM).  If setprioceiling took the mutex, stored the ceiling and
 * did as unlock does, a wake-up would be lost:
 *
 *   A and B sleep; an unlock frees the word and wakes A;
 *   C, in setprioceiling, takes the free word as 1, stores a new ceiling and a free word, and wakes nobody;
 *   A finds that its priority is above the new ceiling: EINVAL; B sleeps, and the mutex is free.
 *
 * So setprioceiling wakes all sleepers, whatever the state says.  They have to look at the ceiling anew anyway.
 * (tests/model/mutex_protect.c)
 *
 * A condition wait has to end with the mutex, or its caller would unlock what another owns.  If the thread may
 * not have the ceiling any more, it takes the mutex without, and the wait returns the error.
 *
 * Limits: nobody spins, since an owner that waits for a CPU is what all this is about.  Who waits has the
 * ceiling's priority, like all the others; they are woken first come first served, and one that comes at the
 * right moment may still get the mutex before them.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "mutex.h"

#include "ceiling.h"
#include "umtx.h"

enum {
    FREE = 0,
    LOCKED = 1,
    SLEEPERS = 2,
    CEILING_SHIFT = 19,
};
#define STATE ((UINT32_C(1) << CEILING_SHIFT) - 1)

static int ceiling_of(uint32_t w) {
    return (int)(w >> CEILING_SHIFT);
}

static uint32_t word_of(int ceiling, uint32_t state) {
    return (uint32_t)ceiling << CEILING_SHIFT | state;
}

static int umtx_flags(const struct mutex *m) {
    return mutex_is_shared(m) ? UMTX_SHARED : UMTX_PRIVATE;
}

/* Gives the word, of a mutex that the caller has locked, the state or the ceiling of another; returns what it
 * was. */
static uint32_t replace(struct mutex *m, uint32_t mask, uint32_t bits) {
    uint32_t w = a32_load(&m->word);
    for (;;) {
        /* full, of which release: pairs with the acquire of who takes it */
        uint32_t seen = a32_fetch_cas_full(&m->word, w, (w & ~mask) | bits);
        if (seen == w)
            return w;
        w = seen;
    }
}

/*
 * Takes the word while it has this ceiling.  `state` is what to take it as, and becomes SLEEPERS once the
 * caller has slept.  1: got it; 0: it has another ceiling; -ETIMEDOUT, or -EINVAL for the deadline.
 */
static int take(struct mutex *m, int ceiling, uint32_t *state, const struct timespec *deadline,
                clockid_t clock) {
    uint32_t w = a32_load(&m->word);
    while (ceiling_of(w) == ceiling) {
        uint32_t want = word_of(ceiling, (w & STATE) == FREE ? *state : SLEEPERS);
        if (w != want) {
            /* full, of which acquire: pairs with every release of the word */
            uint32_t seen = a32_fetch_cas_full(&m->word, w, want);
            if (seen != w) {
                w = seen;
                continue;
            }
            if ((w & STATE) == FREE)
                return 1;
        }
        int r = umtx_wait(&m->word, want, deadline, clock, umtx_flags(m));
        if (r == -ETIMEDOUT || r == -EINVAL)
            return r; /* it has not consumed a wake-up */
        *state = SLEEPERS;
        w = a32_load(&m->word);
    }
    return 0;
}

int mutex_protect_lock(struct mutex *m, const struct timespec *deadline, clockid_t clock) {
    uint32_t state = LOCKED;
    for (int from = 0;;) {
        int ceiling = ceiling_of(a32_load(&m->word)); /* relaxed: take() compares */
        int r = ceiling != 0 ? ceiling_change(from, ceiling, true) : -EINVAL;
        if (r == 0) {
            from = ceiling;
            r = take(m, ceiling, &state, deadline, clock);
        }
        if (r > 0)
            return 0;
        if (r < 0) {
            ceiling_change(from, 0, false);
            return r;
        }
    }
}

/* Takes the word and leaves the thread as it is. */
static int take_plainly(struct mutex *m) {
    uint32_t state = LOCKED;
    for (;;) {
        int ceiling = ceiling_of(a32_load(&m->word)); /* relaxed: take() compares */
        if (take(m, ceiling, &state, NULL, CLOCK_REALTIME) > 0)
            return ceiling;
    }
}

int mutex_protect_lock_waited(struct mutex *m) {
    int err = mutex_protect_lock(m, NULL, CLOCK_REALTIME);
    if (err < 0)
        take_plainly(m);
    return err;
}

int mutex_protect_try(struct mutex *m) {
    uint32_t w = a32_load(&m->word);
    int from = 0, err;
    for (;;) {
        err = (w & STATE) != FREE ? -EBUSY : -EINVAL;
        if (err == -EINVAL && ceiling_of(w) != 0)
            err = ceiling_change(from, ceiling_of(w), true);
        if (err < 0)
            break;
        from = ceiling_of(w);
        uint32_t seen = a32_fetch_cas_acquire(&m->word, w, w | LOCKED); /* acquire: pairs with every release */
        if (seen == w)
            return 0;
        w = seen;
    }
    ceiling_change(from, 0, false);
    return err;
}

int mutex_protect_drop(struct mutex *m) {
    int flags = umtx_flags(m);
    uint32_t w = replace(m, STATE, FREE); /* from here the mutex may be gone */
    if ((w & STATE) == SLEEPERS)
        umtx_wake(&m->word, 1, flags);
    return ceiling_change(ceiling_of(w), 0, false);
}

/* ---- the ceiling */

void mutex_protect_init(struct mutex *m, int ceiling) {
    m->word = word_of(ceiling, FREE);
}

int mutex_protect_ceiling(const struct mutex *m) {
    return ceiling_of(a32_load(&m->word)); /* relaxed: it may change at any time */
}

int mutex_protect_set_ceiling(struct mutex *m, int ceiling, bool held) {
    int was = held ? mutex_protect_ceiling(m) : take_plainly(m);
    int err = held ? ceiling_change(was, ceiling, false) : 0;
    if (err < 0)
        return err;
    int flags = umtx_flags(m);
    replace(m, held ? ~STATE : ~UINT32_C(0), word_of(ceiling, FREE));
    umtx_wake(&m->word, UMTX_WAKE_ALL, flags);
    return was;
}
