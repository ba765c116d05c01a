/* Signals as messages: mn_signal_open, mn_signal_wait. */
#include "kq.h"

#include <mn/io.h>
#include <mn/signal.h>
#include <sys/wait.h>

static int box, begun, result;
static const char *k;

static void *waits(void *arg) {
    add(&begun, 1);
    set(&result, mn_signal_wait(box, arg));
    return NULL;
}

static void *waits_10ms(void *arg) {
    int64_t deadline = after_ms(10);
    int r = mn_signal_wait_until(box, arg, deadline);
    set(&result, late(deadline) ? r : 1);
    return NULL;
}

static void test(void) {
    struct runner r;
    siginfo_t info;
    sigset_t signals;
    k = kind_name[kind];
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR1);
    sigaddset(&signals, SIGRTMIN);
    sigaddset(&signals, SIGCHLD);
    box = mn_signal_open(&signals);
    ok(box >= 0, "%s: a box", k);
    is(mn_signal_open(NULL), -EFAULT, "%s: no set", k);
    is(mn_signal_wait_until(box, &info, 1), -ETIMEDOUT, "%s: it is empty", k);
    start(&r, waits_10ms, &info);
    finish(&r);
    is(get(&result), -ETIMEDOUT, "%s: a deadline passes", k);
    set(&begun, 0), set(&result, 0);
    start(&r, waits, &info);
    until(&begun, 1);
    nap_ms(3);
    kill(getpid(), SIGUSR1);
    finish(&r);
    ok(result == SIGUSR1 && info.si_signo == SIGUSR1 && info.si_pid == getpid() && info.si_code == SI_USER,
       "%s: a signal", k);
    for (int i = 0; i < 3; i++)
        sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 40 + i});
    int right = readable(box);
    for (int i = 0; i < 3; i++)
        right &= mn_signal_wait(box, &info) == SIGRTMIN && info.si_value.sival_int == 40 + i &&
                 info.si_code == SI_QUEUE;
    ok(right, "%s: three that are queued, with their values, in order", k);
    pid_t pid = fork();
    if (pid == 0)
        _exit(7);
    ok(mn_signal_wait(box, &info) == SIGCHLD && info.si_pid == pid && info.si_status == 7 &&
           info.si_code == CLD_EXITED,
       "%s: SIGCHLD, with the child's status", k);
    waitpid(pid, NULL, 0);
    int kq = mn_kqueue();
    change(kq, (uintptr_t)box, EVFILT_READ, EV_ADD, 0, 0);
    kill(getpid(), SIGUSR1);
    is(next(kq), 1, "%s: watched by a kqueue", k);
    is(mn_signal_wait(box, NULL), SIGUSR1, "%s: taken", k);
    ok(none(kq), "%s: empty", k);
    mn_close(kq);
    set(&begun, 0);
    if (kind == GREEN) {
        start(&r, waits, &info);
        until(&begun, 1);
        nap_ms(3);
        mn_close(box);
        finish(&r);
        is(get(&result), -EBADF, "%s: closed under who waits", k);
    } else {
        mn_close(box);
    }
    is(mn_signal_wait(box, &info), -EBADF, "%s: it is none any more", k);
    int other[2];
    char byte = 0;
    if (pipe(other) < 0)
        abort();
    is(mn_signal_wait_until(other[0], &info, after_ms(2)), -EINVAL, "%s: a pipe is none", k);
    if (write(other[1], "x", 1) != 1)
        abort();
    is(mn_signal_wait(other[0], &info), -EINVAL, "%s: nor one with something in it", k);
    ok(read(other[0], &byte, 1) == 1 && byte == 'x', "%s: which stays there", k);
    close(other[0]);
    close(other[1]);
}

static int cancelled(void *arg) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR2);
    box = mn_signal_open(&signals);
    set(&begun, 0);
    kind = GREEN;
    cancel_in(waits, NULL, &begun);
    is(get(&result), -ECANCELED, "a cancelled wait");
    mn_close(box);
    return arg != NULL;
}

int main(void) {
    kinds(test);
    mn_run(cancelled, NULL, NULL);
    return done();
}
