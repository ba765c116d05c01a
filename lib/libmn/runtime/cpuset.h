/* cpuset: a set of CPUs, by the operating system's numbers. */
#ifndef MNI_CPUSET_H
#define MNI_CPUSET_H

#include <stdbool.h>
#include <stdint.h>

enum { MNI_CPUS_MAX = 8192 }; /* what Linux can be built for */

struct mni_cpuset {
    uint64_t bits[MNI_CPUS_MAX / 64];
};

static inline bool mni_cpuset_has(const struct mni_cpuset *s, unsigned cpu) {
    return cpu < MNI_CPUS_MAX && (s->bits[cpu / 64] >> cpu % 64 & 1);
}
static inline void mni_cpuset_add(struct mni_cpuset *s, unsigned cpu) {
    s->bits[cpu / 64] |= (uint64_t)1 << cpu % 64;
}
unsigned mni_cpuset_count(const struct mni_cpuset *s);

/* Reads a list such as "0-3,8" into *s: 0; -EINVAL when it is not one, or names no CPU, or one beyond
 * MNI_CPUS_MAX. */
int mni_cpuset_parse(struct mni_cpuset *s, const char *list);

/* What the calling LWP may run on: 0 or a negative errno.  (os) */
int mni_cpuset_allowed(struct mni_cpuset *s);

/* Lets an LWP (0: the caller) run on these: 0 or a negative errno.  (os) */
int mni_cpuset_apply(const struct mni_cpuset *s, int tid);

#endif
