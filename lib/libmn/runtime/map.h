/* map: memory straight from the system, and in cache lines of its own. */
#ifndef MNI_MAP_H
#define MNI_MAP_H

#include <stddef.h>

/* Zeroed, page by page as it is touched, and not counted before; NULL: there is none.  munmap(2) gives it back.
 */
void *mni_map(size_t bytes);
/* The same; align: a power of two, a page or more; flags: of mmap(2), more than usual. */
void *mni_map_aligned(size_t bytes, size_t align, int flags);

/* Of malloc's: zeroed, in cache lines that nothing else lies in; NULL: there is none.  free(3) gives it back. */
void *mni_alloc_lines(size_t bytes);

#endif
