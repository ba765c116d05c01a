/*
 * spinwait: whether it pays to look at a word a little longer before sleeping on it.
 *
 * A wake-up through the kernel costs both sides microseconds; a partner that runs on another CPU often
 * changes the word within a fraction of one.  But where the partner waits for this very CPU, every spin is
 * lost time.  Which of the two it is shows in what happened lately: each thread keeps a record per kind of
 * object (the struct is the user's initial-exec __thread variable).  After three spins in vain it tries
 * again once in RETRY waits only, so that the worst case costs about one part in RETRY of a microsecond per
 * sleep, and a change of the load is noticed.
 *
 * What makes up for a spin in vain?  Where spins are short, one that pays: it saves some times what the other
 * cost.  A long one costs as much as a sleep and a wake-up, and on CPUs that others keep busy half of them may
 * be in vain for ever, without three in a row: there two must pay for each that did not.  But a retry that pays
 * begins a new record: of two threads that wait for each other in turn and sleep, both must look at the same
 * time to get out of it.
 */
#ifndef THR_SPINWAIT_H
#define THR_SPINWAIT_H

#include "atomic.h"
#include "cpu.h"
#include "cpus.h"

struct spinwait {
    uint8_t vain;  /* up by MISS with each spin in vain, down with each that paid; at most LIMIT */
    uint8_t waits; /* waits since the last spin, when it is at LIMIT */
};

enum { SPINWAIT_MISS = 2, SPINWAIT_LIMIT = 3 * SPINWAIT_MISS, SPINWAIT_RETRY = 128 };
enum { SPINWAIT_LOOKS = 40, SPINWAIT_EVENT_LOOKS = 400 };
enum { SPINWAIT_SHORT = SPINWAIT_LIMIT, SPINWAIT_LONG = 1 }; /* what one that paid takes off */

static inline bool spinwait_worth(struct spinwait *s) {
    if (a32_load(&thr_cpus) < 2) /* relaxed: a hint */
        return false;
    if (s->vain < SPINWAIT_LIMIT)
        return true;
    if (++s->waits < SPINWAIT_RETRY)
        return false;
    s->waits = 0;
    return true;
}

/* `worth`: SPINWAIT_SHORT or SPINWAIT_LONG. */
static inline void spinwait_record(struct spinwait *s, bool hit, uint8_t worth) {
    if (!hit)
        s->vain = s->vain + SPINWAIT_MISS < SPINWAIT_LIMIT ? s->vain + SPINWAIT_MISS : SPINWAIT_LIMIT;
    else
        s->vain = s->vain > worth && s->vain < SPINWAIT_LIMIT ? s->vain - worth : 0;
}

/* Looks at the word so many times while it is `value`; whether it changed. */
static inline bool spinwait_looks(struct spinwait *s, const uint32_t *word, uint32_t value, int looks,
                                  uint8_t worth) {
    if (!spinwait_worth(s))
        return false;
    for (int i = 0; i < looks; i++) {
        if (a32_load(word) != value) { /* relaxed: the caller looks again with the order that it needs */
            spinwait_record(s, true, worth);
            return true;
        }
        cpu_relax();
    }
    spinwait_record(s, false, worth);
    return false;
}

/* For others who will come soon or not for long: about a microsecond. */
static inline bool spinwait_changed(struct spinwait *s, const uint32_t *word, uint32_t value) {
    return spinwait_looks(s, word, value, SPINWAIT_LOOKS, SPINWAIT_SHORT);
}

/*
 * For an event that another thread will bring about: about 10 us, what a sleep and a wake-up cost both sides
 * (20 us where the other CPU of a virtual machine has gone idle).  With less, two threads that wait for each
 * other in turn fall into a rhythm in which each sleeps because the other does.
 */
static inline bool spinwait_event(struct spinwait *s, const uint32_t *word, uint32_t value) {
    return spinwait_looks(s, word, value, SPINWAIT_EVENT_LOOKS, SPINWAIT_LONG);
}

#endif
