/* timekeeper: what expires on a cpu, and who looks at the timers of those that sleep; see timekeeper.c. */
#ifndef MNI_TIMEKEEPER_H
#define MNI_TIMEKEEPER_H

#include "enter.h"

enum { MNI_LEAVE_NS = 500000 }; /* who leaves its timers to the timekeeper sleeps for so long */

/* Expires what is due: the cpu's own timers, and those of sleepers if it keeps time. */
void mni_run_timers(struct mni_cpu *c, int64_t now);

/* The first of these timers; never later than it, and at times too early. */
int64_t mni_first_timer(struct mni_cpu *c);

/*
 * It is about to sleep, and may be late: until when its timers can wait; 0: they are few, so they cannot.
 * Contexts: the cpu's owner, idle.
 */
int64_t mni_timers_wait(struct mni_cpu *c, int64_t now);

/* The cpu looks at the timers of those that sleep. */
bool mni_keeps_time(const struct mni_cpu *c);

/* It has slept, and nobody woke it. */
void mni_timekeeper_check(const struct mni_cpu *c);

#endif
