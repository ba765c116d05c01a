/* Process-shared condition variables: signal, broadcast and deadlines across processes. */
#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "../tap.h"

enum { PEERS = 3, THREADS = 2, ROUNDS = 300 };

struct shared {
    pthread_mutex_t m;
    pthread_cond_t turn, all, done;
    int whose;
    int waiting, generation, passed;
};

static struct shared *s;

static void ping_pong(int me) {
    pthread_mutex_lock(&s->m);
    for (int i = 0; i < ROUNDS; i++) {
        while (s->whose != me)
            pthread_cond_wait(&s->turn, &s->m);
        s->whose = !me;
        pthread_cond_signal(&s->turn);
    }
    pthread_mutex_unlock(&s->m);
}

/* Waits for each generation; the last one tells the parent. */
static void *follow(void *arg) {
    (void)arg;
    pthread_mutex_lock(&s->m);
    for (int g = 0; g < ROUNDS; g++) {
        if (++s->waiting == PEERS * THREADS)
            pthread_cond_signal(&s->done);
        while (s->generation == g)
            pthread_cond_wait(&s->all, &s->m);
        s->passed++;
    }
    pthread_mutex_unlock(&s->m);
    return NULL;
}

int main(void) {
    s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t ma;
    pthread_condattr_t ca;
    pthread_mutexattr_init(&ma);
    pthread_mutexattr_setpshared(&ma, PTHREAD_PROCESS_SHARED);
    pthread_condattr_init(&ca);
    pthread_condattr_setpshared(&ca, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&s->m, &ma);
    pthread_cond_init(&s->turn, &ca);
    pthread_cond_init(&s->all, &ca);
    pthread_cond_init(&s->done, &ca);

    int status, failed = 0;
    pid_t pid = fork();
    if (pid == 0) {
        ping_pong(1);
        _exit(0);
    }
    ping_pong(0);
    waitpid(pid, &status, 0);
    is(status, 0, "ping-pong between two processes");

    for (int i = 0; i < PEERS; i++) {
        if (fork() == 0) {
            pthread_t t;
            pthread_create(&t, NULL, follow, NULL);
            follow(NULL);
            pthread_join(t, NULL);
            _exit(0);
        }
    }
    pthread_mutex_lock(&s->m);
    for (int g = 0; g < ROUNDS; g++) {
        while (s->waiting < PEERS * THREADS)
            pthread_cond_wait(&s->done, &s->m);
        s->waiting = 0;
        s->generation++;
        pthread_cond_broadcast(&s->all);
    }
    pthread_mutex_unlock(&s->m);
    for (int i = 0; i < PEERS; i++) {
        wait(&status);
        failed |= status;
    }
    is(failed, 0, "broadcast to %d processes", PEERS);
    is(s->passed, PEERS * THREADS * ROUNDS, "everybody saw every generation");

    /* A shared condition variable with a private mutex, and the other way round, in one process. */
    static const struct timespec past = {1, 0};
    pthread_mutex_t pm = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t pc = PTHREAD_COND_INITIALIZER;
    pthread_mutex_lock(&pm);
    is(pthread_cond_timedwait(&s->turn, &pm, &past), ETIMEDOUT, "shared with a private mutex");
    pthread_mutex_unlock(&pm);
    pthread_mutex_lock(&s->m);
    is(pthread_cond_timedwait(&pc, &s->m, &past), ETIMEDOUT, "private with a shared mutex");
    pthread_mutex_unlock(&s->m);
    is(pthread_cond_destroy(&s->turn), 0, "destroy");
    is(pthread_cond_destroy(&s->all), 0, "destroy");
    is(pthread_mutex_destroy(&s->m), 0, "destroy the mutex");
    return done();
}
