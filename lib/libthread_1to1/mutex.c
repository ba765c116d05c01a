/*
 * pthread_mutex_*: the kinds of mutex, and who owns one.  How a thread gets the lock word, or sleeps until it
 * does, is mutex_word.c's affair; doc/design/mutex.md has the whole story.
 *
 * The fast paths of lock and unlock are written so that the compiler needs no stack frame for them: whatever is
 * not a private, normal, free mutex goes to an out-of-line function by a tail call.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "mutex.h"

#include "clock.h"

#define OUT_OF_LINE __attribute__((noinline, cold))

/* Any of these, and lock or unlock is not for the fast path; any of those, and not for the next fast one. */
enum { NOT_SIMPLE = 0x7f | MUTEX_SHARED, NOT_WORD = 0x7f & ~MUTEX_TYPE };

static struct mutex *inside(pthread_mutex_t *mutex) {
    return (struct mutex *)(void *)mutex;
}

/* ---- becoming the owner */

/* Where the libc's word for the id is not known, or not yet: in a malloc that the loader calls, say. */
static OUT_OF_LINE int own_slow(struct mutex *m) {
    a32_store(&m->owner, thr_tid_slow()); /* relaxed: only the owner itself relies on finding its own id */
    m->nusers++;
    return 0;
}

/* The word has just been taken.  Returns 0, for tail calls. */
static inline int own(struct mutex *m) {
    intptr_t offset = thr_tid_offset;
    if (unlikely(offset == 0))
        return own_slow(m);
    a32_store(&m->owner, tcb_word(offset)); /* relaxed: as own_slow */
    m->nusers++;
    return 0;
}

static inline void disown(struct mutex *m) {
    a32_store(&m->owner, 0); /* relaxed: others compare it only with their own id */
    m->nusers--;
}

static inline bool owned(const struct mutex *m) {
    return a32_load(&m->owner) == thr_tid(); /* relaxed: nobody but this thread stores this thread's id */
}

/* EINVAL for what is no mutex: destroyed, or of a kind that there is not. */
static int kind_error(uint32_t kind) {
    if (kind == (uint32_t)MUTEX_DEAD || (kind & 0xf) > MUTEX_TYPE)
        return -EINVAL;
    return kind & MUTEX_PROTECT && kind & MUTEX_LIBC ? -EINVAL : 0;
}

/*
 * What each kind adds to taking the word.  Positive: go on and take it; otherwise the result of the call.
 */
static int before_lock(struct mutex *m, uint32_t kind, int when_owned) {
    int err = kind_error(kind);
    if (err)
        return err;
    switch (kind & MUTEX_TYPE) {
    case PTHREAD_MUTEX_RECURSIVE:
        if (owned(m)) {
            if (m->count == UINT32_MAX)
                return -EAGAIN;
            m->count++;
            return 0;
        }
        break;
    case PTHREAD_MUTEX_ERRORCHECK:
        if (owned(m))
            return -when_owned;
        break;
    }
    return 1;
}

/* Kinds whose owner is asked for: an LWP whose thread ends as such an owner is not reused (lwp_reuse.c). */
static bool tracks_owner(uint32_t kind) {
    return (kind & MUTEX_TYPE) == PTHREAD_MUTEX_RECURSIVE || (kind & MUTEX_TYPE) == PTHREAD_MUTEX_ERRORCHECK;
}

static void count_first(struct mutex *m, uint32_t kind) {
    if ((kind & MUTEX_TYPE) == PTHREAD_MUTEX_RECURSIVE || kind & MUTEX_PROTECT) /* the latter as the libc */
        m->count = 1;
    if (tracks_owner(kind))
        thr_self()->owned++;
}

static int took(struct mutex *m, uint32_t kind) {
    count_first(m, kind);
    return own(m);
}

/* ---- lock */

static OUT_OF_LINE int lock_contended(struct mutex *m) {
    mutex_word_wait(m, NULL, CLOCK_REALTIME, false);
    return own(m);
}

static OUT_OF_LINE int lock_deadline(struct mutex *m, const struct timespec *deadline, clockid_t clock) {
    if (mutex_is_libc(m))
        return -mutex_libc_lock(m, deadline, clock);
    uint32_t kind = a32_load(&m->kind);
    int r = before_lock(m, kind, EDEADLK);
    if (r <= 0)
        return -r;
    if (kind & MUTEX_PROTECT)
        r = mutex_protect_lock(m, deadline, clock);
    else if (!mutex_word_try(m))
        r = mutex_word_wait(m, deadline, clock, false);
    return r < 0 ? -r : took(m, kind);
}

/*
 * Those that are recursive, check errors, are adaptive or shared between processes: some programs use them for
 * everything.  So here is what nearly always happens, and whatever else goes the long way.
 */
