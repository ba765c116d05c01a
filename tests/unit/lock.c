/* lib/base/lock.h */
#include "unit.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lock.h"

static struct lock lock = LOCK_INIT(RANK_LEAF);

static void take(void) {
    lock_take(&lock);
}
static bool try(void) {
    return lock_try(&lock);
}
static void drop(void) {
    lock_drop(&lock);
}
#include "one_holder.h"

Test(lock, take_try_drop) {
    lock_take(&lock);
    cr_assert_eq(lock.word, 1);
    lock_drop(&lock);
    cr_assert_eq(lock.word, 0);
    cr_assert(lock_try(&lock));
    cr_assert_eq(lock.word, 1);
    lock_drop(&lock);
    cr_assert(lock_try(&lock));
    lock_reset(&lock);
    cr_assert_eq(lock.word, 0);
}

static void try_body(unsigned index, uint32_t *random) {
    (void)index, (void)random;
    cr_assert_not(lock_try(&lock));
}

Test(lock, try_of_a_held_lock) {
    lock_take(&lock);
    crew(2, try_body);
    lock_drop(&lock);
}

Test(lock, one_holder_at_a_time, .timeout = 100) {
    check_one_holder();
    cr_assert_eq(lock.word, 0);
}

static void *late(void *arg) {
    lock_take(&lock);
    *(int *)arg = 1;
    lock_drop(&lock);
    return NULL;
}

/* A waiter that sleeps in the kernel is woken; errno stays what it was. */
Test(lock, sleeper_is_woken, .timeout = 60) {
    pthread_t thread;
    int done = 0;
    lock_take(&lock);
    cr_assert_eq(pthread_create(&thread, NULL, late, &done), 0);
    for (int i = 0; a32_load(&lock.word) != 2; i++) {
        struct timespec t = {0, 1000000};
        nanosleep(&t, NULL);
        cr_assert(i < 30000, "it never went to sleep");
    }
    errno = 99;
    lock_drop(&lock);
    cr_assert_eq(errno, 99);
    pthread_join(thread, NULL);
    cr_assert_eq(done, 1);
    cr_assert_eq(lock.word, 0);
}

/* A holder that does not run is not spun on: the waiter uses next to no CPU time. */
static void *waits(void *arg) {
    struct timespec t;
    lock_take(&lock);
    lock_drop(&lock);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    *(long *)arg = t.tv_sec * 1000000000L + t.tv_nsec;
    return NULL;
}

Test(lock, does_not_spin_on_a_sleeping_holder, .timeout = 60) {
    pthread_t thread;
    long cpu = 0;
    struct timespec t = {0, 200000000};
    lock_take(&lock);
    cr_assert_eq(pthread_create(&thread, NULL, waits, &cpu), 0);
    nanosleep(&t, NULL);
    lock_drop(&lock);
    pthread_join(thread, NULL);
    cr_assert(cpu < 50000000, "%ld ns of CPU in 200 ms of waiting", cpu);
}

Test(lock, reset_in_the_child_of_a_fork) {
    lock_take(&lock);
    pid_t pid = fork();
    if (pid == 0) {
        lock_reset(&lock);
#ifdef OD_LOCK_RANKS
        lock_rank_pop(&lock); /* the forking thread held it */
#endif
        lock_take(&lock);
        lock_drop(&lock);
        _exit(lock.word == 0 ? 0 : 1);
    }
    int status;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert_eq(status, 0);
    lock_drop(&lock);
}

#ifdef OD_LOCK_RANKS
static struct lock low = LOCK_INIT(RANK_REGISTRY), high = LOCK_INIT(RANK_STACK), none;

Test(lock, rising_ranks) {
    lock_take(&low);
    lock_take(&high);
    lock_drop(&low); /* any order of release */
    lock_drop(&high);
    lock_take(&low);
    lock_take(&high);
    lock_drop(&high);
    lock_drop(&low);
}
Test(lock, falling_ranks, .signal = SIGABRT) {
    lock_take(&high);
    lock_take(&low);
}
Test(lock, same_rank_twice, .signal = SIGABRT) {
    struct lock other = LOCK_INIT(RANK_STACK);
    lock_take(&high);
    lock_take(&other);
}
Test(lock, try_out_of_rank, .signal = SIGABRT) {
    lock_take(&high);
    lock_try(&low);
}
Test(lock, drop_of_a_free_lock, .signal = SIGABRT) {
    lock_drop(&low);
}
Test(lock, lock_without_a_rank, .signal = SIGABRT) {
    lock_take(&none);
}
#endif
