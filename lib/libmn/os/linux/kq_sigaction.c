/*
 * kq_sigaction: sigaction and signal, in front of the libc's.
 *
 * A program written for the BSDs watches a signal with EVFILT_SIGNAL and then ignores it: event libraries do it
 * in this order.  There the filter counts it before that is looked at; here the kernel drops it unless a
 * handler is there.  The next kevent would find out, and put one there, but what was sent until then is lost: a
 * SIGTERM between start-up and the first wait, or while a callback runs.  So the program's wish comes here
 * first, for signals that are watched; for all others it is one look at a word, and the next function in the
 * order of symbols (the libc's, libthread_1to1's).
 *
 * A child of vfork has its parent's memory, and handlers of its own: what it sets is the kernel's matter alone.
 *
 * Not here: the libc's calls inside itself (system, posix_spawn), sigset, siginterrupt, and system calls. Those
 * the next kevent finds.
 */
#include <dlfcn.h>

#include "export.h"
#include "kq_linux.h"
#include "kqueue/kq.h"
#include "sanitizer.h"

typedef void reaction(int);
int __sigaction(int number, const struct sigaction *a, struct sigaction *old);
reaction *signal(int number, reaction *handler);
reaction *__sysv_signal(int number, reaction *handler);

enum name { SIGACTION, SIGNAL, SYSV_SIGNAL };
static void *next[3]; /* atomic */

/* The next function of that name, into *f. */
static void find(enum name n, void *f) {
    static const char *const names[] = {"sigaction", "signal", "__sysv_signal"};
    void *p = aptr_load(&next[n]); /* relaxed, both: it is the same for everybody */
    if (!p) {
        p = dlsym(RTLD_NEXT, names[n]);
        aptr_store(&next[n], p);
    }
    *(void **)f = p;
}

/* Now, since dlsym is nothing for a signal handler. */
__attribute__((constructor)) static void find_all(void) {
    void *f;
    for (int n = SIGACTION; n <= SYSV_SIGNAL; n++)
        find((enum name)n, &f);
}

int mni_kq_sigaction_next(int number, const struct sigaction *a, struct sigaction *old) {
    int (*f)(int, const struct sigaction *, struct sigaction *);
    find(SIGACTION, &f);
    return f(number, a, old) == 0 ? 0 : -errno;
}

/* ThreadSanitizer comes by here as it starts, when code that is built for it cannot run yet. */
#ifndef __SANITIZE_THREAD__
static bool watched(int number) {
    return __builtin_expect(mni_kq_signal_watched(number), 0) && !mni_kq_other_process();
}

MN_EXPORT int sigaction(int number, const struct sigaction *a, struct sigaction *old) {
    int r = watched(number) ? mni_kq_signal_action(number, a, old) : mni_kq_sigaction_next(number, a, old);
    if (r < 0)
        errno = -r;
    return r < 0 ? -1 : 0;
}

MN_EXPORT int __sigaction(int number, const struct sigaction *a, struct sigaction *old) {
    return sigaction(number, a, old);
}

static reaction *set(int number, reaction *handler, int flags) {
    struct sigaction a = {.sa_handler = handler, .sa_flags = flags}, old;
    if (!(flags & SA_NODEFER))
        sigaddset(&a.sa_mask, number);
    return sigaction(number, &a, &old) < 0 ? SIG_ERR : old.sa_handler;
}

MN_EXPORT reaction *signal(int number, reaction *handler) {
    if (watched(number))
        return set(number, handler, SA_RESTART);
    reaction *(*f)(int, reaction *);
    find(SIGNAL, &f);
    return f(number, handler);
}

/* What signal is to programs that want nothing but POSIX. */
MN_EXPORT reaction *__sysv_signal(int number, reaction *handler) {
    if (watched(number))
        return set(number, handler, SA_RESETHAND | SA_NODEFER);
    reaction *(*f)(int, reaction *);
    find(SYSV_SIGNAL, &f);
    return f(number, handler);
}
#endif
