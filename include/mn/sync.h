/* mn/sync.h: all objects by which threads wait for each other, except channels and futures. */
#ifndef MN_SYNC_H
#define MN_SYNC_H

#include <mn/barrier.h>
#include <mn/cond.h>
#include <mn/event.h>
#include <mn/mutex.h>
#include <mn/once.h>
#include <mn/rwlock.h>
#include <mn/sem.h>
#include <mn/waitgroup.h>

#endif
