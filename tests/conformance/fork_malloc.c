/*
 * timeout: 20
 * not under: asan tsan
 * A malloc of the program's own takes its lock before a fork and drops it after, by handlers, as such libraries
 * do.  They run after everybody's that were registered earlier: nobody may free in the child before.
 */
#include "life.h"

enum { THREADS = 24 }; /* their stacks are more than any cache keeps */

static pthread_mutex_t heap = PTHREAD_MUTEX_INITIALIZER;

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void __libc_free(void *p);

void *malloc(size_t size) {
    pthread_mutex_lock(&heap);
    void *p = __libc_malloc(size);
    pthread_mutex_unlock(&heap);
    return p;
}

void *calloc(size_t n, size_t size) {
    pthread_mutex_lock(&heap);
    void *p = __libc_calloc(n, size);
    pthread_mutex_unlock(&heap);
    return p;
}

void *realloc(void *old, size_t size) {
    pthread_mutex_lock(&heap);
    void *p = __libc_realloc(old, size);
    pthread_mutex_unlock(&heap);
    return p;
}

void free(void *p) {
    pthread_mutex_lock(&heap);
    __libc_free(p);
    pthread_mutex_unlock(&heap);
}

static void heap_lock(void) {
    pthread_mutex_lock(&heap);
}

static void heap_unlock(void) {
    pthread_mutex_unlock(&heap);
}

static void *wait_for_ever(void *arg) {
    for (;;)
        pause();
    return arg;
}

int main(void) {
    pthread_attr_t attr;
    char *stack = mmap(NULL, 1 << 18, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pthread_atfork(heap_lock, heap_unlock, heap_unlock);
    pthread_attr_init(&attr);
    pthread_attr_setstack(&attr, stack, 1 << 18);
    must_create(&attr, wait_for_ever, NULL);
    for (int i = 1; i < THREADS; i++)
        must_create(NULL, wait_for_ever, NULL);
    pid_t pid = fork();
    if (pid == 0) {
        for (int i = 0; i < THREADS; i++)
            must_join(must_create(NULL, do_nothing, NULL));
        _exit(7);
    }
    is(reaped(pid), 7, "a fork's child creates threads");
    return done();
}
