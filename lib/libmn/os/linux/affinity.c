/* What cpuset.h asks of the operating system, by sched_setaffinity(2). */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <errno.h>
#include <string.h>

#include "fault.h"
#include "runtime/cpuset.h"
#include "sys.h"

int mni_cpuset_allowed(struct mni_cpuset *s) {
    memset(s, 0, sizeof *s);
    long size = fault("affinity") ? -EINVAL : sys(SYS_sched_getaffinity, 0, sizeof *s, s);
    return size < 0 ? (int)size : 0;
}

int mni_cpuset_apply(const struct mni_cpuset *s, int tid) {
    return (int)sys(SYS_sched_setaffinity, tid, sizeof *s, s);
}
