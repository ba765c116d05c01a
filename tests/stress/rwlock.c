/* Read-write locks under all mixes of calls, kinds and sharing: exclusion, no lost wake-up, right count. */
/* timeout: 120 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <time.h>

#include "random.h"
#include "tap.h"

enum { THREADS = 6 };

static pthread_rwlock_t lock;
static long writers_in, readers_in; /* atomic: who is inside, by our own count */
static long a, b;                   /* written by writers only; equal outside */
static long writes, bad, timeouts;  /* atomic but for writes */
static int rounds, write_percent, recursive_reads;

static void dawdle(unsigned *s) {
    unsigned r = random_next(s) % 64;
    if (r == 0)
        sched_yield();
    else
        for (volatile unsigned i = 0; i < r; i++)
            ;
}

static struct timespec soon(unsigned *s, clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    t.tv_nsec += random_next(s) % 200000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_nsec -= 1000000000;
        t.tv_sec++;
    }
    return t;
}

static int take(unsigned *s, int write) {
    struct timespec t;
    switch (random_next(s) % 5) {
    case 0:
        return write ? pthread_rwlock_trywrlock(&lock) : pthread_rwlock_tryrdlock(&lock);
    case 1:
        t = soon(s, CLOCK_REALTIME);
        return write ? pthread_rwlock_timedwrlock(&lock, &t) : pthread_rwlock_timedrdlock(&lock, &t);
    case 2:
        t = soon(s, CLOCK_MONOTONIC);
        return write ? pthread_rwlock_clockwrlock(&lock, CLOCK_MONOTONIC, &t)
                     : pthread_rwlock_clockrdlock(&lock, CLOCK_MONOTONIC, &t);
    default:
        return write ? pthread_rwlock_wrlock(&lock) : pthread_rwlock_rdlock(&lock);
    }
}

static void wrong(void) {
    __sync_fetch_and_add(&bad, 1);
}

static void *body(void *arg) {
    unsigned s = (unsigned)(long)arg * 7919 + 1;
    for (int i = 0; i < rounds; i++) {
        int write = (int)(random_next(&s) % 100) < write_percent;
        int r = take(&s, write);
        if (r == ETIMEDOUT || r == EBUSY) {
            __sync_fetch_and_add(&timeouts, 1);
            continue;
        }
        if (r != 0) {
            wrong();
            continue;
        }
        if (write) {
            if (__sync_fetch_and_add(&writers_in, 1) != 0 || readers_in != 0)
                wrong();
            a++;
            dawdle(&s);
            b++;
            writes++;
            __sync_fetch_and_sub(&writers_in, 1);
        } else {
            __sync_fetch_and_add(&readers_in, 1);
            if (*(volatile long *)&writers_in != 0 || *(volatile long *)&a != *(volatile long *)&b)
                wrong();
            if (recursive_reads && random_next(&s) % 4 == 0) {
                if (pthread_rwlock_rdlock(&lock) != 0 || pthread_rwlock_unlock(&lock) != 0)
                    wrong();
            }
            dawdle(&s);
            if (*(volatile long *)&a != *(volatile long *)&b)
                wrong();
            __sync_fetch_and_sub(&readers_in, 1);
        }
        if (pthread_rwlock_unlock(&lock) != 0)
            wrong();
    }
    return NULL;
}

static void run(int kind, int pshared, int percent) {
    pthread_rwlockattr_t attr;
    pthread_rwlockattr_init(&attr);
    pthread_rwlockattr_setkind_np(&attr, kind);
    pthread_rwlockattr_setpshared(&attr, pshared);
    pthread_rwlock_init(&lock, &attr);
    write_percent = percent;
    recursive_reads = kind != PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP;
    bad = writes = timeouts = a = b = 0;
    pthread_t t[THREADS];
    for (long i = 0; i < THREADS; i++)
        pthread_create(&t[i], NULL, body, (void *)(i + 1));
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    ok(bad == 0 && a == b && a == writes,
       "kind %d, pshared %d, %d%% writes: %ld written, %ld gave up, %ld wrong", kind, pshared, percent, writes,
       timeouts, bad);
    is(pthread_rwlock_trywrlock(&lock), 0, "free at the end");
    is(pthread_rwlock_unlock(&lock), 0, "unlock");
    is(pthread_rwlock_destroy(&lock), 0, "destroy");
}

int main(void) {
    static const int percents[] = {0, 1, 10, 50, 100};
    rounds = (int)(20000 * scale());
    for (int kind = 0; kind < 3; kind++) {
        for (int pshared = 0; pshared < 2; pshared++) {
            for (unsigned p = 0; p < sizeof percents / sizeof *percents; p++)
                run(kind, pshared, percents[p]);
        }
    }
    return done();
}
