/*
 * timer: the timers of one CPU.
 *
 * A timer's record lies in what it belongs to (a thread's descriptor), so setting one allocates nothing and cannot fail.
 * Every operation takes the queue's lock: the owner CPU's nearly always, another CPU's when a thread that waits with a
 * deadline was woken there.  A timer that was removed is not touched again, and may be set anew at once, on any CPU.
 */
#ifndef MNI_TIMER_H
#define MNI_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "list.h"
#include "olock.h"

struct mni_timer {
    struct list link; /* next == NULL: not set */
    int64_t deadline; /* MN time */
    struct mni_timers *queue;
};

struct mni_timers;

/* Bytes of a queue; makes one in zeroed memory of that size. */
size_t mni_timers_size(void);
void mni_timers_init(struct mni_timers *q, int64_t now);

/* Sets a timer that is not set.  A deadline in the past is due at once. */
void mni_timer_set(struct mni_timers *q, struct mni_timer *t, int64_t deadline);

/* Removes it from its queue: false when it has expired (or was never set).  The caller may be on any CPU. */
bool mni_timer_remove(struct mni_timer *t);

/*
 * Takes out what is due at `now`, in order of deadlines as far as the resolution (about 1 us) goes, and calls expire() for
 * each, without the lock.  At most `most` of them; returns how many.  expire() may set and remove timers.
 */
int mni_timers_run(struct mni_timers *q, int64_t now, int most, void (*expire)(struct mni_timer *t, void *arg), void *arg);

/* The time before which nothing expires, MN_FOREVER when there is none.  Without the lock: a recent value. */
int64_t mni_timers_next(const struct mni_timers *q);

#endif