static __attribute__((noinline)) int lock_kinds(struct mutex *m) {
    uint32_t kind = a32_load(&m->kind);
    if (likely(!(kind & NOT_WORD))) {
        if (!owned(m)) {
            if (likely(mutex_word_try(m)))
                return took(m, kind);
        } else if ((kind & MUTEX_TYPE) == PTHREAD_MUTEX_RECURSIVE && likely(m->count < UINT32_MAX)) {
            m->count++;
            return 0;
        }
    } else if (mutex_is_libc(m)) {
        return -mutex_libc_lock(m, NULL, CLOCK_REALTIME);
    }
    return lock_deadline(m, NULL, CLOCK_REALTIME);
}

THR_EXPORT int pthread_mutex_lock(pthread_mutex_t *mutex) {
    struct mutex *m = inside(mutex);
    if (unlikely(a32_load(&m->kind) & NOT_SIMPLE)) /* relaxed: constant since initialisation, in these bits */
        return lock_kinds(m);
    if (__libc_single_threaded) {
        if (unlikely(a32_load(&m->word) != 0))
            return lock_contended(m);
        a32_store(&m->word, WORD_LOCKED); /* relaxed: one thread, nobody to order with */
    } else if (unlikely(!a32_cas_acquire(&m->word, 0, WORD_LOCKED))) { /* acquire: pairs with every release */
        return lock_contended(m);
    }
    return own(m);
}
THR_ALIAS(__pthread_mutex_lock, pthread_mutex_lock);

static OUT_OF_LINE int try_slow(struct mutex *m) {
    if (mutex_is_libc(m))
        return -mutex_libc_try(m);
    uint32_t kind = a32_load(&m->kind);
    int r = before_lock(m, kind, EBUSY);
    if (r <= 0)
        return -r;
    r = kind & MUTEX_PROTECT ? mutex_protect_try(m) : mutex_word_try(m) ? 0 : -EBUSY;
    return r < 0 ? -r : took(m, kind);
}

THR_EXPORT int pthread_mutex_trylock(pthread_mutex_t *mutex) {
    struct mutex *m = inside(mutex);
    if (unlikely(a32_load(&m->kind) & NOT_SIMPLE)) /* relaxed: as pthread_mutex_lock */
        return try_slow(m);
    /* Looked at first: a failing compare-and-swap is as dear as another, and takes the line from its owner. */
    if (a32_load(&m->word) & WORD_LOCKED || unlikely(!mutex_word_try(m)))
        return EBUSY;
    return own(m);
}
THR_ALIAS(__pthread_mutex_trylock, pthread_mutex_trylock);

THR_EXPORT int pthread_mutex_clocklock(pthread_mutex_t *mutex, clockid_t clock,
                                       const struct timespec *deadline) {
    if (!clock_supported(clock))
        return EINVAL;
    return lock_deadline(inside(mutex), deadline, clock);
}

THR_EXPORT int pthread_mutex_timedlock(pthread_mutex_t *mutex, const struct timespec *deadline) {
    return lock_deadline(inside(mutex), deadline, CLOCK_REALTIME);
}

/* ---- unlock */

int mutex_may_unlock(const struct mutex *m) {
    uint32_t kind = a32_load(&m->kind);
    int err = kind_error(kind);
    if (err)
        return err;
    if (mutex_is_libc(m))
        return mutex_libc_may_unlock(m);
    return tracks_owner(kind) && !owned(m) ? -EPERM : 0;
}

/* Short for what nearly always happens, as lock_kinds. */
static __attribute__((noinline)) int unlock_kinds(struct mutex *m) {
    uint32_t kind = a32_load(&m->kind);
    if (unlikely(kind & NOT_WORD)) {
        if (mutex_is_libc(m))
            return -mutex_libc_unlock(m);
        int err = kind_error(kind);
        if (err)
            return -err;
    }
    if (tracks_owner(kind)) {
        if (unlikely(!owned(m)))
            return EPERM;
        if ((kind & MUTEX_TYPE) == PTHREAD_MUTEX_RECURSIVE && --m->count != 0)
            return 0;
        thr_self()->owned--;
    }
    if (unlikely(kind & MUTEX_SAMPLED))
        mutex_word_sample(m);
    disown(m);
    if (unlikely(kind & MUTEX_PROTECT))
        return -mutex_protect_drop(m);
    mutex_word_drop(m);
    return 0;
}

/* Nothing touches the mutex once its word is free: the next owner may destroy it and give its memory back. */
static OUT_OF_LINE int unlock_contended(struct mutex *m) {
    mutex_word_wake(m);
    return 0;
}

THR_EXPORT int pthread_mutex_unlock(pthread_mutex_t *mutex) {
    struct mutex *m = inside(mutex);
    if (unlikely(a32_load(&m->kind) & (NOT_SIMPLE | MUTEX_SAMPLED))) /* relaxed: as pthread_mutex_lock */
        return unlock_kinds(m);
    disown(m);
    if (__libc_single_threaded)
        a32_store(&m->word, 0);                                    /* relaxed: one thread, as mutex_word_drop */
    else if (unlikely(!a32_cas_release(&m->word, WORD_LOCKED, 0))) /* release: pairs with the next acquire */
        return unlock_contended(m);
    return 0;
}
THR_ALIAS(__pthread_mutex_unlock, pthread_mutex_unlock);

/* ---- around a condition wait */

