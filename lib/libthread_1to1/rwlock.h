/* What rwlock.c and rwlock_attr.c share: the libc's layout of the attributes. */
#ifndef THR_RWLOCK_H
#define THR_RWLOCK_H

#include <pthread.h>

struct rwlock_attr {
    int kind;
    int pshared;
};
_Static_assert(sizeof(struct rwlock_attr) <= sizeof(pthread_rwlockattr_t), "the libc's size is the ABI");

#endif
