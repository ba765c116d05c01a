/*
 * EVFILT_SIGNAL.  ThreadSanitizer delivers a signal when the LWP that takes it is next seen in a call, and that
 * of ours sleeps where the tool does not see it.
 */
/* not under: tsan */
#include "kq.h"

#include <sys/syscall.h>
#include <sys/wait.h>

static int kq;
static const char *k;

static int handled;

static void handler(int number) {
    (void)number;
    __atomic_add_fetch(&handled, 1, __ATOMIC_SEQ_CST);
}

static int64_t counted(int want) {
    int64_t n = 0;
    while (n < want && next(kq) == 1)
        n += got.data;
    return n;
}

static void signals(void) {
    got.data = 0;
    is(change(kq, 0, EVFILT_SIGNAL, EV_ADD, 0, 0), -EINVAL, "%s: no signal", k);
    is(change(kq, 1000, EVFILT_SIGNAL, EV_ADD, 0, 0), -EINVAL, "%s: nor this", k);
    signal(SIGUSR1, SIG_IGN);
    is(change(kq, SIGUSR1, EVFILT_SIGNAL, EV_ADD, 0, 0), 0, "%s: SIGNAL", k);
    ok(none(kq), "%s: silent", k);
    kill(getpid(), SIGUSR1);
    ok(next(kq) == 1 && got.ident == SIGUSR1 && got.data >= 1 && got.flags & EV_CLEAR, "%s: an ignored signal",
       k);
    ok(none(kq), "%s: once", k);
    signal(SIGUSR1, handler);
    ok(none(kq), "%s: a handler is set later", k);
    set(&handled, 0);
    got.data = 0;
    for (int i = 1; i <= 3; i++) {
        kill(getpid(), SIGUSR1);
        until(&handled, i); /* each has been delivered */
    }
    is(counted(3), 3, "%s: three, counted", k);
    is(get(&handled), 3, "%s: and handled", k);
    change(kq, SIGUSR1, EVFILT_SIGNAL, EV_DISABLE, 0, 0);
    kill(getpid(), SIGUSR1);
    until(&handled, 4);
    ok(none(kq), "%s: disabled", k);
    change(kq, SIGUSR1, EVFILT_SIGNAL, EV_ENABLE, 0, 0);
    ok(next(kq) == 1 && got.data == 1, "%s: enabled: it was counted", k);
    is(change(kq, SIGUSR1, EVFILT_SIGNAL, EV_DELETE, 0, 0), 0, "%s: deleted", k);
    struct sigaction now;
    sigaction(SIGUSR1, NULL, &now);
    ok(now.sa_handler == handler && !(now.sa_flags & SA_SIGINFO), "%s: the handler is the program's own again",
       k);
    signal(SIGUSR1, SIG_DFL);

    change(kq, SIGCHLD, EVFILT_SIGNAL, EV_ADD, 0, 0);
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    ok(next(kq) == 1 && got.ident == SIGCHLD, "%s: SIGCHLD, whose default is nothing", k);
    is(waitpid(pid, NULL, 0), pid, "%s: the child is there", k);
    change(kq, SIGCHLD, EVFILT_SIGNAL, EV_DELETE, 0, 0);
}

/* Blocked: in a program without a runtime. */
static void blocked(void) {
    sigset_t both, old;
    sigemptyset(&both);
    sigaddset(&both, SIGUSR2);
    sigaddset(&both, SIGRTMIN);
    pthread_sigmask(SIG_BLOCK, &both, &old);
    change(kq, SIGUSR2, EVFILT_SIGNAL, EV_ADD, 0, 0);
    for (int i = 0; i < 2; i++) {
        kill(getpid(), SIGUSR2);
        ok(next(kq) == 1 && got.ident == SIGUSR2 && got.data == 1, "blocked, round %d", i);
    }
    signal(SIGUSR2, handler);
    ok(none(kq), "a handler");
    set(&handled, 0);
    kill(getpid(), SIGUSR2);
    ok(next(kq) == 1 && got.data == 1 && get(&handled) == 0, "blocked, with a handler: counted");
    kill(getpid(), SIGCONT);
    ok(none(kq), "once, whatever other signals come");
    sigset_t pending;
    sigpending(&pending);
    ok(sigismember(&pending, SIGUSR2), "and still pending");
    pthread_sigmask(SIG_UNBLOCK, &both, NULL);
    until(&handled, 1);
    ok(none(kq), "the handler's turn is not counted again");
    kill(getpid(), SIGUSR2);
    until(&handled, 2);
    ok(next(kq) == 1 && got.data == 1, "the next is");
    pthread_sigmask(SIG_BLOCK, &both, NULL);
    change(kq, SIGUSR2, EVFILT_SIGNAL, EV_DELETE, 0, 0);
    signal(SIGUSR2, SIG_DFL);
    change(kq, (uintptr_t)SIGRTMIN, EVFILT_SIGNAL, EV_ADD, 0, 0);
    for (int i = 0; i < 5; i++)
        sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = i});
    got.data = 0;
    ok(next(kq) == 1 && got.data == 5, "five of a queued one");
    change(kq, (uintptr_t)SIGRTMIN, EVFILT_SIGNAL, EV_DELETE, 0, 0);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

/* Beside a runtime, whose LWP for signals began before the caller blocked this one: its default is the end. */
static void blocked_later(void) {
    sigset_t one, old;
    sigemptyset(&one);
    sigaddset(&one, SIGRTMIN + 1);
    is(mn_start(NULL), 0, "a runtime");
    pthread_sigmask(SIG_BLOCK, &one, &old);
    is(change(kq, (uintptr_t)SIGRTMIN + 1, EVFILT_SIGNAL, EV_ADD, 0, 0), 0, "a signal that is blocked later");
    for (int i = 0; i < 20; i++) {
        sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = i});
        ok(next(kq) == 1 && got.data == 1, "blocked later, round %d", i);
    }
    change(kq, (uintptr_t)SIGRTMIN + 1, EVFILT_SIGNAL, EV_DELETE, 0, 0);
    is(mn_stop(MN_FOREVER), 0, "its end");
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

