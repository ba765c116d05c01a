/* nap: how sysmon waits between two looks; see nap.c. */
#ifndef MNI_NAP_H
#define MNI_NAP_H

#include <stdbool.h>
#include <stdint.h>

#include "atomic.h"

#define MNI_NAP_NEVER ((uint64_t)INT64_MAX)

/* The nap is to be put off by the first worker that comes round at that time or later.  Atomic. */
extern uint64_t mni_nap_again __attribute__((visibility("hidden")));
void mni_nap_put_off(int64_t now);

/* A worker comes round: what it runs gives way, or is alone. */
static inline void mni_come_round(int64_t now) {
    /* Relaxed: see mni_nap_put_off. */
    if (__builtin_expect((uint64_t)now >= a64_load(&mni_nap_again), 0))
        mni_nap_put_off(now);
}

/* The usual length in ns.  The end: when no worker runs any more. */
void mni_nap_start(int64_t length);
void mni_nap_end(void);

/* By sysmon: until that time; workers may put that off, to the limit.  NOT: there is no alarm. */
enum mni_nap { MNI_NAP_NOT, MNI_NAP_TAKEN, MNI_NAP_PUT_OFF };
enum mni_nap mni_nap(int64_t now, int64_t until, int64_t limit);

/* By anyone: a nap ends at once, or, if a worker puts it off just now, soon. */
void mni_nap_ring(void);

#endif
