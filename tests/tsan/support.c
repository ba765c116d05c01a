/* What the objects need of the rest of libthread_1to1, in a program whose threads are ThreadSanitizer's. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "thr.h"

#include <dlfcn.h>

#include "cancelpoint.h"
#include "fork.h"
#include "libc.h"
#include "panic.h"
#include "sys.h"

__thread struct thr thr_tls __attribute__((tls_model("initial-exec"), visibility("hidden")));
int thr_verbose;
intptr_t thr_tid_offset;

uint32_t thr_tid_slow(void) {
    struct thr *self = thr_self();
    if (self->tid == 0)
        self->tid = (uint32_t)sys(SYS_gettid);
    return self->tid;
}

int thr_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void)) {
    return pthread_atfork(prepare, parent, child);
}

void *libc_symbol(const char *name) {
    return dlsym(RTLD_NEXT, name);
}

bool thr_feature(const char *name) {
    (void)name;
    return true;
}

/* Nothing is cancelled in these programs. */
long cancelpoint_syscall(long nr, long a, long b, long c, long d, long e, long f) {
    return sys6(nr, a, b, c, d, e, f);
}

_Noreturn void thr_cancel_act(void) {
    panic("cancelled", 0);
}
