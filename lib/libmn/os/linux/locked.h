/* Whether the process may lock no more memory, and new memory is locked (mlockall with MCL_FUTURE). */
#ifndef MNI_OS_LOCKED_H
#define MNI_OS_LOCKED_H

#include <errno.h>
#include <stdbool.h>
#include <sys/mman.h>

/* By trying, with as much as a segment of descriptors takes.  mmap(2): EAGAIN, "too much memory has been locked". */
static inline bool memory_is_locked_up(void) {
    enum { MUCH = 16 << 20 };
    void *p = mmap(NULL, MUCH, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return errno == EAGAIN;
    munmap(p, MUCH);
    return false;
}

#endif
