/*
 * Robust and priority-inheriting mutexes: the libc's own functions do the work.
 *
 * The kernel is their third party.  It walks one list of robust mutexes per LWP, which the libc registered and
 * which its mutexes are linked into; and the lock word of such a mutex is the kernel's format.  Whatever we did
 * would have to work on that list and that word, for both to mean the same to a process on the plain libc. What
 * is left to us is not to sleep at once, and what the libc does not know of: an LWP whose thread ends as the
 * owner must end too, for the kernel to see that the owner died.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "mutex.h"

#include "cpus.h"
#include "libc.h"
#include "pause.h"

enum { OWNER_TID = 0x3fffffff }; /* in the lock word, as the kernel has it */
enum { AWAY_NS = 300, AWAY_TIMES = 3 }; /* as of nearly empty sections in mutex_word.c */

static pthread_mutex_t *outside(struct mutex *m) {
    return (pthread_mutex_t *)(void *)m;
}

/* Around a lock of the libc's: what the thread owns is counted before, so that the mutex is not held meanwhile.
 */
static struct thr *locks(void) {
    struct thr *self = thr_self();
    self->owned++;
    return self;
}

/* Its result, as ours: who gets the mutex of a dead owner has it, too. */
static int locked(struct thr *self, int err) {
    if (err != 0 && err != EOWNERDEAD)
        self->owned--;
    return -err;
}

int mutex_libc_init(struct mutex *m, const pthread_mutexattr_t *attr) {
    return -libc_real(pthread_mutex_init)(outside(m), attr);
}

int mutex_libc_destroy(struct mutex *m) {
    return -libc_real(pthread_mutex_destroy)(outside(m));
}

/*
 * Another has it.  Looks again a few times before it sleeps: with short sections a system call, and the next
 * one by which the owner wakes it, or hands the mutex over, takes many times what there is to wait for.  EBUSY,
 * or the result of the lock.
 */
static int keep_away(struct mutex *m) {
    int err = EBUSY;
    for (int i = 0; err == EBUSY && i < AWAY_TIMES; i++) {
        pause_ns(AWAY_NS);
        err = libc_real(pthread_mutex_trylock)(outside(m));
    }
    return err;
}

int mutex_libc_lock(struct mutex *m, const struct timespec *deadline, clockid_t clock) {
    struct thr *self = locks();
    uint32_t owner = a32_load(&m->word) & OWNER_TID; /* relaxed: a hint, unless it is the caller */
    int err = EBUSY;
    if (unlikely(owner != 0) && owner != thr_tid() && a32_load(&thr_cpus) > 1)
        err = keep_away(m);
    if (err == EBUSY)
        err = deadline ? libc_real(pthread_mutex_clocklock)(outside(m), clock, deadline)
                       : libc_real(pthread_mutex_lock)(outside(m));
    return locked(self, err);
}

int mutex_libc_try(struct mutex *m) {
    return locked(locks(), libc_real(pthread_mutex_trylock)(outside(m)));
}

int mutex_libc_may_unlock(const struct mutex *m) {
    /* relaxed: nobody but this thread stores this thread's id */
    return (a32_load(&m->word) & OWNER_TID) == thr_tid() ? 0 : -EPERM;
}

int mutex_libc_unlock(struct mutex *m) {
    int err = libc_real(pthread_mutex_unlock)(outside(m));
    if (err == 0)
        thr_self()->owned--;
    return -err;
}

void mutex_libc_unlock_waiting(struct mutex *m) {
    m->nusers++; /* one that the unlock leaves: who waits is a user, which destroy looks for */
    mutex_libc_unlock(m);
}

int mutex_libc_lock_waited(struct mutex *m) {
    int r = mutex_libc_lock(m, NULL, CLOCK_REALTIME);
    if (r == 0 || r == -EOWNERDEAD)
        m->nusers--;
    return r;
}

int mutex_libc_consistent(struct mutex *m) {
    return -libc_real(pthread_mutex_consistent)(outside(m));
}
