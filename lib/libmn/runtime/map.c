/* map: memory straight from the system, and in cache lines of its own. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "map.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "fault.h"
#include "runtime.h"

static char *map(size_t bytes, int flags) {
    if (fault("mmap"))
        return NULL;
    flags |= MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

void *mni_map(size_t bytes) {
    return map(bytes, 0);
}

void *mni_map_aligned(size_t bytes, size_t align, int flags) {
    char *p = map(bytes, flags);
    if (!p || (uintptr_t)p % align == 0)
        return p;
    munmap(p, bytes);
    p = map(bytes + align, flags);
    if (!p)
        return NULL;
    size_t before = -(uintptr_t)p % align;
    if (before > 0)
        munmap(p, before);
    munmap(p + before + bytes, align - before);
    return p + before;
}

void *mni_alloc_lines(size_t bytes) {
    bytes = (bytes + MNI_LINE - 1) / MNI_LINE * MNI_LINE;
    void *p = fault("malloc") ? NULL : aligned_alloc(MNI_LINE, bytes);
    return p ? memset(p, 0, bytes) : NULL;
}
