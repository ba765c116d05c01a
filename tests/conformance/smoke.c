/* The least that must work: a thread is created, takes a mutex, and is joined. */
#include <pthread.h>

#include "tap.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int value;

static void *body(void *arg) {
    pthread_mutex_lock(&mutex);
    value += *(int *)arg;
    pthread_mutex_unlock(&mutex);
    return &value;
}

int main(void) {
    pthread_t thread;
    int one = 1;
    void *result = NULL;
    is(pthread_create(&thread, NULL, body, &one), 0, "create");
    is(pthread_join(thread, &result), 0, "join");
    ok(result == &value, "the thread's result");
    is(value, 1, "what it wrote is visible");
    return done();
}
