/*
 * Robust and priority-inheriting mutexes: the libc's own functions do the work.
 *
 * The kernel is their third party.  It walks one list of robust mutexes per LWP, which the libc registered and
 * which its mutexes are linked into; and the lock word of such a mutex is the kernel's format.  Whatever we did
 * would have to work on that list and that word, for both to mean the same to a process on the plain libc, and
 * could not wait more cleverly: the kernel hands the lock over.  What is left to us is what the libc does not
 * know of: an LWP whose thread ends as the owner must end too, for the kernel to see that the owner died.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "mutex.h"

#include "libc.h"

enum { OWNER_TID = 0x3fffffff }; /* in the lock word, as the kernel has it */

static pthread_mutex_t *outside(struct mutex *m) {
    return (pthread_mutex_t *)(void *)m;
}

/* The result of the libc's lock, as ours: who gets the mutex of a dead owner has it, too. */
static int locked(int err) {
    if (err == 0 || err == EOWNERDEAD)
        thr_self()->owned++;
    return -err;
}

int mutex_libc_init(struct mutex *m, const pthread_mutexattr_t *attr) {
    return -libc_real(pthread_mutex_init)(outside(m), attr);
}

int mutex_libc_destroy(struct mutex *m) {
    return -libc_real(pthread_mutex_destroy)(outside(m));
}

int mutex_libc_lock(struct mutex *m, const struct timespec *deadline, clockid_t clock) {
    if (!deadline)
        return locked(libc_real(pthread_mutex_lock)(outside(m)));
    return locked(libc_real(pthread_mutex_clocklock)(outside(m), clock, deadline));
}

int mutex_libc_try(struct mutex *m) {
    return locked(libc_real(pthread_mutex_trylock)(outside(m)));
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
