/* The memory and the libc state of an LWP, made as new for its next thread. */
#ifndef THR_TLS_RESET_H
#define THR_TLS_RESET_H

#include <stdbool.h>

/*
 * Whether the libc keeps nothing for the calling thread that we could not reset (a resolver that was used).
 */
bool libc_state_resettable(void);

/*
 * Gives every __thread variable of the program and its libraries its initial value again in the calling thread,
 * and the libc's per-thread state that a program can see: errno, h_errno, locale, the buffers of strerror and
 * strsignal, dlerror.  Spared are the libc's and the loader's own variables (malloc's cache) and this
 * library's.  After the thread's last destructor; no user code runs in between.
 */
void tls_reset(void);

/* fork.c: nobody holds the loader's lock on our account while the process forks. */
void tls_reset_lock_for_fork(void);
void tls_reset_unlock_after_fork(void);

#endif
