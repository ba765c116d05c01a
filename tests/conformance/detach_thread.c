/* Detach: of a running thread, of one that has ended, by itself, while it ends; its memory is given back. */
#include "life.h"

static sem_t s, go;
static int ended;

static void *wait_go(void *arg) {
    while (sem_wait(&go))
        ;
    __sync_add_and_fetch(&ended, 1);
    sem_post(&s);
    return arg;
}

static void *detach_self(void *arg) {
    int *r = arg;
    pthread_attr_t a;
    r[0] = pthread_detach(pthread_self());
    pthread_getattr_np(pthread_self(), &a);
    pthread_attr_getdetachstate(&a, &r[1]);
    pthread_attr_destroy(&a);
    r[2] = pthread_detach(pthread_self());
    r[3] = pthread_join(pthread_self(), NULL);
    sem_post(&s);
    return NULL;
}

static void *post(void *arg) {
    sem_post(&s);
    return arg;
}

static void wait_sem(sem_t *sem) {
    while (sem_wait(sem))
        ;
}

int main(void) {
    sem_init(&s, 0, 0);
    sem_init(&go, 0, 0);
    pthread_t t = must_create(NULL, wait_go, NULL);
    is(pthread_detach(t), 0, "detach a running thread");
    sem_post(&go);
    wait_sem(&s);
    is(ended, 1, "it goes on to its end");

    t = must_create(NULL, post, NULL);
    wait_sem(&s);
    usleep(20000);
    is(pthread_detach(t), 0, "detach a thread that has ended");

    static int r[4];
    must_create(NULL, detach_self, r);
    wait_sem(&s);
    is(r[0], 0, "a thread detaches itself");
    is(r[1], PTHREAD_CREATE_DETACHED, "getattr_np says so");
    is(r[2], EINVAL, "again: EINVAL");
    ok(r[3] == EINVAL || r[3] == EDEADLK, "joining itself then: EINVAL or EDEADLK");

    /* Detach races with the end: 2000 of them leave no mapping behind. */
    for (int i = 0; i < 200; i++) {
        t = must_create(NULL, post, NULL);
        if (i & 1)
            sched_yield();
        pthread_detach(t);
        wait_sem(&s);
    }
    usleep(20000);
    int maps = count_maps();
    long rss = rss_kib();
    int failed = 0;
    for (int i = 0; i < 2000; i++) {
        t = must_create(NULL, post, NULL);
        if (i % 3 == 1)
            sched_yield();
        if (i % 3 == 2)
            wait_sem(&s);
        failed += pthread_detach(t) != 0;
        if (i % 3 != 2)
            wait_sem(&s);
    }
    for (int i = 0; count_maps() - maps > 8 && i < 1000; i++)
        usleep(10000); /* the last ones may not have ended yet */
    is(failed, 0, "2000 detaches around the end of a thread");
    ok(count_maps() - maps <= 8, "no mapping is left behind (%d before, %d after)", maps, count_maps());
    if (!sanitized())
        ok(rss_kib() - rss <= 1024, "nor memory (%ld KiB more)", rss_kib() - rss);
    if (!parked_allowed())
        is(settle_tasks(1), 1, "nor a task");

    /* Main detaches itself: nobody can join it then; and it still ends as ever. */
    is(pthread_detach(pthread_self()), 0, "main detaches itself");
    is(pthread_detach(pthread_self()), EINVAL, "once");
    return done();
}
