/* mn/object.h: what the objects that threads wait on have in common.  Nothing in it is for users. */
#ifndef MN_OBJECT_H
#define MN_OBJECT_H

#include <stdint.h>

/* Threads that wait, in the order in which they came. */
struct mn_waiters {
    void *head, *tail;
};

#endif
