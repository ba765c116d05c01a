/*
 * Mutexes that the forking thread holds while others wait for them, awake or asleep: in the child they are its
 * own, and nobody waits; unlocking one wakes the child's threads.
 */
#include <pthread.h>
#include <sys/wait.h>
#include <time.h>

#include "../tap.h"

enum { FORKS = 20, THREADS = 2 };

static pthread_mutex_t m[FORKS]; /* one for each fork: what was learnt about the last is forgotten */
static pthread_mutex_t *volatile current = &m[0];
static volatile int stop;

/* Waits all the time, but never long: the fork is to find it in every state of waiting. */
static void *disturber(void *arg) {
    static const struct timespec past = {1, 0};
    while (!stop)
        pthread_mutex_timedlock(current, &past);
    return arg;
}

static void *locker(void *arg) {
    pthread_mutex_lock(current);
    usleep(100);
    pthread_mutex_unlock(current);
    return arg;
}

static int in_child(void) {
    pthread_t t[THREADS];
    alarm(5);
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&t[i], NULL, locker, NULL) != 0)
            return 1;
    usleep(2000); /* they sleep now */
    if (pthread_mutex_unlock(current) != 0)
        return 2;
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    return pthread_mutex_destroy(current) != 0 ? 3 : 0;
}

int main(void) {
    pthread_t t;
    int bad = 0;
    for (int i = 0; i < FORKS; i++) {
        pthread_mutex_init(&m[i], NULL);
        pthread_mutex_lock(&m[i]);
    }
    pthread_create(&t, NULL, disturber, NULL);
    for (int i = 0; i < FORKS && !bad; i++) {
        current = &m[i];
        usleep(100);
        pid_t pid = fork();
        if (pid == 0)
            _exit(in_child());
        waitpid(pid, &bad, 0);
    }
    is(bad, 0, "the children's threads get the mutex");
    stop = 1;
    pthread_join(t, NULL);
    return done();
}
