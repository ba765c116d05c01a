/* lib/libmn/sync/olock.h */
#include "unit.h"

#include <signal.h>

#include "sync/olock.h"

static struct mni_olock lock;

Test(olock, take_try_drop) {
    mni_lock_take(&lock);
    cr_assert_eq(lock.word, 1);
    cr_assert_not(mni_lock_try(&lock));
    mni_lock_drop(&lock);
    cr_assert_eq(lock.word, 0);
    cr_assert(mni_lock_try(&lock));
    mni_lock_drop(&lock);
    cr_assert_eq(lock.word, 0);
}

Test(olock, solo) {
    mni_solo_word = 1;
    mni_lock_take(&lock);
    cr_assert_eq(lock.word, 1);
    cr_assert_not(mni_lock_try(&lock));
    mni_lock_drop(&lock);
    cr_assert_eq(lock.word, 0);
}

/* Alone, nobody else could give it back. */
Test(olock, solo_taken_twice, .signal = SIGABRT) {
    mni_solo_word = 1;
    mni_lock_take(&lock);
    mni_lock_take(&lock);
}

enum { CREW = 8, ROUNDS = 20000 };
static long counter;
static volatile unsigned inside;

static void stress_body(unsigned index, uint32_t *random) {
    for (long i = 0; i < scaled(ROUNDS) / 10; i++) {
        if ((random_next(random) & 7) == 0) {
            while (!mni_lock_try(&lock))
                sched_yield();
        } else {
            mni_lock_take(&lock);
        }
        if (inside != 0)
            cr_assert_fail("two holders: %u and %u", index, inside - 1);
        inside = index + 1;
        counter++;
        random_delay(random);
        if (inside != index + 1)
            cr_assert_fail("another holder came in");
        inside = 0;
        mni_lock_drop(&lock);
        random_delay(random);
    }
}

Test(olock, one_holder_at_a_time, .timeout = 100) {
    crew(CREW, stress_body);
    cr_assert_eq(counter, CREW * (scaled(ROUNDS) / 10));
    cr_assert_eq(lock.word, 0);
}

/* Without delays: mostly the short waits. */
static void busy_body(unsigned index, uint32_t *random) {
    (void)index, (void)random;
    for (long i = 0; i < scaled(200000) / 10; i++) {
        mni_lock_take(&lock);
        counter++;
        mni_lock_drop(&lock);
    }
}

Test(olock, busy, .timeout = 100) {
    crew(CREW, busy_body);
    cr_assert_eq(counter, CREW * (scaled(200000) / 10));
    cr_assert_eq(lock.word, 0);
}

static void *waits(void *arg) {
    struct timespec t;
    mni_lock_take(&lock);
    mni_lock_drop(&lock);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    *(long *)arg = t.tv_sec * 1000000000L + t.tv_nsec;
    return NULL;
}

/* A waiter sleeps in the kernel, is woken, and has used next to no CPU time. */
static void check_sleeper(void) {
    pthread_t thread;
    long cpu = -1;
    mni_lock_take(&lock);
    cr_assert_eq(pthread_create(&thread, NULL, waits, &cpu), 0);
    for (int i = 0; a32_load(&mni_olock_bed(&lock)->call) == 0; i++) {
        struct timespec t = {0, 1000000};
        nanosleep(&t, NULL);
        cr_assert(i < 30000, "it never went to sleep");
    }
    struct timespec t = {0, 200000000};
    nanosleep(&t, NULL);
    mni_lock_drop(&lock);
    pthread_join(thread, NULL);
    cr_assert(cpu >= 0 && cpu < 50000000, "%ld ns of CPU in 200 ms of waiting", cpu);
    cr_assert_eq(lock.word, 0);
}

/* Nobody has registered for membarrier here: the waiter takes naps. */
Test(olock, sleeper_is_woken, .timeout = 60) {
    check_sleeper();
}

Test(olock, sleeper_is_woken_by_barrier, .timeout = 60) {
    mni_heavy_barrier_start();
    check_sleeper();
}

Test(olock, one_holder_by_barrier, .timeout = 100) {
    mni_heavy_barrier_start();
    crew(CREW, stress_body);
    cr_assert_eq(counter, CREW * (scaled(ROUNDS) / 10));
    cr_assert_eq(lock.word, 0);
}
