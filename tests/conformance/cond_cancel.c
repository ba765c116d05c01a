/* Cancelled condition waits: the mutex is held in the handlers, no signal is lost, the object stays usable. */
#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "../tap.h"

static pthread_mutex_t m;
static pthread_cond_t c;
static int waiting, tickets, taken, held_in_handler;
static const struct timespec far = {4000000000, 0};

static void cleanup(void *arg) {
    (void)arg;
    /* Errorcheck: says whether this thread holds it. */
    waiting--;
    held_in_handler += pthread_mutex_unlock(&m) == 0;
}

static void *waiter(void *arg) {
    long timed = (long)arg;
    pthread_mutex_lock(&m);
    waiting++;
    pthread_cleanup_push(cleanup, NULL);
    while (tickets == 0)
        timed ? pthread_cond_timedwait(&c, &m, &far) : pthread_cond_wait(&c, &m);
    tickets--;
    taken++;
    pthread_cleanup_pop(1);
    return (void *)1;
}

static void lock_when_waiting(int n) {
    for (;;) {
        pthread_mutex_lock(&m);
        if (waiting == n)
            return;
        pthread_mutex_unlock(&m);
        usleep(50);
    }
}

static void run(const char *name, int pshared) {
    pthread_mutexattr_t ma;
    pthread_condattr_t ca;
    pthread_t a, b;
    void *r, *r2;
    pthread_mutexattr_init(&ma);
    pthread_mutexattr_settype(&ma, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_init(&m, &ma);
    pthread_condattr_init(&ca);
    pthread_condattr_setpshared(&ca, pshared);
    pthread_cond_init(&c, &ca);

    for (long timed = 0; timed < 2; timed++) {
        held_in_handler = 0;
        pthread_create(&a, NULL, waiter, (void *)timed);
        lock_when_waiting(1);
        pthread_mutex_unlock(&m);
        pthread_cancel(a);
        pthread_join(a, &r);
        ok(r == PTHREAD_CANCELED, "%s: a waiter is cancelled", name);
        is(held_in_handler, 1, "%s: its handler runs with the mutex held", name);
    }

    /* A request that is pending when the wait begins. */
    pthread_mutex_lock(&m);
    pthread_create(&a, NULL, waiter, NULL);
    pthread_cancel(a);
    usleep(1000);
    pthread_mutex_unlock(&m);
    pthread_join(a, &r);
    ok(r == PTHREAD_CANCELED, "%s: a pending request is acted upon", name);

    /* Two wait; one is cancelled just when one ticket is handed out with one signal: the ticket is taken. */
    int lost = 0;
    struct timespec t;
    for (int i = 0; i < 300; i++) {
        taken = tickets = 0;
        pthread_create(&a, NULL, waiter, NULL);
        lock_when_waiting(1);
        pthread_mutex_unlock(&m);
        pthread_create(&b, NULL, waiter, (void *)1);
        lock_when_waiting(2);
        tickets = 1;
        if (i & 1)
            pthread_cancel(a);
        pthread_cond_signal(&c);
        pthread_mutex_unlock(&m);
        if (!(i & 1))
            pthread_cancel(a);
        pthread_join(a, &r);
        if (r == PTHREAD_CANCELED) {
            clock_gettime(CLOCK_REALTIME, &t);
            t.tv_sec += 10;
            if (pthread_timedjoin_np(b, &r2, &t) != 0) {
                lost++;
                pthread_cond_broadcast(&c);
                pthread_join(b, &r2);
            }
        } else {
            pthread_cancel(b);
            pthread_join(b, &r2);
        }
        lost += taken != 1;
    }
    is(lost, 0, "%s: a cancelled waiter takes no signal with it", name);
    is(pthread_cond_destroy(&c), 0, "%s: destroy", name);
    is(pthread_mutex_destroy(&m), 0, "%s: destroy the mutex", name);
}

int main(void) {
    run("private", PTHREAD_PROCESS_PRIVATE);
    run("shared", PTHREAD_PROCESS_SHARED);
    return done();
}
