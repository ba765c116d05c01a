/*
 * spinwait: whether it pays to look at a word a little longer before sleeping on it.
 *
 * A wake-up through the kernel costs both sides microseconds; a partner that runs on another CPU often
 * changes the word within a fraction of one.  But where the partner waits for this very CPU, every spin is
 * lost time.  Which of the two it is shows in what happened lately: each thread keeps a record per kind of
 * object (the struct is the user's initial-exec __thread variable).  After MISSES spins in vain it tries
 * again once in RETRY waits only, so that the worst case costs about one part in RETRY of a microsecond per
 * sleep, and a change of the load is noticed.
 */
#ifndef THR_SPINWAIT_H
#define THR_SPINWAIT_H

#include "atomic.h"
#include "cpu.h"
#include "cpus.h"

struct spinwait {
    uint8_t misses; /* spins in vain in a row, at most MISSES */
    uint8_t waits;  /* waits since the last spin, when misses are at the limit */
};

enum { SPINWAIT_MISSES = 3, SPINWAIT_RETRY = 128, SPINWAIT_LOOKS = 40, SPINWAIT_EVENT_LOOKS = 400 };

static inline bool spinwait_worth(struct spinwait *s) {
    if (a32_load(&thr_cpus) < 2) /* relaxed: a hint */
        return false;
    if (s->misses < SPINWAIT_MISSES)
        return true;
    if (++s->waits < SPINWAIT_RETRY)
        return false;
    s->waits = 0;
    return true;
}

static inline void spinwait_record(struct spinwait *s, bool hit) {
    if (hit)
        s->misses = 0;
    else if (s->misses < SPINWAIT_MISSES)
        s->misses++;
}

/* Looks at the word so many times while it is `value`; whether it changed. */
static inline bool spinwait_looks(struct spinwait *s, const uint32_t *word, uint32_t value, int looks) {
    if (!spinwait_worth(s))
        return false;
    for (int i = 0; i < looks; i++) {
        if (a32_load(word) != value) { /* relaxed: the caller looks again with the order that it needs */
            spinwait_record(s, true);
            return true;
        }
        cpu_relax();
    }
    spinwait_record(s, false);
    return false;
}

/* For others who will come soon or not for long: about a microsecond. */
static inline bool spinwait_changed(struct spinwait *s, const uint32_t *word, uint32_t value) {
    return spinwait_looks(s, word, value, SPINWAIT_LOOKS);
}

/*
 * For an event that another thread will bring about: about 10 us, what a sleep and a wake-up cost both sides
 * (20 us where the other CPU of a virtual machine has gone idle).  With less, two threads that wait for each
 * other in turn fall into a rhythm in which each sleeps because the other does.
 */
static inline bool spinwait_event(struct spinwait *s, const uint32_t *word, uint32_t value) {
    return spinwait_looks(s, word, value, SPINWAIT_EVENT_LOOKS);
}

#endif
