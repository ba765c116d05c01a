/* models: 1to1 */
/* A condition variable on which threads wait when the process forks: the child finds it empty and usable. */
#include <errno.h>
#include <pthread.h>
#include <sys/wait.h>
#include <time.h>

#include "../tap.h"

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static int waiting, go, seen;

static void *waiter(void *arg) {
    (void)arg;
    pthread_mutex_lock(&m);
    waiting++;
    while (!go)
        pthread_cond_wait(&c, &m);
    seen++;
    pthread_mutex_unlock(&m);
    return NULL;
}

static int in_child(void) {
    pthread_t t;
    static const struct timespec past = {1, 0};
    waiting = 0;
    if (pthread_cond_signal(&c) != 0 || pthread_cond_broadcast(&c) != 0)
        return 1;
    if (pthread_cond_timedwait(&c, &m, &past) != ETIMEDOUT)
        return 2;
    pthread_mutex_unlock(&m);
    if (pthread_create(&t, NULL, waiter, NULL) != 0)
        return 3;
    for (;;) {
        pthread_mutex_lock(&m);
        if (waiting == 1)
            break;
        pthread_mutex_unlock(&m);
        usleep(100);
    }
    go = 1;
    pthread_cond_signal(&c);
    pthread_mutex_unlock(&m);
    pthread_join(t, NULL);
    if (seen != 1)
        return 4;
    return pthread_cond_destroy(&c) != 0 ? 5 : 0;
}

int main(void) {
    enum { N = 3 };
    pthread_t t[N];
    for (int i = 0; i < N; i++)
        pthread_create(&t[i], NULL, waiter, NULL);
    for (;;) {
        pthread_mutex_lock(&m);
        if (waiting == N)
            break;
        pthread_mutex_unlock(&m);
        usleep(100);
    }
    is(pthread_cond_destroy(&c), EBUSY, "destroy while threads wait");
    pid_t pid = fork();
    if (pid == 0)
        _exit(in_child());
    int status;
    waitpid(pid, &status, 0);
    is(status, 0, "the child's result");
    go = 1;
    is(pthread_cond_broadcast(&c), 0, "broadcast in the parent");
    pthread_mutex_unlock(&m);
    for (int i = 0; i < N; i++)
        pthread_join(t[i], NULL);
    is(seen, N, "the parent's waiters are as they were");
    is(pthread_cond_destroy(&c), 0, "destroy");
    return done();
}
