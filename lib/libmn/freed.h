/*
 * freed: memory that goes with the scope of its variable, also when the caller is killed in a call and unwinds.
 *
 *     char *bytes MNI_FREED = malloc(n);
 */
#ifndef MNI_FREED_H
#define MNI_FREED_H

#include <stdlib.h>
#include <string.h>

#define MNI_FREED __attribute__((cleanup(mni_free_scoped)))

static inline void mni_free_scoped(void *variable) {
    void *p;
    memcpy(&p, variable, sizeof p); /* a pointer of any type */
    free(p);
}

#endif
