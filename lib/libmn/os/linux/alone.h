/* Whether the process certainly has one thread only, so that its environment may be changed. */
#ifndef MNI_OS_ALONE_H
#define MNI_OS_ALONE_H

#include <stdbool.h>
#include <sys/single_threaded.h>

static inline bool process_is_alone(void) {
    return __libc_single_threaded != 0;
}

#endif
