/*
 * sem_*: unnamed semaphores, and everything on named ones but opening and closing.
 *
 * Guarantee.  The value never drops below zero and no post is lost: as long as the value is positive, no
 * waiter sleeps on without a wake-up under way.  Post is async-signal-safe, and its last access to the
 * semaphore is the operation that makes the post visible: who waits for the last post may destroy it at
 * once.
 *
 * The naive design (a value; post always wakes; or a separate count of waiters) pays a system call per post,
 * or fails: with the count in a word of its own, post must look at that word after the value has changed,
 * when the semaphore may be gone already; and a look before the change can miss a waiter who comes in
 * between.
 *
 * Design, the libc's: value and number of waiters are the halves of one 64-bit word.
 *
 *   operation        step                                               order
 *   post             value + 1, one CAS; the word it replaced tells     release; pairs with every take
 *                    whether to wake one
 *   take             value - 1, CAS, if value > 0                       acquire
 *   wait, slow       waiters + 1; then until it succeeds: take with     relaxed; acquire on the take
 *                    waiters - 1 in the same CAS, or sleep on value 0
 *   give up          waiters - 1 (timeout, signal, cancel)              relaxed
 *
 * No lost wake-up: a sleeper is counted before it looks at the value, in the word that post changes.  Either
 * post comes first and the sleeper's look (the kernel's comparison at the latest) sees a positive value; or
 * the sleeper is counted first and post wakes one.  A woken sleeper that gives up leaves no harm: the value
 * stays positive, and whoever else sleeps was woken by the post that made it so or comes to look at the
 * value by itself -- except that a wake-up meant for one sleeper may be taken by another that gives up at
 * that moment.  The kernel takes a sleeper off the queue either by wake-up or by timeout or signal, never by
 * both, and a woken one looks at the value before it thinks of giving up; so that does not happen.
 *
 * Before counting itself a waiter looks at the value for up to 10 us (spinwait.h): against a partner
 * on another CPU neither side then needs the kernel.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "thr.h"

#include <errno.h>
#include <limits.h>

#include "clock.h"
#include "sem.h"
#include "spinwait.h"
#include "umtx.h"

#define WAITER ((uint64_t)1 << 32)

static __thread struct spinwait history __attribute__((tls_model("initial-exec")));

static struct sem *sem_of(const sem_t *s) {
    return (struct sem *)(uintptr_t)s;
}

static uint32_t value_of(uint64_t data) {
    return (uint32_t)data;
}

static uint32_t *value_word(struct sem *s) {
    return (uint32_t *)&s->data; /* the low half: both supported architectures are little-endian */
}
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "value_word() takes the first half");

static int umtx_flags(const struct sem *s) {
    return s->shared ? UMTX_SHARED : UMTX_PRIVATE;
}

/* The libc's way to report: -1 and errno. */
static int result(int negative_errno) {
    if (likely(negative_errno == 0))
        return 0;
    errno = -negative_errno;
    return -1;
}

THR_EXPORT int sem_init(sem_t *sem, int pshared, unsigned value) {
    if (value > SEM_VALUE_MAX)
        return result(-EINVAL);
    sem_fill(sem_of(sem), value, pshared ? SEM_SHARED : 0);
    return 0;
}

THR_EXPORT int sem_destroy(sem_t *sem) {
    (void)sem;
    return 0;
}

THR_EXPORT int sem_getvalue(sem_t *sem, int *value) {
    *value = (int)value_of(a64_load(&sem_of(sem)->data)); /* relaxed: a value that was right at some moment */
    return 0;
}

/*
 * Takes one if there is one; the caller is among the waiters if `mine` is WAITER, and no longer after
 * success.
 */
static bool try_take(struct sem *s, uint64_t mine) {
    uint64_t data = a64_load(&s->data); /* relaxed: only a guess for the exchange */
    while (value_of(data) > 0) {
        /* acquire: pairs with the release of the post that we take */
        uint64_t seen = a64_fetch_cas_acquire(&s->data, data, data - 1 - mine);
        if (seen == data)
            return true;
        data = seen;
    }
    return false;
}

THR_EXPORT int sem_trywait(sem_t *sem) {
    return result(try_take(sem_of(sem), 0) ? 0 : -EAGAIN);
}

THR_EXPORT int sem_post(sem_t *sem) {
    struct sem *s = sem_of(sem);
    int flags = umtx_flags(s);          /* before the exchange: after it the semaphore may be gone */
    uint64_t data = a64_load(&s->data); /* relaxed: only a guess for the exchange */
    for (;;) {
        if (value_of(data) == SEM_VALUE_MAX)
            return result(-EOVERFLOW);
        /* full, of which release: pairs with try_take's acquire */
        uint64_t seen = a64_fetch_cas_full(&s->data, data, data + 1);
        if (seen == data)
            break;
        data = seen;
    }
    if (data >= WAITER)
        umtx_wake(value_word(s), 1, flags);
    return 0;
}

__attribute__((noinline)) static int wait_slow(struct sem *s, const struct timespec *deadline,
                                               clockid_t clock) {
    if (spinwait_event(&history, value_word(s), 0) && try_take(s, 0))
        return 0;
    a64_add(&s->data, WAITER); /* relaxed: the word orders itself; see "no lost wake-up" */
    for (;;) {
        if (try_take(s, WAITER))
            return 0;
        int r = umtx_wait(value_word(s), 0, deadline, clock, umtx_flags(s) | UMTX_CANCELPOINT);
        if (r == -EINTR || r == -ETIMEDOUT || r == -ECANCELED) {
            a64_add(&s->data, -WAITER); /* relaxed: as above */
            if (r == -ECANCELED)
                thr_cancel_act();
            return r;
        }
    }
}

THR_EXPORT int sem_wait(sem_t *sem) {
    pthread_testcancel(); /* POSIX: a point even when there is nothing to wait for */
    if (likely(try_take(sem_of(sem), 0)))
        return 0;
    return result(wait_slow(sem_of(sem), NULL, CLOCK_REALTIME));
}

static int wait_deadline(struct sem *s, clockid_t clock, const struct timespec *deadline) {
    if (!clock_supported(clock) || !clock_valid(deadline))
        return -EINVAL;
    pthread_testcancel();
    return try_take(s, 0) ? 0 : wait_slow(s, deadline, clock);
}

THR_EXPORT int sem_timedwait(sem_t *restrict sem, const struct timespec *restrict deadline) {
    return result(wait_deadline(sem_of(sem), CLOCK_REALTIME, deadline));
}

THR_EXPORT int sem_clockwait(sem_t *restrict sem, clockid_t clock, const struct timespec *restrict deadline) {
    return result(wait_deadline(sem_of(sem), clock, deadline));
}
