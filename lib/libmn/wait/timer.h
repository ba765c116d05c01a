/*
 * timer: the timers of one CPU.
 *
 * A timer's record lies in what it belongs to (a thread's descriptor), so setting one allocates nothing and
 * cannot fail.  Every operation takes the queue's lock: the owner CPU's nearly always, another CPU's when a
 * thread that waits with a deadline was woken there.  A timer that was removed is not touched again, and may be
 * set anew at once, on any CPU.  One that expired may be set anew by its expire(), or by whom that one woke;
 * anyone else removes it first.
 *
 * Timers expire at most 1.024 us after their deadline has passed, as far as mni_timers_run is called in time;
 * never before.
 */
#ifndef MNI_TIMER_H
#define MNI_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sync/olock.h"

struct mni_cpu;
struct mni_timers;

/* All-zero is a timer that is not set.  The links are the queue's affair; deadline may be read. */
struct mni_timer {
    struct mni_timer *next, **prev; /* prev == NULL: not in a queue */
    int64_t deadline;               /* MN time */
    struct mni_timers *queue;       /* where it was last set */
    /* NULL: a thread's (timekeeper.c); not the queue's affair. */
    void (*expire)(struct mni_cpu *c, struct mni_timer *t);
};

/* Bytes of a queue; makes one in zeroed memory of that size (most of it stays untouched until it is used). */
size_t mni_timers_size(void);
void mni_timers_init(struct mni_timers *q, int64_t now);

/* Sets a timer that is not set.  A deadline in the past is due at once (within the resolution). */
void mni_timer_set(struct mni_timers *q, struct mni_timer *t, int64_t deadline);

/*
 * Removes it from its queue: false when it has expired (or was never set); expire() has returned then.  The
 * caller may be on any CPU; it holds no lock that expire() takes, and is not the timer's own expire().
 */
bool mni_timer_remove(struct mni_timer *t);

/*
 * Takes out what is due at `now`, in order of deadlines as far as the resolution (1.024 us) goes, and calls
 * expire() for each, without the lock.  At most `most` of them; returns how many.  expire() may set timers, and
 * remove others.  The timer is not touched after expire(): its memory may be gone by then.  Only the CPU's
 * owner calls this.
 */
int mni_timers_run(struct mni_timers *q, int64_t now, int most, void (*expire)(struct mni_timer *t, void *arg),
                   void *arg);

/*
 * The same for another CPU's queue while its owner sleeps: as long as *asleep is not 0, which the owner makes 0
 * before it sets a timer again.  So a timer whose setter is not done yet (sched.h) is not taken: the setter
 * took the lock after that, and whoever has the lock after the setter sees the 0.  One at a time: 0 while
 * another is at it.
 */
int mni_timers_help(struct mni_timers *q, int64_t now, int most, const uint32_t *asleep,
                    void (*expire)(struct mni_timer *t, void *arg), void *arg);

/*
 * The time before which nothing expires, MN_FOREVER when there is none: a recent value, without the lock unless
 * the earliest was removed since.  Nearly always something does expire then; at times (a timer that was not the
 * first of a far slot and became it by removals) there is only work for mni_timers_run, which corrects the
 * value.  Any CPU.
 */
int64_t mni_timers_next(struct mni_timers *q);

/* The same for those who only look: never takes the lock, and may be too early. */
int64_t mni_timers_hint(const struct mni_timers *q);

/* Whether at least n will be due at that time, counting those once that have the same tick; it may say no
 * though it is so, where the time is beyond the lowest wheel.  Any CPU. */
bool mni_timers_crowd(struct mni_timers *q, int64_t until, int n);

/* How many are set.  Any CPU. */
uint64_t mni_timers_pending(const struct mni_timers *q);

#endif
