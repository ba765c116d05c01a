/* workers: 1 2 64 */
/*
 * Hundreds of threads block in the libc at once, and come back at once, again and again; others go on
 * meanwhile, exactly.
 *
 * Each thread counts its calls and locks a mutex between them, so that LWPs that come back meet in the runtime.
 * At the end every count is right, the LWPs were never more than allowed, and the library's memory is not
 * touched by any of them.
 */
#include <mn.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "tap.h"

enum { THREADS = 300, MOST_LWPS = 200 };

static struct mn_mutex mutex;
static unsigned long total; /* guarded by mutex */
static uint32_t ready, over;
static int gate[2], rounds;

static void *block(void *arg) {
    unsigned long n = 0;
    char c;
    for (int i = 0; i < rounds; i++) {
        if ((i + (long)arg) % 2)
            usleep(100 + (unsigned)((long)arg * 7919 % 3000));
        else
            mn_yield();
        mn_mutex_lock(&mutex);
        total++;
        mn_mutex_unlock(&mutex);
        n++;
    }
    /* All wait in read(), as far as there are LWPs, and are let go by one write. */
    __atomic_add_fetch(&ready, 1, __ATOMIC_RELEASE);
    while (read(gate[0], &c, 1) != 1)
        continue;
    mn_mutex_lock(&mutex);
    total++;
    mn_mutex_unlock(&mutex);
    __atomic_add_fetch(&over, 1, __ATOMIC_RELEASE);
    return (void *)(n + 1);
}

/* All LWPs that there may be are in read() then, the runtime's only way on among them. */
static void *let_go(void *arg) {
    static const char bytes[THREADS];
    while (__atomic_load_n(&ready, __ATOMIC_ACQUIRE) < MOST_LWPS / 2)
        usleep(1000);
    usleep(20000);
    ok(write(gate[1], bytes, sizeof bytes) == sizeof bytes, "those that have come so far come back at once");
    return arg;
}

static int test(void *arg) {
    (void)arg;
    static mn_thread t[THREADS];
    pthread_t lwp;
    unsigned long sum = 0;
    bool started = true;
    rounds = (int)(20 * scale());
    ok(pipe(gate) == 0, "pipe");
    for (long i = 0; i < THREADS; i++)
        started &= mn_go(&t[i], block, (void *)i) == 0;
    ok(started, "%d threads are started", THREADS);
    ok(pthread_create(&lwp, NULL, let_go, NULL) == 0, "a foreign LWP will let them go");
    for (int i = 0; i < THREADS; i++) {
        void *n;
        if (mn_join(t[i], &n) == 0)
            sum += (unsigned long)n;
    }
    is((long)sum, (long)THREADS * (rounds + 1), "each thread did its rounds");
    is((long)total, (long)sum, "and all of them together");
    is((long)over, THREADS, "all came back");
    pthread_join(lwp, NULL);
    return 0;
}

int main(void) {
    char most[16];
    snprintf(most, sizeof most, "%d", MOST_LWPS);
    setenv("MN_MAX_LWPS", most, 1);
    ok(mn_run(test, NULL, NULL) == 0, "the runtime ends");
    return done();
}
