/* A library whose constructor creates a thread and waits for it: dlopen_ctor.c opens it. */
#include <pthread.h>

__attribute__((visibility("default"))) int lib_ran;

static void *run(void *arg) {
    lib_ran = 1;
    return arg;
}

static void __attribute__((constructor)) start(void) {
    pthread_t t;
    if (pthread_create(&t, NULL, run, NULL) == 0)
        pthread_join(t, NULL);
}
