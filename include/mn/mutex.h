/*
 * mn/mutex.h: mutexes.
 *
 * A mutex that is {0} or MN_MUTEX_INIT is ready for use.  It is meant for sections that are short or rarely
 * fought for: who asks for a held one waits in a queue, but threads that run may overtake the queue for about
 * 100 microseconds, after which the mutex is handed to the thread that has waited longest.
 *
 * A cancelled thread (mn/cancel.h) gets -ECANCELED from every lock call, also of a mutex that is free: code
 * that has to lock while it tidies up does so shielded, or in a deferred function, which is.  Unlock and
 * trylock never fail for that.
 *
 * A robust mutex does not stay locked when its owner ends: a process however it ends, a thread, or a callback
 * of a handler that returns with it.  Who gets it next is told by -EOWNERDEAD, and holds it:
 *
 *     int r = mn_mutex_lock(&m);
 *     if (r == -EOWNERDEAD) {
 *         repair();
 *         mn_mutex_consistent(&m);
 *     } else if (r < 0) {
 *         return r;
 *     }
 *
 * Who unlocks it without mn_mutex_consistent gives up what it guards: all locks fail with -ENOTRECOVERABLE from
 * then on.
 */
#ifndef MN_MUTEX_H
#define MN_MUTEX_H

#include <mn/object.h>
#include <mn/time.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The members are the library's.  The object must not move while it is in use. */
struct mn_mutex {
    uint32_t owner, flags, sections, due, lock, step, waiting, handed;
    struct mn_waiters queue;
    int64_t began, looked;
    uint64_t sampled;
    uint32_t brisk, state;
    struct mn_mutex *next;
};

#define MN_MUTEX_INIT {0, 0, 0, 0, 0, 0, 0, 0, {0, 0}, 0, 0, 0, 0, 0, 0}
#define MN_MUTEX_ROBUST_INIT {0x40000000u, 0, 0, 0, 0, 0, 0, 0, {0, 0}, 0, 0, 0, 0, 0, 0}

/* Makes a mutex that is free.  Contexts: any. */
void mn_mutex_init(struct mn_mutex *mutex);
void mn_mutex_init_robust(struct mn_mutex *mutex);

/* -EBUSY: it is held, or threads wait for it; it stays valid.  Contexts: any. */
int mn_mutex_destroy(struct mn_mutex *mutex);

/*
 * Returns when the caller holds the mutex.
 *   -EDEADLK     the caller holds it already
 *   -ETIMEDOUT   the deadline passed first
 *   -ECANCELED
 *   -EOWNERDEAD       of a robust one: the caller holds it, the last owner ended with it
 *   -ENOTRECOVERABLE  of a robust one: it was unlocked after that without mn_mutex_consistent; the caller does not hold it
 * Contexts: any.  The end of a foreign LWP that holds it is not noticed.
 */
int mn_mutex_lock(struct mn_mutex *mutex);
int mn_mutex_lock_until(struct mn_mutex *mutex, int64_t deadline);

/* -EBUSY: it is held, perhaps by the caller.  -EOWNERDEAD, -ENOTRECOVERABLE: as above.  Contexts: any. */
int mn_mutex_trylock(struct mn_mutex *mutex);

/*
 * Never blocks.  The mutex is not touched once it is free: the thread that gets it next may destroy it.
 *   -EPERM   the caller does not hold it
 * Contexts: any.
 */
int mn_mutex_unlock(struct mn_mutex *mutex);

/*
 * What a robust mutex guards is in order again, after a lock with -EOWNERDEAD.
 *   -EINVAL   it was in order, or the mutex is not robust
 *   -EPERM    the caller does not hold it
 * Contexts: any.
 */
int mn_mutex_consistent(struct mn_mutex *mutex);

/* A recursive mutex: its owner may lock it again, and unlocks it as often as it locked it. */
struct mn_rmutex {
    struct mn_mutex mutex;
    uint32_t again;
};

#define MN_RMUTEX_INIT {MN_MUTEX_INIT, 0}
#define MN_RMUTEX_ROBUST_INIT {MN_MUTEX_ROBUST_INIT, 0}

/* As the functions above, except that lock and trylock by the owner succeed; -EAGAIN: it was locked 2^32 - 1
 * times. */
void mn_rmutex_init(struct mn_rmutex *mutex);
void mn_rmutex_init_robust(struct mn_rmutex *mutex);
int mn_rmutex_destroy(struct mn_rmutex *mutex);
int mn_rmutex_lock(struct mn_rmutex *mutex);
int mn_rmutex_lock_until(struct mn_rmutex *mutex, int64_t deadline);
int mn_rmutex_trylock(struct mn_rmutex *mutex);
int mn_rmutex_unlock(struct mn_rmutex *mutex);
int mn_rmutex_consistent(struct mn_rmutex *mutex);

#ifdef __cplusplus
}
#endif

#endif
