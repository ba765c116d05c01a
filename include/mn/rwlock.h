/*
 * mn/rwlock.h: read-write locks.
 *
 * One that is {0} or MN_RWLOCK_INIT is ready for use.  While a writer waits, new readers queue; after a writer
 * it is the turn of the readers that wait, and after them of the next writer: neither kind starves.  Who runs may
 * take a lock that is free before one who waits, once.  A thread must not take a read lock again while it holds
 * one: a writer may have come in between.
 *
 * A robust one does not stay locked when its writer ends, as a robust mutex does not (mn/mutex.h).  All who get
 * it are told by -EOWNERDEAD, and hold it, until a writer has called mn_rwlock_consistent.  Who reads is not
 * known: the end of a reader is not noticed.
 */
#ifndef MN_RWLOCK_H
#define MN_RWLOCK_H

#include <mn/object.h>
#include <mn/time.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mn_rwlock {
    uint32_t word, owner, lock, state;
    struct mn_waiters readers, writers;
    struct mn_rwlock *next;
    uint64_t bias;
};

#define MN_RWLOCK_INIT {0, 0, 0, 0, {0, 0}, {0, 0}, 0, 0}
#define MN_RWLOCK_ROBUST_INIT {0, 0, 0, 0x40000000u, {0, 0}, {0, 0}, 0, 0}

void mn_rwlock_init(struct mn_rwlock *rwlock);
void mn_rwlock_init_robust(struct mn_rwlock *rwlock);

/* -EBUSY: it is held, or threads wait for it; it stays valid.  Contexts: any. */
int mn_rwlock_destroy(struct mn_rwlock *rwlock);

/*
 * Return when the caller holds the lock, for reading or writing.
 *   -EDEADLK     the caller holds it for writing
 *   -EAGAIN      there are 2^26 readers
 *   -ETIMEDOUT   the deadline passed first
 *   -ECANCELED   (also when the lock is free)
 *   -EOWNERDEAD       of a robust one: the caller holds it, a writer ended with it
 *   -ENOTRECOVERABLE  of a robust one: a writer has unlocked it after that without mn_rwlock_consistent; it is not held
 * Contexts: any.
 */
int mn_rwlock_rdlock(struct mn_rwlock *rwlock);
int mn_rwlock_rdlock_until(struct mn_rwlock *rwlock, int64_t deadline);
int mn_rwlock_wrlock(struct mn_rwlock *rwlock);
int mn_rwlock_wrlock_until(struct mn_rwlock *rwlock, int64_t deadline);

/* -EBUSY: the caller would have to wait.  -EAGAIN, -EOWNERDEAD, -ENOTRECOVERABLE: as above.  Contexts: any. */
int mn_rwlock_tryrdlock(struct mn_rwlock *rwlock);
int mn_rwlock_trywrlock(struct mn_rwlock *rwlock);

/*
 * Gives back what the caller holds.  It never blocks, and the lock is not touched once it is free.
 *   -EPERM   another thread holds it for writing, or nobody holds it.  That a reader holds it is not checked.
 * Contexts: any.
 */
int mn_rwlock_unlock(struct mn_rwlock *rwlock);

/*
 * What a robust lock guards is in order again, after -EOWNERDEAD: by a writer.
 *   -EINVAL   it was in order, or the lock is not robust
 *   -EPERM    the caller does not hold it for writing
 * Contexts: any.
 */
int mn_rwlock_consistent(struct mn_rwlock *rwlock);

#ifdef __cplusplus
}
#endif

#endif
