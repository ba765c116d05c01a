/*
 * pthread_kill, pthread_sigqueue, pthread_sigmask.
 *
 * raise, sigaction and sigprocmask stay the libc's: they know nothing of threads but the calling one, and
 * already keep programs away from the two signals that the thread library needs.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <string.h>
#include <unistd.h>

#include "cancel.h"
#include "sigmask.h"
#include "sys.h"
#include "target.h"

static bool reserved(int sig) {
    return sig == THR_SIGCANCEL || sig == THR_SIGSETXID;
}

/*
 * Sends sig, with info if there is any, to a thread.  A thread that has ended and is not joined yet is still
 * named by its handle: POSIX wants no error then, and its kernel id may already be another thread's.
 */
static int send_signal(pthread_t t, int sig, siginfo_t *info) {
    if (reserved(sig))
        return EINVAL;
    long result;
    long pid = sys(SYS_getpid);
    if (t == (pthread_t)tcb_self()) {
        /* Ask for the id: a handler in a vfork child must not signal its parent. */
        long tid = sys(SYS_gettid);
        result = info ? sys(SYS_rt_tgsigqueueinfo, pid, tid, sig, info) : sys(SYS_tgkill, pid, tid, sig);
        return (int)-result;
    }
    struct thr *thr = registry_get(t);
    if (!thr)
        return ESRCH;
    if (!thr->alive)
        result = sig < 0 || sig > 64 ? -EINVAL : 0;
    else {
        uint32_t tid = target_tid(thr);
        result = info ? sys(SYS_rt_tgsigqueueinfo, pid, tid, sig, info) : sys(SYS_tgkill, pid, tid, sig);
    }
    registry_put(thr);
    return (int)-result;
}

int pthread_kill(pthread_t t, int sig);
THR_EXPORT int pthread_kill(pthread_t t, int sig) {
    return send_signal(t, sig, NULL);
}

int pthread_sigqueue(pthread_t t, int sig, const union sigval value);
THR_EXPORT int pthread_sigqueue(pthread_t t, int sig, const union sigval value) {
    siginfo_t info;
    memset(&info, 0, sizeof info);
    info.si_signo = sig;
    info.si_code = SI_QUEUE;
    info.si_pid = (pid_t)sys(SYS_getpid);
    info.si_uid = (uid_t)sys(SYS_getuid);
    info.si_value = value;
    return send_signal(t, sig, &info);
}

int pthread_sigmask(int how, const sigset_t *set, sigset_t *old);
THR_EXPORT int pthread_sigmask(int how, const sigset_t *set, sigset_t *old) {
    uint64_t mask;
    if (set)
        /* Unblocking them is left out too: they are never blocked but for a moment, by our own handler. */
        mask = *(const uint64_t *)(const void *)set & ~(uint64_t)SIGMASK_KEPT;
    return (int)-sys(SYS_rt_sigprocmask, how, set ? &mask : NULL, old, sizeof mask);
}

/* In LinuxThreads it had to be called before exec; here the kernel ends the other threads. */
void pthread_kill_other_threads_np(void);
THR_EXPORT void pthread_kill_other_threads_np(void) {
}
