/*
 * The inside of a pthread_mutex_t, for mutex*.c and cond.c.
 *
 * The first 20 bytes mean what they mean in glibc 2.36 on x86-64.  In a process-shared mutex, and in one with a
 * priority ceiling, the lock word follows glibc's protocol too, so that processes with and without this library
 * can share one; in other private mutexes it and everything from `stat` on are ours (mutex_word.c).
 */
#ifndef THR_MUTEX_H
#define THR_MUTEX_H

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/single_threaded.h>

#include "atomic.h"
#include "thr.h"

struct mutex {
    uint32_t word;   /* mutex_word.c; a umtx word when shared */
    uint32_t count;  /* recursive: how often its owner holds it.  Owner only */
    uint32_t owner;  /* kernel id of the thread that holds it; 0: nobody.  Written by the owner only */
    uint32_t nusers; /* who holds it or waits on a condition variable with it.  Written by the owner only */
    uint32_t kind;   /* MUTEX_*; after initialisation only the owner changes it, and only MUTEX_SAMPLED */

    /* Private mutexes only; glibc keeps statistics and the list of robust mutexes here. */
    uint32_t stat;   /* how long it is held, and whose turn it is: mutex_word.c.  Written by the owner only */
    uint32_t wakes;  /* umtx word of the sleepers; changes with every wake-up.  Written by the owner only */
    uint32_t since;  /* with MUTEX_SAMPLED: when its owner got it.  Owner only */
    uint32_t epoch;  /* in which process WORD_SPINNER was set, as mutex_word.c counts forks */
    uint32_t spare;
};

_Static_assert(sizeof(struct mutex) == 40 && sizeof(struct mutex) <= sizeof(pthread_mutex_t),
               "a mutex is 40 bytes");
_Static_assert(offsetof(struct mutex, owner) == 8 && offsetof(struct mutex, kind) == 16, "glibc's layout");

enum {
    /* glibc's, and ABI: static initialisers and shared mutexes carry them */
    MUTEX_TYPE = 3, /* PTHREAD_MUTEX_NORMAL, _RECURSIVE, _ERRORCHECK, _ADAPTIVE_NP */
    MUTEX_LIBC = 0x10 | 0x20, /* robust, priority inheritance: mutex_libc.c */
    MUTEX_PROTECT = 0x40,     /* priority ceiling: mutex_protect.c */
    MUTEX_SHARED = 0x80,
    MUTEX_ELISION = 0x100 | 0x200, /* may be set; means nothing here */

    /* ours, private mutexes only */
    MUTEX_SAMPLED = 0x400, /* its owner is timing how long it holds it */

    /* destroyed; glibc's */
    MUTEX_DEAD = -1,
};

/* The _np names of what POSIX took over.  <pthread.h> redirects them, so each needs a C name of its own. */
#define MUTEX_OLD_NAME(old, name)                                                                            \
    extern __typeof__(name) MUTEX_OLD_ID(name) __asm__(THR_STRING(old)) THR_EXPORT THR_COPY(name)            \
        __attribute__((__alias__(THR_STRING(name))))
#define MUTEX_OLD_ID(name) MUTEX_OLD_PASTE(name)
#define MUTEX_OLD_PASTE(name) old_##name

/* mutex_attr.c: whether there are mutexes with this priority ceiling. */
bool mutex_ceiling_valid(int ceiling);

/* A pthread_mutexattr_t is one word of glibc's. */
enum {
    MUTEXATTR_KIND = 0xfff, /* becomes the mutex's kind */
    MUTEXATTR_CEILING = 0xfff000,
    MUTEXATTR_CEILING_SHIFT = 12,
    MUTEXATTR_PROTOCOL = 0x30000000,
    MUTEXATTR_PROTOCOL_SHIFT = 28,
    MUTEXATTR_ROBUST = 0x40000000,
};
#define MUTEXATTR_SHARED 0x80000000u

/* ---- mutex_word.c: the lock word */

enum {
    WORD_LOCKED = 1,
    WORD_SLEEPERS = 2,
    WORD_SPINNER = 4,
};

/* The contended path of lock, private and shared.  `sleepers`: others may sleep on the mutex although its word
 * does not say so.  0, -ETIMEDOUT, or -EINVAL for the deadline. */
int mutex_word_wait(struct mutex *m, const struct timespec *deadline, clockid_t clock, bool sleepers);

/* Unlock when the word is not simply 1. */
void mutex_word_wake(struct mutex *m);

