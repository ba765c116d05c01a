/*
 * pthread_self, pthread_equal.
 *
 * A pthread_t is the address of the thread's TCB, as in the libc: programs pass handles of ours to functions of
 * the libc and back, and the libc's own threads have handles of the same kind.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
/* pthread.h defines pthread_equal inline; after that a definition that others can see is an error to clang. */
#define pthread_equal pthread_equal_inline
#include "thr.h"
#undef pthread_equal
int pthread_equal(pthread_t a, pthread_t b);

THR_EXPORT pthread_t pthread_self(void) {
    struct thr *self = thr_self();
    if (unlikely(!self->registered))
        registry_adopt(self);
    return thr_handle(self);
}

THR_EXPORT int pthread_equal(pthread_t a, pthread_t b) {
    return a == b;
}
