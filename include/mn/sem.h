/*
 * mn/sem.h: counting semaphores.
 *
 * One that is {0} is ready for use and has the value 0; MN_SEM_INIT(n) gives it another.  Who waits gets a unit
 * in the order of coming; a unit goes from the poster to the waiter, and nobody overtakes.
 */
#ifndef MN_SEM_H
#define MN_SEM_H

#include <mn/object.h>
#include <mn/time.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MN_SEM_MAX 0x7fffffffu

struct mn_sem {
    uint32_t word, lock;
    struct mn_waiters queue;
};

#define MN_SEM_INIT(value) {(uint32_t)(value) << 1, 0, {0, 0}}

/* -EINVAL: value is more than MN_SEM_MAX.  Contexts: any. */
int mn_sem_init(struct mn_sem *sem, uint32_t value);

/* -EBUSY: threads wait; it stays valid.  Contexts: any. */
int mn_sem_destroy(struct mn_sem *sem);

/*
 * Takes a unit, when there is one.
 *   -ETIMEDOUT   the deadline passed first
 *   -ECANCELED   (also when there are units)
 * Contexts: any.
 */
int mn_sem_wait(struct mn_sem *sem);
int mn_sem_wait_until(struct mn_sem *sem, int64_t deadline);

/* -EAGAIN: there is no unit.  Contexts: any. */
int mn_sem_trywait(struct mn_sem *sem);

/* Adds a unit.  -EOVERFLOW: there are MN_SEM_MAX.  Never blocks; who takes the unit may destroy it.
 * Contexts: any. */
int mn_sem_post(struct mn_sem *sem);

/* How many units there are.  Contexts: any, signal. */
uint32_t mn_sem_value(const struct mn_sem *sem);

#ifdef __cplusplus
}
#endif

#endif
