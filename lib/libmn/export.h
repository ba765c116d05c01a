/* Marks what the library exports; everything else is hidden. */
#ifndef MNI_EXPORT_H
#define MNI_EXPORT_H

#define MN_EXPORT __attribute__((visibility("default")))

#endif
