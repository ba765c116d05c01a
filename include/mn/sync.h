/* mn/sync.h: mutexes, condition variables and their like. */
#ifndef MN_SYNC_H
#define MN_SYNC_H

#include <mn/thread.h>

#endif
