/* not under: asan */ /* the first key is the tool's */
/*
 * Signals and threads: the mask is each thread's own, signals to a thread are handled there, to the process by
 * any that does not block them; sigwait and its kin take what is pending; new threads and forked children have
 * what the standard says; the libc's own two signals cannot be blocked.
 */
#include "life.h"

static __thread volatile int handled_here;
static volatile sig_atomic_t handled;
static volatile long handler_tid;
static int value_seen, code_seen;

static void on_signal(int sig) {
    (void)sig;
    handled_here++;
    handler_tid = gettid_raw();
    handled++; /* last: who waits for it looks at the others then */
}
static void on_info(int sig, siginfo_t *info, void *ctx) {
    (void)sig;
    (void)ctx;
    value_seen = info->si_value.sival_int;
    code_seen = info->si_code;
    handler_tid = gettid_raw();
    handled++;
}

static sem_t ready;
static volatile int stop;
static void wait_sem(sem_t *s) {
    while (sem_wait(s))
        ;
}

static long target_tid;
static void *target(void *arg) {
    (void)arg;
    target_tid = gettid_raw();
    sem_post(&ready);
    while (!stop)
        usleep(1000);
    return (void *)(uintptr_t)handled_here;
}

static void kill_thread(void) {
    struct sigaction sa = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &sa, NULL);
    stop = 0;
    handled = 0;
    pthread_t t = must_create(NULL, target, NULL);
    wait_sem(&ready);
    for (int i = 0; i < 10; i++) {
        int before = handled;
        is(pthread_kill(t, SIGUSR1), 0, "pthread_kill %d", i);
        for (int k = 0; k < 5000 && handled == before; k++)
            usleep(1000);
        is(handler_tid, target_tid, "is handled in that thread");
    }
    struct sigaction si = {.sa_sigaction = on_info, .sa_flags = SA_SIGINFO};
    sigaction(SIGRTMIN + 1, &si, NULL);
    union sigval v = {.sival_int = 31337};
    int before = handled;
    is(pthread_sigqueue(t, SIGRTMIN + 1, v), 0, "pthread_sigqueue");
    for (int k = 0; k < 5000 && handled == before; k++)
        usleep(1000);
    is(value_seen, 31337, "its value arrives");
    is(code_seen, SI_QUEUE, "its code is SI_QUEUE");
    is(handler_tid, target_tid, "in that thread");
    stop = 1;
    is((long)(uintptr_t)must_join(t), 10, "ten were the thread's, none went elsewhere");
    is(pthread_kill(pthread_self(), SIGUSR1), 0, "to oneself");
    is(handler_tid, gettid_raw(), "it is handled before the call returns");
    int tid_before = (int)handler_tid;
    handler_tid = 0;
    is(raise(SIGUSR1), 0, "raise");
    is(handler_tid, tid_before, "is to oneself, too");
}

static void *raise_here(void *arg) {
    (void)arg;
    handler_tid = 0;
    raise(SIGUSR1);
    int first = handler_tid == gettid_raw();
    handler_tid = 0;
    raise(SIGUSR1);
    return (void *)(uintptr_t)(first && handler_tid == gettid_raw() && handled_here == 2);
}

/* The mask is a thread's own. */
static void *own_mask(void *arg) {
    sigset_t set, old;
    (void)arg;
    int good = 1;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    good &= pthread_sigmask(SIG_BLOCK, &set, &old) == 0;
    good &= !sigismember(&old, SIGUSR2);
    good &= pthread_kill(pthread_self(), SIGUSR2) == 0; /* would end the process */
    sigpending(&old);
    good &= sigismember(&old, SIGUSR2) == 1;
    int sig = 0;
    good &= sigwait(&set, &sig) == 0 && sig == SIGUSR2;
    sigpending(&old);
    good &= sigismember(&old, SIGUSR2) == 0;
    return (void *)(uintptr_t)good;
}

/* SIGCANCEL and SIGSETXID of the libc: nobody blocks them, or cancellation and setuid stop. */
static int raw_good;
static void *all_blocked(void *arg) {
    (void)arg;
    sigset_t set;
    sigfillset(&set);
    pthread_sigmask(SIG_SETMASK, &set, NULL);
    unsigned long raw = 0;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &raw, 8);
    raw_good = !(raw >> 31 & 1) && !(raw >> 32 & 1) && (raw >> 9 & 1);
    sem_post(&ready);
    for (;;)
        pause();
    return NULL;
}

/* sigwait: the process's signal is taken by one of those that wait. */
static void *waiter(void *arg) {
    sigset_t set;
    int sig = 0;
    (void)arg;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sem_post(&ready);
    if (sigwait(&set, &sig) || sig != SIGUSR2)
        return (void *)0;
    return (void *)1;
}

static void *timed_waiter(void *arg) {
    sigset_t set;
    siginfo_t info;
    struct timespec t = {0, 20000000};
    (void)arg;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 2);
    double began = seconds();
    int r = sigtimedwait(&set, &info, &t);
    return (void *)(uintptr_t)(r == -1 && errno == EAGAIN && seconds() - began > 0.015);
}

static volatile int in_suspend;
static void *suspends(void *arg) {
    sigset_t none;
    (void)arg;
    sigemptyset(&none);
    in_suspend = 1;
    sem_post(&ready);
    int r = sigsuspend(&none);
    sigset_t now;
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    return (void *)(uintptr_t)(r == -1 && errno == EINTR && sigismember(&now, SIGUSR1) == 1 &&
                               handled_here == 1);
}

static void *look_pending(void *arg) {
    sigset_t *p = arg;
    sigpending(&p[0]);
    pthread_sigmask(SIG_SETMASK, NULL, &p[1]);
    return NULL;
}

