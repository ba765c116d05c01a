/*
 * feature: kernel features, and ways of our own, that tests switch off to force their fall-backs.
 *
 *     ODONATA_DISABLE=guard,process_madvise program
 */
#ifndef MNI_FEATURE_H
#define MNI_FEATURE_H

#include <stdbool.h>

enum mni_feature { /* names: feature.c */
                   MNI_EPOLL_PWAIT2,
                   MNI_GUARD,
                   MNI_MEMBARRIER,
                   MNI_PIDFD,
                   MNI_PROCESS_MADVISE,
                   MNI_PROCESS_VM_READV,
                   MNI_PROC_EVENTS,
                   MNI_QUICK,
                   MNI_RESOLVE_CACHED,
                   MNI_RWF_NOWAIT,
                   MNI_FEATURES
};

/*
 * Whether the feature may be used: false when ODONATA_DISABLE listed its name as the runtime started last;
 * before that, at the first call.  A program that runs with another's privileges does not look at it. Contexts:
 * any, once that is known.
 */
bool mni_feature(enum mni_feature feature);

/*
 * Looks at the environment.  Contexts: the start of the runtime.  LWPs of ours do not look later: the program
 * may change its environment at any time, and getenv is not safe against that.
 */
void mni_features_read(void);

#endif
