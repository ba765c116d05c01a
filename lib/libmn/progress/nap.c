/*
 * nap: how sysmon waits between two looks while workers are busy.
 *
 * Guarantee: a worker that does not come round (through its scheduler's housekeeping) any more is looked at
 * within a nap's length; while all that are awake do, sysmon sleeps.
 *
 * The naive way is to look every so often.  That is 1,100 times a second two switches for a worker that shares
 * its CPU with sysmon: 1.7 % of its time, and what it had in its caches (doc/design/mn-progress.md).
 *
 * Design.  sysmon waits for an alarm.  A worker that comes round puts it off, at most once in PART of its
 * length, which is a system call of 1 to 3 us but no switch.  It does so only if every cpu whose worker is
 * awake has come round lately.  So:
 *
 *     t                   a worker comes round for the last time
 *     t + length / PART   the last time that another one may put off the alarm
 *     t + length + that   the alarm goes off, at the latest
 *
 * Whose turn it is to put it off is decided by a compare-and-swap of mni_nap_again.  If that one is preempted
 * before its system call, the alarm goes off as it was set, or, when it runs again, at once: sysmon then looks
 * once too often.  Never is it without a time; so nothing is lost if a ring (the end of the runtime) is
 * overwritten: it then ends with the alarm.
 *
 * Limits: the alarm is a descriptor.  Without one, or when the program has closed it, a nap is a plain wait
 * (sysmon.c).
 */
#include "progress/nap.h"

#include "alarm.h"
#include "runtime/runtime.h"

enum { PART = 2 };
#define NONE UINT32_MAX

uint64_t mni_nap_again = MNI_NAP_NEVER;

static struct {
    uint32_t alarm; /* descriptor; NONE: there is none; atomic */
    uint64_t length; /* relaxed: a worker that is ahead of the start sees 0, and sets off the alarm; atomic */
    uint64_t limit; /* later than that nobody puts it off; atomic */
} self = {.alarm = NONE};

void mni_nap_start(int64_t length) {
    int r = alarm_open();
    a32_store(&self.alarm, r < 0 ? NONE : (uint32_t)r);
    a64_store(&self.length, (uint64_t)length);
}

void mni_nap_end(void) {
    if (self.alarm != NONE)
        alarm_close((int)self.alarm);
    a32_store(&self.alarm, NONE);
    a64_store(&mni_nap_again, MNI_NAP_NEVER);
}

enum mni_nap mni_nap(int64_t now, int64_t until, int64_t limit) {
    int alarm = (int)self.alarm;
    if (self.alarm == NONE)
        return MNI_NAP_NOT;
    if (!alarm_set(alarm, until)) {
        a32_store(&self.alarm, NONE);
        return MNI_NAP_NOT;
    }
    /* Relaxed, as the next: whoever sees an old one looks too often, or too late by a nap. */
    a64_store(&self.limit, (uint64_t)limit);
    uint64_t again = limit > until ? (uint64_t)now + a64_load(&self.length) / PART : MNI_NAP_NEVER;
    a64_store(&mni_nap_again, again);
    alarm_wait(alarm);
    /* Full: as good as any; it also ends the putting off. */
    return a64_swap_full(&mni_nap_again, MNI_NAP_NEVER) == again ? MNI_NAP_TAKEN : MNI_NAP_PUT_OFF;
}

void mni_nap_ring(void) {
    uint32_t alarm = a32_load(&self.alarm);
    if (alarm != NONE)
        alarm_set((int)alarm, 1);
}

/* Relaxed loads: a worker that has just slept may seem to be late.  Then the alarm goes off. */
static bool all_come_round(const struct mni_runtime *rt, int64_t since) {
    for (unsigned i = 0; i < rt->ncpus; i++) {
        const struct mni_cpu *c = rt->cpus[i];
        if (!a32_load(&c->remote.idle) && (int64_t)a64_load((const uint64_t *)&c->now) < since)
            return false;
    }
    return true;
}

void mni_nap_put_off(int64_t now) {
    uint64_t again = a64_load(&mni_nap_again);
    int64_t length = (int64_t)a64_load(&self.length), part = length / PART, until = now + length;
    /* Only decides whose turn it is. */
    if ((uint64_t)now < again || !a64_cas_full(&mni_nap_again, again, (uint64_t)(now + part)))
        return;
    if (until < (int64_t)a64_load(&self.limit) && all_come_round(mni_rt, now - part))
        alarm_set((int)a32_load(&self.alarm), until);
}
