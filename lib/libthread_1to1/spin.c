/*
 * pthread_spin_*.
 *
 * One word, bit-compatible with the libc's, so that a process on either implementation may share the lock.
 * The waiter reads until the word looks free and only then writes: the line stays shared between the waiters
 * while the holder works.  A holder that was preempted is not waited for with a busy CPU for ever: after
 * SPINS looks each further one is preceded by a sched_yield, which lets it run when it waits for this very
 * CPU.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "thr.h"

#include <errno.h>

#include "cpu.h"
#include "spinword.h"
#include "sys.h"

enum { SPINS = 2000 };

static uint32_t *word_of(pthread_spinlock_t *lock) {
    return (uint32_t *)(uintptr_t)lock;
}

static bool try_take(uint32_t *word) {
    /* acquire: pairs with the release in pthread_spin_unlock */
    return a32_cas_acquire(word, SPINWORD_FREE, SPINWORD_TAKEN);
}

THR_EXPORT int pthread_spin_init(pthread_spinlock_t *lock, int pshared) {
    (void)pshared; /* the word works in both cases */
    a32_store(word_of(lock), SPINWORD_FREE);
    return 0;
}

THR_EXPORT int pthread_spin_destroy(pthread_spinlock_t *lock) {
    (void)lock;
    return 0;
}

static void lock_contended(uint32_t *word) {
    int spins = 0;
    do {
        while (!spinword_is_free(a32_load(word))) { /* relaxed: the exchange that follows orders */
            if (++spins < SPINS)
                cpu_relax();
            else
                sys(SYS_sched_yield);
        }
    } while (!try_take(word));
}

THR_EXPORT int pthread_spin_lock(pthread_spinlock_t *lock) {
    uint32_t *word = word_of(lock);
    if (unlikely(!try_take(word)))
        lock_contended(word);
    return 0;
}

THR_EXPORT int pthread_spin_trylock(pthread_spinlock_t *lock) {
    return try_take(word_of(lock)) ? 0 : EBUSY;
}

THR_EXPORT int pthread_spin_unlock(pthread_spinlock_t *lock) {
    a32_store_release(word_of(lock), SPINWORD_FREE); /* release: pairs with try_take's acquire */
    return 0;
}
