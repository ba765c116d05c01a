/* Join is a cancellation point, and a cancelled joiner leaves the thread it waited for to be joined by
 * another. */
#include "life.h"

static struct event gate = EVENT_INIT;
static void *at_gate(void *arg) {
    event_wait(&gate);
    return arg;
}

static pthread_t target;
static int how;
static int came_back;

static void join_it(pthread_t thread) {
    struct timespec limit = in_ms(CLOCK_REALTIME, 20000), mono = in_ms(CLOCK_MONOTONIC, 20000);
    switch (how) {
    case 0: pthread_join(thread, NULL); break;
    case 1: pthread_timedjoin_np(thread, NULL, &limit); break;
    case 2: pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &mono); break;
    }
    came_back = 1;
}

static void *joiner(void *arg) {
    sem_post(arg);
    join_it(target);
    return NULL;
}

/* Its request is there before it comes to join. */
static sem_t requested;
static void *late_joiner(void *arg) {
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    sem_wait(&requested);
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
    join_it(*(pthread_t *)arg);
    return NULL;
}

static void *patient(void *arg) {
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    sem_post(arg);
    int r = pthread_join(target, NULL);
    return (void *)(uintptr_t)(r == 0 ? 5 : 6);
}

/* tryjoin does not block and is no cancellation point. */
static void *tryer(void *arg) {
    (void)arg;
    pthread_cancel(pthread_self());
    int r = pthread_tryjoin_np(target, NULL);
    return (void *)(uintptr_t)(r == EBUSY ? 5 : 6);
}

int main(void) {
    static const char *names[] = {"pthread_join", "pthread_timedjoin_np", "pthread_clockjoin_np"};
    sem_t s;
    int x;
    sem_init(&s, 0, 0);
    sem_init(&requested, 0, 0);
    for (how = 0; how < 3; how++) {
        for (int wait = 0; wait < 2; wait++) {
            gate.set = came_back = 0;
            target = must_create(NULL, at_gate, &x);
            pthread_t j = must_create(NULL, joiner, &s);
            sem_wait(&s);
            if (wait)
                usleep(30000);
            pthread_cancel(j);
            ok(must_join(j) == PTHREAD_CANCELED, "%s is cancelled%s", names[how],
               wait ? " while it waits" : "");
            is(came_back, 0, "and did not return");
            is(pthread_tryjoin_np(target, NULL), EBUSY, "its target can be joined still");
            event_set(&gate);
            ok(must_join(target) == &x, "and is, by another");
        }
    }
    gate.set = 0;
    target = must_create(NULL, at_gate, &x);
    how = 0;
    pthread_t j = must_create(NULL, late_joiner, &target);
    pthread_cancel(j);
    sem_post(&requested);
    ok(must_join(j) == PTHREAD_CANCELED, "a cancellation that is pending when join is called");
    for (how = 0; how < 3 && under_ours(); how++) { /* POSIX; the libc (2.36) looks only where it would sleep */
        pthread_t ended = must_create(NULL, do_nothing, &x);
        usleep(20000);
        came_back = 0;
        j = must_create(NULL, late_joiner, &ended);
        pthread_cancel(j);
        sem_post(&requested);
        ok(must_join(j) == PTHREAD_CANCELED, "the same, and %s need not wait", names[how]);
        is(came_back, 0, "and did not return");
        ok(must_join(ended) == &x, "and the thread is joined by another");
    }
    j = must_create(NULL, tryer, NULL);
    ok((long)(uintptr_t)must_join(j) == 5, "tryjoin is no cancellation point");
    j = must_create(NULL, patient, &s);
    sem_wait(&s);
    usleep(20000);
    pthread_cancel(j);
    usleep(20000);
    event_set(&gate);
    ok((long)(uintptr_t)must_join(j) == 5, "with cancellation disabled, join goes on");

    /* Joining a thread that is cancelled. */
    target = must_create(NULL, do_pause, NULL);
    usleep(1000);
    is(pthread_cancel(target), 0, "cancel");
    ok(must_join(target) == PTHREAD_CANCELED, "a cancelled thread's value is PTHREAD_CANCELED");
    target = must_create(NULL, do_nothing, &x);
    usleep(20000);
    is(pthread_cancel(target), 0, "cancelling a thread that has ended and is not joined: no error");
    ok(must_join(target) == &x, "and its value stays");
    return done();
}