/* A thread's end leaves no signal of its own behind, in the same LWP or another. */
static void *ends_with_pending(void *arg) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    pthread_kill(pthread_self(), SIGTERM);
    return arg;
}

/* SIGALRM, SIGCHLD to a process whose main blocks them arrive in the thread that does not. */
static void *unblocked(void *arg) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    sem_post(&ready);
    while (!stop)
        usleep(1000);
    *(long *)arg = gettid_raw();
    return (void *)(uintptr_t)handled_here;
}

/* The mask during exit handlers of a thread, and while it is created: no signal is handled in a half-made
 * thread. */
static volatile int flood_stop;
static void *flood(void *arg) {
    while (!flood_stop) {
        kill(getpid(), SIGUSR1);
        usleep(50);
    }
    return arg;
}
static void touch_tls(int sig) {
    static __thread int counter;
    (void)sig;
    counter++;
    if (!pthread_equal(pthread_self(), pthread_self()) || pthread_getspecific(0))
        abort();
    errno = 12;
}

int main(void) {
    sigset_t set, old;
    sem_init(&ready, 0, 0);
    kill_thread();
    is((long)(uintptr_t)must_join(must_create(NULL, raise_here, NULL)), 1,
       "raise in a thread is handled there, at once");
    is((long)(uintptr_t)must_join(must_create(NULL, own_mask, NULL)), 1,
       "the mask and pending signals are a thread's own");
    pthread_sigmask(SIG_SETMASK, NULL, &old);
    ok(!sigismember(&old, SIGUSR2), "main's mask is as it was");

    pthread_t t = must_create(NULL, all_blocked, NULL);
    wait_sem(&ready);
    ok(raw_good, "all signals but the libc's two can be blocked");
    is(pthread_cancel(t), 0, "a thread that blocks all signals");
    ok(must_join(t) == PTHREAD_CANCELED, "can be cancelled");

    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    t = must_create(NULL, waiter, NULL);
    pthread_t t2 = must_create(NULL, waiter, NULL);
    wait_sem(&ready);
    wait_sem(&ready);
    kill(getpid(), SIGUSR2);
    for (sigset_t pending; sigpending(&pending) == 0 && sigismember(&pending, SIGUSR2);)
        usleep(1000); /* a second one would be the same one */
    kill(getpid(), SIGUSR2);
    is((long)(uintptr_t)must_join(t) + (long)(uintptr_t)must_join(t2), 2,
       "two signals to the process serve two in sigwait");
    is((long)(uintptr_t)must_join(must_create(NULL, timed_waiter, NULL)), 1,
       "sigtimedwait: EAGAIN after its time");

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    t = must_create(NULL, suspends, NULL);
    wait_sem(&ready);
    usleep(5000);
    pthread_kill(t, SIGUSR1);
    is((long)(uintptr_t)must_join(t), 1, "sigsuspend: handled, EINTR, the mask restored");

    /* Pending for main is not pending for a new thread; pending for the process is. */
    sigset_t seen[2];
    pthread_kill(pthread_self(), SIGUSR1);
    must_join(must_create(NULL, look_pending, seen));
    ok(!sigismember(&seen[0], SIGUSR1), "what is pending for the creator is not for its thread");
    ok(sigismember(&seen[1], SIGUSR1) == 1 && sigismember(&seen[1], SIGUSR2) == 1, "the creator's mask is");
    kill(getpid(), SIGUSR2);
    must_join(must_create(NULL, look_pending, seen));
    ok(sigismember(&seen[0], SIGUSR2) == 1, "what is pending for the process is");
    int sig;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigwait(&set, &sig);

    struct sigaction sa = {.sa_handler = on_signal};
    sigaction(SIGTERM, &sa, NULL);
    int before = handled;
    must_join(must_create(NULL, ends_with_pending, NULL));
    for (int i = 0; i < 3; i++)
        must_join(must_create(NULL, look_pending, seen));
    ok(!sigismember(&seen[0], SIGTERM), "what was pending for a thread ends with it");
    is(handled, before, "and is handled by nobody else");
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);

    stop = 0;
    long tid = 0;
    t = must_create(NULL, unblocked, &tid);
    wait_sem(&ready);
    before = handled;
    kill(getpid(), SIGUSR1);
    for (int i = 0; i < 5000 && handled == before; i++)
        usleep(1000);
    stop = 1;
    ok((long)(uintptr_t)must_join(t) >= 1,
       "a signal to the process is handled by the thread that does not block it");
    is(handler_tid, tid, "there");

    /* Signals while threads are made and end. */
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    signal(SIGUSR1, touch_tls);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    t = must_create(NULL, flood, NULL);
    for (int i = 0; i < 1000; i++) {
        errno = 34;
        must_join(must_create(NULL, do_nothing, NULL));
    }
    flood_stop = 1;
    must_join(t);
    ok(1, "a thousand threads under a flood of signals");

    /* Bad arguments. */
    is(pthread_sigmask(12345, &set, NULL), EINVAL, "pthread_sigmask, no such way: EINVAL");
    is(pthread_sigmask(12345, NULL, &old), 0, "without a set the way does not matter");
    is(pthread_kill(pthread_self(), 0), 0, "signal 0 only looks");
    is(pthread_kill(pthread_self(), 65), EINVAL, "pthread_kill, signal 65: EINVAL");
    is(pthread_kill(pthread_self(), -1), EINVAL, "pthread_kill, signal -1: EINVAL");
    is(pthread_kill(pthread_self(), 32), EINVAL, "pthread_kill, the libc's own signal: EINVAL");
    is(pthread_kill(pthread_self(), 33), EINVAL, "and its other");
    return done();
}
