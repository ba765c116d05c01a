/* lib/libmn/sync/olock.h */
#include "unit.h"

#include <signal.h>

#include "sync/olock.h"

static struct mni_olock lock;

static void take(void) {
    mni_lock_take(&lock);
}
static bool try(void) {
    return mni_cas32(&lock.word, 0, 1);
}
static void drop(void) {
    mni_lock_drop(&lock);
}
#include "one_holder.h"

Test(olock, take_try_drop) {
    mni_lock_take(&lock);
    cr_assert_eq(lock.word, 1);
    cr_assert_not(try());
    mni_lock_drop(&lock);
    cr_assert_eq(lock.word, 0);
    cr_assert(try());
    mni_lock_drop(&lock);
    cr_assert_eq(lock.word, 0);
}

Test(olock, solo) {
    mni_solo_word = 1;
    mni_lock_take(&lock);
    cr_assert_eq(lock.word, 1);
    cr_assert_not(try());
    mni_lock_drop(&lock);
    cr_assert_eq(lock.word, 0);
}

/* Alone, nobody else could give it back. */
Test(olock, solo_taken_twice, .signal = SIGABRT) {
    mni_solo_word = 1;
    mni_lock_take(&lock);
    mni_lock_take(&lock);
}

Test(olock, one_holder_at_a_time, .timeout = 100) {
    check_one_holder();
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
    check_one_holder();
    cr_assert_eq(lock.word, 0);
}
