/*
 * LWPs made by the libc's own pthread_create: the fall-back that works on every libc.
 *
 * The thread exists before we know where its descriptor is, so it waits for its go word.  It is always joinable
 * to the libc; a detached thread of ours detaches itself at its end.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <errno.h>

#include "fault.h"
#include "libc.h"
#include "lwp.h"

int lwp_libc_create(const struct thr_attr *a, struct thr **out) {
    pthread_attr_t attr;
    int err = libc_real(pthread_attr_init)(&attr);
    if (err)
        return -EAGAIN;
    if (a->user_stack)
        err = libc_real(pthread_attr_setstack)(&attr, a->stack, a->stack_size);
    else
        err = libc_real(pthread_attr_setstacksize)(&attr, a->stack_size);
    if (!err)
        err = libc_real(pthread_attr_setguardsize)(&attr, a->guard_size);
    pthread_t t = 0;
    if (!err)
        err = fault("clone") ? EAGAIN : libc_real(pthread_create)(&t, &attr, thr_main, NULL);
    libc_real(pthread_attr_destroy)(&attr);
    if (err)
        return -err;
    *out = thr_of(t);
    return 0;
}

void lwp_libc_reap(struct thr *thr) {
    libc_real(pthread_join)(thr_handle(thr), NULL);
}