/* What was noted of it is found again, not noted anew (LeakSanitizer tells what is lost). */
static void changes_its_mind(void) {
    change(kq, SIGUSR1, EVFILT_SIGNAL, EV_ADD, 0, 0);
    for (int i = 0; i < 20; i++) {
        signal(SIGUSR1, i % 2 ? handler : SIG_IGN);
        ok(none(kq), "the program changes its mind, %d", i);
    }
    change(kq, SIGUSR1, EVFILT_SIGNAL, EV_DELETE, 0, 0);
    signal(SIGUSR1, SIG_DFL);
}

/* What the program does with the signal, as it sees it, and as the kernel does. */
static void (*wish(void))(int) {
    struct sigaction a;
    sigaction(SIGUSR1, NULL, &a);
    return a.sa_handler;
}

static uint64_t kernel(void) {
    uint64_t a[4] = {0};
    syscall(SYS_rt_sigaction, SIGUSR1, NULL, a, sizeof *a);
    return a[0];
}

static void sets_another(int number) {
    struct sigaction a = {.sa_handler = handler};
    sigaction(number, &a, NULL);
    set(&handled, 100);
}

/*
 * The program watches a signal and says later what it wants with it; what is sent from then on counts, before
 * the next look at the kqueue.
 */
static void at_once(void) {
    is(change(kq, SIGUSR1, EVFILT_SIGNAL, EV_ADD, 0, 0), 0, "a signal whose default is the end");
    ok(signal(SIGUSR1, SIG_IGN) == SIG_DFL, "is ignored from now on");
    kill(getpid(), SIGUSR1);
    ok(next(kq) == 1 && got.ident == SIGUSR1 && got.data == 1, "it counts at once");
    ok(wish() == SIG_IGN, "the program sees what it set");
    struct sigaction a = {.sa_handler = sets_another, .sa_flags = SA_NODEFER}, old;
    sigaction(SIGUSR1, &a, &old);
    ok(old.sa_handler == SIG_IGN, "and is told of it");
    raise(SIGUSR1);
    ok(get(&handled) == 100 && wish() == handler, "a handler sets another");
    raise(SIGUSR1);
    is(get(&handled), 101, "which runs");
    ok(next(kq) == 1 && got.data == 2, "both count");
    a = (struct sigaction){.sa_handler = handler, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGUSR1, &a, NULL);
    raise(SIGUSR1);
    ok(get(&handled) == 102 && wish() == SIG_DFL && kernel() == 0, "a handler for once: then it is the default");
    ok(next(kq) == 1 && got.data == 1, "that counts");
    signal(SIGUSR1, SIG_IGN);
    pid_t pid = vfork();
    if (pid == 0) {
        signal(SIGUSR1, SIG_DFL);
        _exit(kernel() != 0);
    }
    int status;
    ok(waitpid(pid, &status, 0) == pid && status == 0, "a child of vfork sets its own");
    ok(wish() == SIG_IGN, "and not its parent's");
    raise(SIGUSR1);
    ok(next(kq) == 1 && got.data == 1, "that still is counted");
    change(kq, SIGUSR1, EVFILT_SIGNAL, EV_DELETE, 0, 0);
    ok(kernel() == (uint64_t)SIG_IGN, "and ignored, when it is not watched any more");
    signal(SIGUSR1, SIG_DFL);
}

/* A handler of the program's own ends a wait, SIG_IGN does not. */
static void *kicks(void *arg) {
    nap_ms(10);
    pthread_kill(*(pthread_t *)arg, SIGUSR1);
    return NULL;
}

static void interrupted(void) {
    struct sigaction a = {.sa_handler = handler};
    pthread_t self = pthread_self(), t;
    struct kevent e;
    int r;
    sigaction(SIGUSR1, &a, NULL);
    do { /* it may come before the wait */
        pthread_create(&t, NULL, kicks, &self);
        struct timespec second = {1, 0};
        r = mn_kevent(kq, NULL, 0, &e, 1, &second);
        pthread_join(t, NULL);
    } while (r == 0);
    is(r, -EINTR, "a handler ends the wait of an LWP");
    signal(SIGUSR1, SIG_IGN);
    change(kq, SIGUSR1, EVFILT_SIGNAL, EV_ADD, 0, 0);
    change(kq, SIGUSR2, EVFILT_SIGNAL, EV_ADD, 0, 0);
    change(kq, SIGUSR1, EVFILT_SIGNAL, EV_DISABLE, 0, 0);
    pthread_create(&t, NULL, kicks, &self);
    struct timespec while_ = {0, 50000000};
    r = mn_kevent(kq, NULL, 0, &e, 1, &while_);
    pthread_join(t, NULL);
    is(r, 0, "an ignored signal does not");
    change(kq, SIGUSR1, EVFILT_SIGNAL, EV_DELETE, 0, 0);
    change(kq, SIGUSR2, EVFILT_SIGNAL, EV_DELETE, 0, 0);
    signal(SIGUSR1, SIG_DFL);
}

static void test(void) {
    k = kind_name[kind];
    kq = mn_kqueue();
    signals();
    close(kq);
}

int main(void) {
    kq = mn_kqueue();
    blocked();
    blocked_later();
    changes_its_mind();
    at_once();
    interrupted();
    close(kq);
    kinds(test);
    return done();
}