void mutex_unlock_waiting(struct mutex *m) {
    if (mutex_is_libc(m)) {
        mutex_libc_unlock_waiting(m);
        return;
    }
    uint32_t kind = a32_load(&m->kind);
    if ((kind & MUTEX_TYPE) == PTHREAD_MUTEX_RECURSIVE && --m->count != 0)
        return;
    if (tracks_owner(kind))
        thr_self()->owned--;
    if (kind & MUTEX_SAMPLED)
        mutex_word_sample(m);
    a32_store(&m->owner, 0); /* relaxed: as disown */
    if (kind & MUTEX_PROTECT)
        mutex_protect_drop(m);
    else
        mutex_word_drop(m);
}

int mutex_lock_waited(struct mutex *m, bool sleepers) {
    if (mutex_is_libc(m))
        return mutex_libc_lock_waited(m);
    uint32_t kind = a32_load(&m->kind);
    int r = before_lock(m, kind, EDEADLK);
    if (r <= 0)
        return r;
    r = 0;
    if (kind & MUTEX_PROTECT)
        r = mutex_protect_lock_waited(m);
    else if (sleepers || !mutex_word_try(m))
        mutex_word_wait(m, NULL, CLOCK_REALTIME, sleepers);
    count_first(m, kind);
    a32_store(&m->owner, thr_tid()); /* relaxed: as own_slow */
    return r;
}

/* ---- init, destroy, and what belongs to some kinds */

THR_EXPORT int pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attr) {
    uint32_t bits = attr ? *(const uint32_t *)(const void *)attr : 0;
    struct mutex *m = inside(mutex);
    uint32_t protocol = (bits & MUTEXATTR_PROTOCOL) >> MUTEXATTR_PROTOCOL_SHIFT;
    bool protect = protocol == PTHREAD_PRIO_PROTECT;
    if (protect && bits & MUTEXATTR_ROBUST)
        return ENOTSUP; /* the kernel wants the owner's id where the libc has the ceiling */
    if (!protect && (protocol != PTHREAD_PRIO_NONE || bits & MUTEXATTR_ROBUST))
        return -mutex_libc_init(m, attr);
    *m = (struct mutex){.kind = bits & MUTEXATTR_KIND};
    if (bits & MUTEXATTR_SHARED)
        m->kind |= MUTEX_SHARED;
    if (protect) {
        int ceiling;
        pthread_mutexattr_getprioceiling(attr, &ceiling);
        m->kind |= MUTEX_PROTECT;
        mutex_protect_init(m, ceiling);
    }
    return 0;
}
THR_ALIAS(__pthread_mutex_init, pthread_mutex_init);

THR_EXPORT int pthread_mutex_destroy(pthread_mutex_t *mutex) {
    struct mutex *m = inside(mutex);
    if (mutex_is_libc(m))
        return -mutex_libc_destroy(m);
    if (m->nusers != 0)
        return EBUSY;
    a32_store(&m->kind, (uint32_t)MUTEX_DEAD);
    return 0;
}
THR_ALIAS(__pthread_mutex_destroy, pthread_mutex_destroy);

/* A mutex that is not robust is never inconsistent: EINVAL. */
THR_EXPORT int pthread_mutex_consistent(pthread_mutex_t *mutex) {
    struct mutex *m = inside(mutex);
    if (mutex_is_libc(m))
        return -mutex_libc_consistent(m);
    return EINVAL;
}
MUTEX_OLD_NAME(pthread_mutex_consistent_np, pthread_mutex_consistent);

/* ---- priority ceilings */

/* A mutex without PTHREAD_PRIO_PROTECT has no ceiling: EINVAL. */
static int protect_error(const struct mutex *m) {
    uint32_t kind = a32_load(&m->kind);
    return kind & MUTEX_PROTECT ? kind_error(kind) : -EINVAL;
}

THR_EXPORT int pthread_mutex_getprioceiling(const pthread_mutex_t *mutex, int *ceiling) {
    const struct mutex *m = (const struct mutex *)(const void *)mutex;
    int err = protect_error(m);
    if (err == 0)
        *ceiling = mutex_protect_ceiling(m);
    return -err;
}

/* Locking for the change is like locking for use, but the caller may have any priority.  A normal mutex that
 * the caller holds is waited for, for ever. */
static int set_ceiling(struct mutex *m, int ceiling, int *old) {
    int err = protect_error(m);
    if (err < 0 || !mutex_ceiling_valid(ceiling))
        return -EINVAL;
    uint32_t kind = a32_load(&m->kind);
    bool held = tracks_owner(kind) && owned(m);
    if (held && (kind & MUTEX_TYPE) == PTHREAD_MUTEX_ERRORCHECK)
        return -EDEADLK;
    int was = mutex_protect_set_ceiling(m, ceiling, held);
    if (was >= 0 && old)
        *old = was;
    return was < 0 ? was : 0;
}

THR_EXPORT int pthread_mutex_setprioceiling(pthread_mutex_t *mutex, int ceiling, int *old) {
    return -set_ceiling(inside(mutex), ceiling, thr_unpromised(old));
}
