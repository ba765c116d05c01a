/*
 * feature: kernel features that tests switch off to force their fall-backs.
 *
 *     ODONATA_DISABLE=guard,process_madvise program
 */
#ifndef MNI_FEATURE_H
#define MNI_FEATURE_H

#include <stdbool.h>

/* Whether the feature may be used: false when ODONATA_DISABLE lists its name.  Reads the environment: not from
 * a signal handler.  A program that runs with another's privileges does not look at it. */
bool mni_feature(const char *name);

#endif
