/*
 * Semaphores under random delays, signals, timeouts and cancellation: no post is lost and none is taken
 * twice.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <time.h>

#include "random.h"
#include "tap.h"

enum { WAITERS = 3, POSTERS = 2 };

static sem_t sem;
static long posted, taken, gave_up, interrupted; /* atomic */
static int stop; /* atomic */

static void *waiter(void *arg) {
    unsigned s = (unsigned)(long)arg + 1;
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        struct timespec t;
        clockid_t clock = random_next(&s) % 2 ? CLOCK_REALTIME : CLOCK_MONOTONIC;
        clock_gettime(clock, &t);
        t.tv_nsec += random_next(&s) % 100000;
        if (t.tv_nsec >= 1000000000) {
            t.tv_nsec -= 1000000000;
            t.tv_sec++;
        }
        int r = random_next(&s) % 4 == 0   ? sem_wait(&sem)
                : random_next(&s) % 8 == 0 ? sem_trywait(&sem)
                                   : sem_clockwait(&sem, clock, &t);
        if (r == 0)
            __sync_fetch_and_add(&taken, 1);
        else
            __sync_fetch_and_add(errno == EINTR ? &interrupted : &gave_up, 1);
    }
    return NULL;
}

static void *poster(void *arg) {
    unsigned s = (unsigned)(long)arg + 100;
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        if (sem_post(&sem) == 0)
            __sync_fetch_and_add(&posted, 1);
        unsigned r = random_next(&s) % 256;
        if (r < 8)
            sched_yield();
        else
            for (volatile unsigned i = 0; i < r; i++)
                ;
        int v;
        sem_getvalue(&sem, &v);
        if (v > 4)
            sched_yield();
    }
    return NULL;
}

static void handler(int sig) {
    (void)sig;
    if (sem_post(&sem) == 0)
        __sync_fetch_and_add(&posted, 1);
}

static void everything(void) {
    pthread_t w[WAITERS], p[POSTERS];
    struct sigaction sa = {.sa_handler = handler};
    sigaction(SIGUSR1, &sa, NULL);
    sem_init(&sem, 0, 0);
    for (long i = 0; i < WAITERS; i++)
        pthread_create(&w[i], NULL, waiter, (void *)i);
    for (long i = 0; i < POSTERS; i++)
        pthread_create(&p[i], NULL, poster, (void *)i);
    int n = (int)(1000 * scale());
    for (int i = 0; i < n; i++) {
        usleep(500);
        pthread_kill(w[i % WAITERS], SIGUSR1);
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < POSTERS; i++)
        pthread_join(p[i], NULL);
    for (int i = 0; i < WAITERS; i++) /* for those in sem_wait */
        sem_post(&sem);
    for (int i = 0; i < WAITERS; i++)
        pthread_join(w[i], NULL);
    int v;
    sem_getvalue(&sem, &v);
    is(taken + v, posted + WAITERS,
       "%ld posts: each is taken once or is there still (%ld timeouts, %ld signals)", posted, gave_up,
       interrupted);
    is((long)((uint32_t *)&sem)[1], 0, "nobody is counted as waiting");
}

/* Cancelled at any moment: either it took the post and says so, or the post is still there. */
static volatile int took;
static void *cancelled(void *arg) {
    sem_wait(&sem);
    took = 1;
    return arg;
}
static void cancellation(void) {
    int bad = 0, n = (int)(3000 * scale()), acted = 0;
    unsigned s = 7;
    sem_init(&sem, 0, 0);
    for (int i = 0; i < n; i++) {
        pthread_t t;
        void *r;
        int v;
        took = 0;
        pthread_create(&t, NULL, cancelled, NULL);
        for (volatile unsigned d = random_next(&s) % 20000; d > 0; d--)
            ;
        sem_post(&sem);
        for (volatile unsigned d = random_next(&s) % 2000; d > 0; d--)
            ;
        pthread_cancel(t);
        pthread_join(t, &r);
        sem_getvalue(&sem, &v);
        bad += v != !took;
        bad += ((uint32_t *)&sem)[1] != 0;
        acted += r == PTHREAD_CANCELED;
        while (v-- > 0)
            sem_trywait(&sem);
    }
    is(bad, 0, "cancelled %d times of %d: no post is lost with its taker", acted, n);
}

/* The semaphore lies in memory that the waiter unmaps. */
static sem_t *volatile gone;
static void *post_once(void *arg) {
    sem_post(arg);
    return NULL;
}
static void destruction(void) {
    int n = (int)(1500 * scale()), bad = 0;
    unsigned s = 3;
    for (int i = 0; i < n; i++) {
        gone = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        sem_init(gone, 0, 0);
        pthread_t t;
        pthread_create(&t, NULL, post_once, (void *)gone);
        for (volatile unsigned d = random_next(&s) % 30000; d > 0; d--)
            ;
        bad += sem_wait(gone) != 0;
        munmap((void *)gone, 4096);
        pthread_join(t, NULL);
    }
    is(bad, 0, "unmapped %d times by who waited for the last post", n);
}

int main(void) {
    everything();
    cancellation();
    destruction();
    return done();
}
