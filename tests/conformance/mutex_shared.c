/* timeout: 120 */
/* Process-shared mutexes, between two processes on this library, and one on it and one on the plain libc. */
#include <errno.h>
#include <pthread.h>
#include <sys/wait.h>
#include <time.h>

#include "../tap.h"
#include "peer.h"

enum { ROUNDS = 30000 };

struct shared {
    pthread_mutex_t m, e, r;
    long count;
    int step; /* of the small talk between the two processes */
    int answer;
};

static struct shared *s;
static unsigned seed;

static void delay(void) {
    seed = seed * 1103515245 + 12345;
    unsigned n = seed >> 16 & 1023;
    for (volatile unsigned i = n < 1000 ? 0 : n * 4; i > 0; i--)
        ;
}

static void *counts(void *arg) {
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        if (i % 3 == 0) {
            struct timespec t;
            clock_gettime(CLOCK_REALTIME, &t);
            t.tv_nsec += 20000;
            if (t.tv_nsec >= 1000000000)
                t.tv_sec++, t.tv_nsec -= 1000000000;
            int r = pthread_mutex_timedlock(&s->m, &t);
            if (r == ETIMEDOUT) {
                i--;
                continue;
            }
            if (r != 0)
                abort();
        } else if (pthread_mutex_lock(&s->m) != 0) {
            abort();
        }
        long v = s->count;
        delay();
        s->count = v + 1;
        if (pthread_mutex_unlock(&s->m) != 0)
            abort();
        delay();
    }
    return NULL;
}

static void step(int to) {
    while (__atomic_load_n(&s->step, __ATOMIC_ACQUIRE) != to)
        usleep(500);
}

static void next(void) {
    __atomic_add_fetch(&s->step, 1, __ATOMIC_RELEASE);
}

static int peer(void) {
    pthread_t t;
    pthread_create(&t, NULL, counts, NULL);
    counts(NULL);
    pthread_join(t, NULL);
    next(); /* 1 */
    step(2);
    s->answer = pthread_mutex_trylock(&s->e) * 1000000 + pthread_mutex_unlock(&s->e) * 1000;
    s->answer += pthread_mutex_trylock(&s->r);
    next(); /* 3: now wait for the other, which must wake us */
    if (pthread_mutex_lock(&s->e) != 0)
        return 1;
    next(); /* 4 */
    step(5); /* it has seen that we have it */
    usleep(50000); /* it sleeps by now */
    return pthread_mutex_unlock(&s->e);
}

static void with(const char *name, const char *self) {
    pthread_mutexattr_t a;
    pthread_mutexattr_init(&a);
    pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
    memset(s, 0, sizeof *s);
    pthread_mutex_init(&s->m, &a);
    pthread_mutexattr_settype(&a, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_init(&s->e, &a);
    pthread_mutexattr_settype(&a, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&s->r, &a);
    pid_t pid = peer_start(peer, self);
    pthread_t t;
    pthread_create(&t, NULL, counts, NULL);
    counts(NULL);
    pthread_join(t, NULL);
    step(1);
    is(s->count, 4 * ROUNDS, "%s: two and two threads count", name);
    pthread_mutex_lock(&s->e);
    pthread_mutex_lock(&s->r);
    pthread_mutex_lock(&s->r);
    next();
    step(3);
    is(s->answer, EBUSY * 1000000 + EPERM * 1000 + EBUSY, "%s: what is held here is not free there", name);
    pthread_mutex_unlock(&s->r);
    usleep(50000); /* the peer sleeps by now */
    is(pthread_mutex_unlock(&s->e), 0, "%s: unlock wakes the peer", name);
    step(4);
    is(pthread_mutex_trylock(&s->e), EBUSY, "%s: ... which has the mutex", name);
    is(pthread_mutex_unlock(&s->e), EPERM, "%s: ... and this process has not", name);
    next();
    is(pthread_mutex_lock(&s->e), 0, "%s: the peer's unlock wakes us", name);
    is(pthread_mutex_unlock(&s->e), 0, "%s: unlock", name);
    is(pthread_mutex_unlock(&s->r), 0, "%s: unlock the recursive one", name);
    int status;
    waitpid(pid, &status, 0);
    is(status, 0, "%s: the peer's result", name);
    is(pthread_mutex_destroy(&s->m), 0, "%s: nobody is left on the mutex", name);
    is(pthread_mutex_destroy(&s->e), 0, "%s: nor on the other", name);
}

int main(int argc, char **argv) {
    s = peer_memory(argc, argv, sizeof *s);
    seed = (unsigned)getpid();
    if (argc > 2)
        return peer();
    with("forked", NULL);
    with("libc", argv[0]);
    return done();
}