/* The owner is about to put somebody to sleep on the mutex (requeue): makes its unlock wake them. */
void mutex_word_expect(struct mutex *m);

/* Before unlock of a mutex with MUTEX_SAMPLED: notes how long it was held, clears the flag. */
void mutex_word_sample(struct mutex *m);

/* In a fork's child: nobody spins any more. */
void mutex_reset_in_child(void);

static inline bool mutex_is_shared(const struct mutex *m) {
    return a32_load(&m->kind) & MUTEX_SHARED;
}

/* Whether sleepers can be moved to it: they sleep on `wakes`, and it is looked at. */
static inline bool mutex_takes_sleepers(const struct mutex *m) {
    return !(a32_load(&m->kind) & (MUTEX_SHARED | MUTEX_LIBC | MUTEX_PROTECT));
}

static inline bool mutex_word_try(struct mutex *m) {
    if (__libc_single_threaded && !mutex_is_shared(m) && a32_load(&m->word) == 0) {
        a32_store(&m->word, WORD_LOCKED); /* nobody to order with: one thread */
        return true;
    }
    uint32_t w = 0;
    for (;;) {
        /* acquire: pairs with every release of the word */
        uint32_t seen = a32_fetch_cas_acquire(&m->word, w, w | WORD_LOCKED);
        if (likely(seen == w))
            return true;
        if (seen & WORD_LOCKED || mutex_is_shared(m)) /* a private word may be free and yet not 0 */
            return false;
        w = seen;
    }
}

static inline void mutex_word_drop(struct mutex *m) {
    if (__libc_single_threaded && !mutex_is_shared(m)) {
        /* One thread, nobody to order with. */
        a32_store(&m->word, 0);
        return;
    }
    if (unlikely(!a32_cas_release(&m->word, WORD_LOCKED, 0))) /* release: pairs with the next owner's acquire */
        mutex_word_wake(m);
}

/* ---- mutex_protect.c: the lock word of mutexes with a priority ceiling */

/* The word, and the calling thread's priority with it: 0, or the negative errno of pthread_mutex_lock and its
 * relatives, with nothing changed. */
int mutex_protect_lock(struct mutex *m, const struct timespec *deadline, clockid_t clock); /* NULL: for ever */
int mutex_protect_try(struct mutex *m);

/* After a condition wait.  Whatever it returns, the caller has got the word. */
int mutex_protect_lock_waited(struct mutex *m);

/* Frees the word.  A negative errno: the priority could not be lowered. */
int mutex_protect_drop(struct mutex *m);

void mutex_protect_init(struct mutex *m, int ceiling);
int mutex_protect_ceiling(const struct mutex *m);

/* Waits for the mutex unless the caller holds it; the former ceiling, or a negative errno. */
int mutex_protect_set_ceiling(struct mutex *m, int ceiling, bool held);

/* ---- mutex_libc.c: the kinds that the libc does */

static inline bool mutex_is_libc(const struct mutex *m) {
    uint32_t kind = a32_load(&m->kind); /* relaxed: constant since initialisation, in these bits */
    return kind & MUTEX_LIBC && !(kind & MUTEX_PROTECT) && kind != (uint32_t)MUTEX_DEAD;
}

/* As the libc's functions, with errors negative.  -EOWNERDEAD: the caller has got the mutex. */
int mutex_libc_init(struct mutex *m, const pthread_mutexattr_t *attr);
int mutex_libc_destroy(struct mutex *m);
int mutex_libc_lock(struct mutex *m, const struct timespec *deadline, clockid_t clock); /* NULL: for ever */
int mutex_libc_try(struct mutex *m);
int mutex_libc_may_unlock(const struct mutex *m); /* 0 or -EPERM */
int mutex_libc_unlock(struct mutex *m);
void mutex_libc_unlock_waiting(struct mutex *m); /* mutex_libc_may_unlock has been asked */
int mutex_libc_lock_waited(struct mutex *m);
int mutex_libc_consistent(struct mutex *m);

/* ---- mutex.c: for cond.c */

/* Whether a condition wait may unlock the mutex: 0, or the negative errno that unlock would give. */
int mutex_may_unlock(const struct mutex *m);

/* Unlock and lock around a condition wait: the waiter stays one of the mutex's users.  Locking a robust mutex
 * may fail: -EOWNERDEAD, with the mutex held; -ENOTRECOVERABLE, without.  One with a priority ceiling is held
 * whatever the result: -EINVAL, -EPERM. */
void mutex_unlock_waiting(struct mutex *m);
int mutex_lock_waited(struct mutex *m, bool sleepers);

#endif
