/* pthread_kill, pthread_sigqueue, pthread_sigmask. */
#include <stdint.h>

#include "cancel.h"

static volatile int ready, go, got, got_value, got_code, got_tid;

static void on_signal(int sig, siginfo_t *info, void *context) {
    (void)context;
    got_value = info->si_value.sival_int;
    got_code = info->si_code;
    got_tid = (int)syscall(SYS_gettid);
    set(&got, sig);
}

static void *waits(void *arg) {
    set(&ready, (int)syscall(SYS_gettid));
    wait_for(&go, 1);
    return arg;
}

static uint64_t kernel_mask(void) {
    uint64_t mask = 0;
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, sizeof mask);
    return mask;
}

int main(void) {
    struct sigaction a;
    memset(&a, 0, sizeof a);
    a.sa_sigaction = on_signal;
    a.sa_flags = SA_SIGINFO;
    sigaction(SIGUSR1, &a, NULL);
    sigaction(SIGRTMIN + 1, &a, NULL);

    pthread_t t;
    pthread_create(&t, NULL, waits, NULL);
    while (!__atomic_load_n(&ready, __ATOMIC_ACQUIRE))
        usleep(100);
    errno = 4711;
    is(pthread_kill(t, 0), 0, "signal 0 to a live thread");
    is(pthread_kill(t, SIGUSR1), 0, "pthread_kill");
    is(errno, 4711, "errno is left alone");
    ok(wait_for(&got, SIGUSR1), "the signal arrives");
    is(got_tid, ready, "in that thread");
    is(got_code, SI_TKILL, "si_code");
    got = 0;
    is(pthread_sigqueue(t, SIGRTMIN + 1, (union sigval){.sival_int = 42}), 0, "pthread_sigqueue");
    ok(wait_for(&got, SIGRTMIN + 1), "the signal arrives");
    is(got_tid, ready, "in that thread");
    is(got_value, 42, "with its value");
    is(got_code, SI_QUEUE, "si_code");
    is(pthread_kill(t, -1), EINVAL, "signal -1");
    is(pthread_kill(t, 65), EINVAL, "signal 65");
    is(pthread_kill(t, 32), EINVAL, "signal 32 is the library's");
    is(pthread_kill(t, 33), EINVAL, "signal 33 too");
    is(pthread_sigqueue(t, 32, (union sigval){0}), EINVAL, "pthread_sigqueue of signal 32");
    is(pthread_sigqueue(t, 65, (union sigval){0}), EINVAL, "pthread_sigqueue of signal 65");

    got = 0;
    is(pthread_kill(pthread_self(), SIGUSR1), 0, "to the calling thread");
    is(got, SIGUSR1, "delivered before pthread_kill returns");
    is(got_tid, (int)syscall(SYS_gettid), "in this thread");
    is(pthread_kill(pthread_self(), 65), EINVAL, "signal 65 to the calling thread");
    got = 0;
    is(pthread_sigqueue(pthread_self(), SIGUSR1, (union sigval){.sival_int = 7}), 0, "queue to oneself");
    is(got_value, 7, "its value");
    got = 0;
    is(raise(SIGUSR1), 0, "raise");
    is(got, SIGUSR1, "delivered before raise returns");

    set(&go, 1);
    usleep(50000); /* it has ended by now, most likely */
    is(pthread_kill(t, 0), 0, "signal 0 to a thread that has ended");
    is(pthread_kill(t, SIGUSR1), 0, "a signal to a thread that has ended");
    is(pthread_join(t, NULL), 0, "join");

    sigset_t all, old, none;
    memset(&all, 0xff, sizeof all);
    sigemptyset(&none);
    is(pthread_sigmask(SIG_SETMASK, &all, &old), 0, "block everything");
    ok(!(kernel_mask() & (uint64_t)3 << 31), "but not the library's signals");
    ok(kernel_mask() & 1 << (SIGUSR1 - 1), "SIGUSR1 is blocked");
    got = 0;
    pthread_kill(pthread_self(), SIGUSR1);
    is(got, 0, "a blocked signal waits");
    is(pthread_sigmask(SIG_UNBLOCK, &all, NULL), 0, "unblock everything");
    is(got, SIGUSR1, "and then comes");
    is(pthread_sigmask(SIG_BLOCK, NULL, &all), 0, "only ask");
    ok(!sigismember(&all, SIGUSR1) && !sigismember(&all, SIGTERM), "nothing is blocked");
    is(pthread_sigmask(77, &none, NULL), EINVAL, "no such way");
    is(pthread_sigmask(77, NULL, &old), 0, "the way does not matter without a set");
    is(pthread_sigmask(SIG_SETMASK, &none, NULL), 0, "clear");
    return done();
}
