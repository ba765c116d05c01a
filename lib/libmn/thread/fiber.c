/* fiber: what is rare of fiber.h. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "fiber.h"

#include <pthread.h>

#include "stack/memcheck.h"

bool mni_valgrind;

void mni_fiber_start(void) {
    mni_valgrind = RUNNING_ON_VALGRIND != 0;
}

void mni_fiber_register(struct mni_fiber *f, char *stack, size_t bytes) {
    (void)stack, (void)bytes;
    f->stack_id = (unsigned)VALGRIND_STACK_REGISTER(stack, stack + bytes);
}

void mni_fiber_unregister(struct mni_fiber *f) {
    (void)f;
    VALGRIND_STACK_DEREGISTER(f->stack_id);
}

#ifdef MNI_TSAN
void *__tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void *fiber);
void *__tsan_get_current_fiber(void);
#endif
#ifdef MNI_ASAN
void __asan_unpoison_memory_region(const volatile void *addr, size_t size);
#endif

void mni_fiber_begin_watched(struct mni_fiber *f, char *stack, size_t bytes) {
    (void)f, (void)stack, (void)bytes;
#ifdef MNI_ASAN
    __asan_unpoison_memory_region(stack, bytes);
    f->fake = NULL;
    f->bottom = stack;
    f->size = bytes;
#endif
#ifdef MNI_TSAN
    f->tsan = __tsan_create_fiber(0);
#endif
}

void mni_fiber_end_watched(struct mni_fiber *f) {
    (void)f;
#ifdef MNI_TSAN
    __tsan_destroy_fiber(f->tsan);
#endif
}

void mni_fiber_lwp_watched(struct mni_fiber *f) {
    (void)f;
#ifdef MNI_ASAN
    pthread_attr_t attr;
    void *stack = NULL;
    size_t size = 0;
    if (pthread_getattr_np(pthread_self(), &attr) == 0) {
        pthread_attr_getstack(&attr, &stack, &size);
        pthread_attr_destroy(&attr);
    }
    f->fake = NULL;
    f->bottom = stack;
    f->size = size;
#endif
#ifdef MNI_TSAN
    f->tsan = __tsan_get_current_fiber();
#endif
}
