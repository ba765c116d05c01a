/* peek: reading memory that may not be there. */
#ifndef MNI_PEEK_H
#define MNI_PEEK_H

#include <stdbool.h>
#include <stddef.h>

/* Before the first of the following: looks which way there is. */
void mni_peek_prepare(void);

/* Copies size bytes, without a fault; false: not all of them can be read.  What others write meanwhile may
 * be mixed. */
bool mni_peek(void *to, const void *from, size_t size);

#endif
