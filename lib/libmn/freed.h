/*
 * freed: memory and descriptors that go with the scope of their variable, also when the caller is killed in a
 * call and unwinds.
 *
 *     char *bytes MNI_FREED = malloc(n);
 *     int fd MNI_CLOSED = mn_socket(...); ... return mni_kept(&fd);
 */
#ifndef MNI_FREED_H
#define MNI_FREED_H

#include <mn/io.h>
#include <stdlib.h>
#include <string.h>

#define MNI_FREED __attribute__((cleanup(mni_free_scoped)))

static inline void mni_free_scoped(void *variable) {
    void *p;
    memcpy(&p, variable, sizeof p); /* a pointer of any type */
    free(p);
}

#define MNI_CLOSED __attribute__((cleanup(mni_close_scoped)))

static inline void mni_close_scoped(const int *fd) {
    if (*fd >= 0)
        mn_close(*fd);
}

static inline int mni_kept(int *variable) {
    int fd = *variable;
    *variable = -1;
    return fd;
}

#endif
