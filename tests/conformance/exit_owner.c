/*
 * A thread that ends while it owns a lock leaves it locked: no later thread is taken for the owner, whatever it
 * has in common with the former one (kernel id, handle, stack).
 */
#include "life.h"

static pthread_mutex_t mutex;
static pthread_rwlock_t rwlock;

static void *take_mutex(void *arg) {
    (void)arg;
    return (void *)(intptr_t)pthread_mutex_lock(&mutex);
}

static void *take_rwlock(void *arg) {
    (void)arg;
    return (void *)(intptr_t)pthread_rwlock_wrlock(&rwlock);
}

/* EBUSY from a try; the owner would get 0 (recursive) or be told to unlock. */
static void *look_at_mutex(void *arg) {
    (void)arg;
    int r = pthread_mutex_trylock(&mutex);
    return (void *)(intptr_t)(r == 0 ? -1 : r);
}

static void *unlock_mutex(void *arg) {
    (void)arg;
    return (void *)(intptr_t)pthread_mutex_unlock(&mutex);
}

/* A deadlock is an error only for the owner; for others the time is up. */
static void *look_at_rwlock(void *arg) {
    (void)arg;
    struct timespec past = {0, 0};
    return (void *)(intptr_t)pthread_rwlock_timedwrlock(&rwlock, &past);
}

static long worst(void *(*look)(void *), long want) {
    for (int i = 0; i < 40; i++) {
        long got = (long)(intptr_t)must_join(must_create(NULL, look, NULL));
        if (got != want)
            return got;
    }
    return want;
}

static void of_kind(int kind, const char *name) {
    pthread_mutexattr_t a;
    pthread_mutexattr_init(&a);
    pthread_mutexattr_settype(&a, kind);
    pthread_mutex_init(&mutex, &a);
    is((long)(intptr_t)must_join(must_create(NULL, take_mutex, NULL)), 0, "a thread locks a %s mutex and ends",
       name);
    is(worst(look_at_mutex, EBUSY), EBUSY, "it stays locked for forty later threads");
    is(worst(unlock_mutex, EPERM), EPERM, "none of which may unlock it");
}

int main(void) {
    of_kind(PTHREAD_MUTEX_RECURSIVE, "recursive");
    of_kind(PTHREAD_MUTEX_ERRORCHECK, "errorcheck");
    pthread_rwlock_init(&rwlock, NULL);
    is((long)(intptr_t)must_join(must_create(NULL, take_rwlock, NULL)), 0,
       "a thread locks for writing and ends");
    is(worst(look_at_rwlock, ETIMEDOUT), ETIMEDOUT, "it stays locked for forty later threads");
    return done();
}
