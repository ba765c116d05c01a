/* quota: how much CPU time the operating system lets this process have. */
#ifndef MNI_QUOTA_H
#define MNI_QUOTA_H

#include <stdint.h>

/*
 * In thousandths of a CPU, rounded up; 0: there is no limit, or none that can be found out.  root: what stands
 * before the paths of all files that are read; "" but for tests.
 */
uint64_t mni_quota(const char *root);

/* The root that the runtime takes: "", or what ODONATA_QUOTA_ROOT says, for tests. */
const char *mni_quota_root(void);

#endif
