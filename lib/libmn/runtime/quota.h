/* quota: how much CPU time the operating system lets this process have. */
#ifndef MNI_QUOTA_H
#define MNI_QUOTA_H

#include <stdint.h>

/*
 * In thousandths of a CPU, rounded up; 0: there is no limit, or none that can be found out.  root: what stands
 * before the paths of all files that are read; "" but for tests.
 */
uint64_t mni_quota(const char *root);

/* The root that the runtime takes: "", or for tests what ODONATA_QUOTA_ROOT said at the last mni_quota_prepare. */
const char *mni_quota_root(void);

/* Looks at the environment.  Contexts: the start of the runtime (feature.h says why only there). */
void mni_quota_prepare(void);

#endif
