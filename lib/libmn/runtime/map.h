/* map: memory of a given alignment, straight from the system. */
#ifndef MNI_MAP_H
#define MNI_MAP_H

#include <stddef.h>

/* Zeroed, page by page as it is touched, and not counted before; NULL: there is none.  align: a power of two, a
 * page or more; flags: of mmap(2), more than usual.  munmap(2) gives it back. */
void *mni_map_aligned(size_t bytes, size_t align, int flags);

#endif
