/* Kqueues: changes, flags, errors, USER and TIMER, waiting, closing. */
#include "kq.h"

#include <mn/io.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static int kq, begun, result;
static const char *k;

static void user(void) {
    is(change(kq, 7, EVFILT_USER, EV_ENABLE, 0, 0), -ENOENT, "%s: no such note", k);
    is(change(kq, 7, EVFILT_USER, EV_ADD | EV_CLEAR, NOTE_FFCOPY | 1, 0), 0, "%s: USER", k);
    ok(none(kq) && !readable(kq), "%s: it is silent", k);
    is(change(kq, 7, EVFILT_USER, 0, NOTE_TRIGGER | NOTE_FFOR | 6, 9), 0, "%s: triggered", k);
    ok(readable(kq), "%s: the descriptor is readable", k);
    is(next(kq), 1, "%s: one event", k);
    ok(got.ident == 7 && got.filter == EVFILT_USER && got.fflags == 7 && got.data == 9 &&
           got.udata == (void *)0x1234 && got.flags & EV_CLEAR,
       "%s: with its flags and data", k);
    ok(none(kq) && !readable(kq), "%s: EV_CLEAR clears", k);
    change(kq, 7, EVFILT_USER, 0, NOTE_TRIGGER | NOTE_FFAND | 3, 0);
    change(kq, 7, EVFILT_USER, 0, NOTE_TRIGGER | NOTE_FFNOP | 8, 0);
    ok(next(kq) == 1 && got.fflags == 3, "%s: triggers become one; AND, NOP", k);
    change(kq, 7, EVFILT_USER, 0, NOTE_TRIGGER, 0);
    is(change(kq, 7, EVFILT_USER, EV_DISABLE, 0, 0), 0, "%s: disabled", k);
    ok(none(kq) && !readable(kq), "%s: silent", k);
    change(kq, 7, EVFILT_USER, EV_ENABLE, 0, 0);
    ok(next(kq) == 1, "%s: enabled, it comes", k);
    is(change(kq, 7, EVFILT_USER, EV_DELETE, 0, 0), 0, "%s: deleted", k);
    is(change(kq, 7, EVFILT_USER, 0, NOTE_TRIGGER, 0), -ENOENT, "%s: it is gone", k);

    change(kq, 8, EVFILT_USER, EV_ADD, NOTE_TRIGGER, 0);
    ok(next(kq) == 1 && next(kq) == 1 && readable(kq), "%s: without EV_CLEAR it stays", k);
    change(kq, 8, EVFILT_USER, EV_CLEAR, 0, 0);
    ok(none(kq), "%s: until it is reset", k);
    change(kq, 8, EVFILT_USER, EV_DELETE, 0, 0);

    change(kq, 9, EVFILT_USER, EV_ADD | EV_ONESHOT, NOTE_TRIGGER, 0);
    ok(next(kq) == 1 && change(kq, 9, EVFILT_USER, EV_DELETE, 0, 0) == -ENOENT, "%s: EV_ONESHOT deletes", k);
    change(kq, 9, EVFILT_USER, EV_ADD | EV_DISPATCH, NOTE_TRIGGER, 0);
    ok(next(kq) == 1 && none(kq), "%s: EV_DISPATCH", k);
    change(kq, 9, EVFILT_USER, 0, NOTE_TRIGGER, 0);
    ok(none(kq), "%s: disables", k);
    is(change(kq, 9, EVFILT_USER, EV_ENABLE, 0, 0), 0, "%s: until", k);
    is(next(kq), 1, "%s: it is enabled", k);
    change(kq, 9, EVFILT_USER, EV_DELETE, 0, 0);
    change(kq, 9, EVFILT_USER, EV_ADD | EV_DISABLE, 0, 0);
    change(kq, 9, EVFILT_USER, EV_ENABLE | EV_FORCEONESHOT, 0, 0);
    ok(next(kq) == 1 && none(kq) && change(kq, 9, EVFILT_USER, EV_DELETE, 0, 0) == -ENOENT,
       "%s: EV_FORCEONESHOT", k);

    struct kevent c;
    EV_SET(&c, 10, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0, &c);
    mn_kevent(kq, &c, 1, NULL, 0, NULL);
    EV_SET(&c, 10, EVFILT_USER, EV_KEEPUDATA, NOTE_TRIGGER, 0, NULL);
    mn_kevent(kq, &c, 1, NULL, 0, NULL);
    ok(next(kq) == 1 && got.udata == &c, "%s: EV_KEEPUDATA", k);
    EV_SET(&c, 10, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL);
    mn_kevent(kq, &c, 1, NULL, 0, NULL);
    ok(next(kq) == 1 && got.udata == NULL, "%s: without it, udata is the change's", k);
    change(kq, 10, EVFILT_USER, EV_DELETE, 0, 0);
}

static void errors(void) {
    struct kevent c[3], e[3];
    struct timespec bad = {0, 1000000000};
    is(mn_kqueue1(~0), -EINVAL, "%s: unknown flags", k);
    is(mn_kevent(-1, NULL, 0, e, 1, NULL), -EBADF, "%s: no descriptor", k);
    is(mn_kevent(0, NULL, 0, e, 1, NULL), -EBADF, "%s: no kqueue", k);
    is(mn_kevent(kq, NULL, 0, e, -1, NULL), -EINVAL, "%s: a negative length", k);
    is(mn_kevent(kq, NULL, 1, e, 1, NULL), -EFAULT, "%s: no changes", k);
    is(mn_kevent(kq, NULL, 0, e, 1, &bad), -EINVAL, "%s: a wrong timeout", k);
    is(mn_kevent(kq, NULL, 0, NULL, 0, NULL), 0, "%s: no room for events: no wait", k);
    is(change(kq, 1, 5, EV_ADD, 0, 0), -EINVAL, "%s: a filter that there is not", k);
    is(change(kq, 1, EVFILT_AIO, EV_ADD, 0, 0), -EINVAL, "%s: one that we have not", k);
    is(change(kq, 1, EVFILT_USER, EV_ADD | EV_KEEPUDATA, 0, 0), -EINVAL, "%s: EV_ADD | EV_KEEPUDATA", k);
    is(change(kq, 1, EVFILT_TIMER, EV_ADD, 0, -1), -EINVAL, "%s: a negative span", k);
    is(change(kq, 1, EVFILT_TIMER, EV_ADD, NOTE_SECONDS | NOTE_NSECONDS, 1), -EINVAL, "%s: two units", k);
    is(change(kq, 999, EVFILT_READ, EV_ADD, 0, 0), -EBADF, "%s: READ of nothing", k);
    is(change(kq, 999, EVFILT_READ, EV_DELETE, 0, 0), -EBADF, "%s: EBADF before ENOENT", k);
    is(change(kq, 1, EVFILT_READ, EV_DELETE, 0, 0), -ENOENT, "%s: ENOENT", k);
    is(change(kq, (uintptr_t)kq, EVFILT_READ, EV_ADD, 0, 0), -EINVAL, "%s: itself", k);

    EV_SET(&c[0], 1, EVFILT_USER, EV_ADD, 0, 0, NULL);
    EV_SET(&c[1], 2, EVFILT_USER, EV_DELETE, 0, 0, NULL);
    EV_SET(&c[2], 3, EVFILT_USER, EV_ADD | EV_RECEIPT, 0, 0, NULL);
    is(mn_kevent(kq, c, 3, c, 3, NULL), 2, "%s: an error and a receipt, in the same array", k);
    ok(c[0].ident == 2 && c[0].flags & EV_ERROR && c[0].data == ENOENT, "%s: the error", k);
    ok(c[1].ident == 3 && c[1].flags & EV_ERROR && c[1].data == 0, "%s: the receipt", k);
    EV_SET(&c[0], 2, EVFILT_USER, EV_DELETE, 0, 0, NULL);
    EV_SET(&c[1], 1, EVFILT_USER, EV_DELETE, 0, 0, NULL);
    is(mn_kevent(kq, c, 2, NULL, 0, NULL), -ENOENT, "%s: without room the error is the call's", k);
    is(change(kq, 1, EVFILT_USER, EV_DELETE, 0, 0), 0, "%s: and the rest was not done", k);
    is(change(kq, 3, EVFILT_USER, EV_DELETE, 0, 0), 0, "%s: what came before was", k);
    EV_SET(&c[0], 4, EVFILT_USER, EV_DELETE, 0, 0, NULL);
    EV_SET(&c[1], 999, EVFILT_READ, EV_ADD, 0, 0, NULL);
    is(mn_kevent(kq, c, 2, e, 1, NULL), -EBADF, "%s: also when there was room for another", k);
    EV_SET(&c[0], 1, EVFILT_USER, EV_ADD | EV_RECEIPT, 0, 0, NULL);
    memset(&c[1], 0, sizeof c[1]);
    is(mn_kevent(kq, c, 2, e, 2, NULL), 1, "%s: without a filter it is no change", k);
    is(change(kq, 1, EVFILT_USER, EV_DELETE, 0, 0), 0, "%s: but the other was one", k);
}

static void timers(void) {
    is(change(kq, 1, EVFILT_TIMER, EV_ADD | EV_ONESHOT, NOTE_USECONDS, 2000), 0, "%s: TIMER", k);
    int64_t t = now();
    ok(next(kq) == 1 && got.ident == 1 && got.data == 1 && got.fflags == 0, "%s: once", k);
    ok(now() >= t, "%s: in its time", k);
    is(change(kq, 1, EVFILT_TIMER, EV_DELETE, 0, 0), -ENOENT, "%s: it is gone", k);

    t = now();
    change(kq, 2, EVFILT_TIMER, EV_ADD, 0, 5);
    change(kq, 3, EVFILT_TIMER, EV_ADD, NOTE_SECONDS, 3600);
    ok(next(kq) == 1 && got.ident == 2 && now() - t >= 5000000, "%s: 5 ms, by default milliseconds", k);
    nap_ms(30);
    ok(readable(kq), "%s: the descriptor tells", k);
    ok(next(kq) == 1 && got.ident == 2 && got.data >= 5, "%s: periodic, %ld times meanwhile", k,
       (long)got.data);
    change(kq, 2, EVFILT_TIMER, EV_ADD, NOTE_SECONDS, 3600);
    ok(none(kq) && !readable(kq), "%s: set anew", k);
    change(kq, 2, EVFILT_TIMER, EV_DELETE, 0, 0);
    change(kq, 3, EVFILT_TIMER, EV_DELETE, 0, 0);

    struct timespec real;
    clock_gettime(CLOCK_REALTIME, &real);
    t = now();
    change(kq, 4, EVFILT_TIMER, EV_ADD, NOTE_ABSTIME | NOTE_MSECONDS,
           real.tv_sec * 1000 + real.tv_nsec / 1000000 + 20);
    ok(next(kq) == 1 && got.ident == 4 && now() - t >= 18000000, "%s: absolute", k);
    change(kq, 4, EVFILT_TIMER, EV_ADD, NOTE_ABSTIME, 1);
    ok(next(kq) == 1 && got.ident == 4, "%s: past", k);
    ok(none(kq), "%s: and only once", k);
    change(kq, 4, EVFILT_TIMER, EV_DELETE, 0, 0);
    is(change(kq, 5, EVFILT_TIMER, EV_ADD, NOTE_SECONDS, INT64_MAX), 0, "%s: beyond all time", k);
    ok(none(kq), "%s: it does not come", k);
    change(kq, 5, EVFILT_TIMER, EV_DELETE, 0, 0);

    enum { N = 100 };
    for (int i = 0; i < N; i++)
        change(kq, 100 + (i * 37) % N, EVFILT_TIMER, EV_ADD | EV_ONESHOT, NOTE_USECONDS,
               (i * 37) % N % 3 ? 100 + (i * 37) % N * 50 : 1000000000);
    for (int i = 0; i < N; i += 3)
        change(kq, 100 + i, EVFILT_TIMER, EV_DELETE, 0, 0);
    int count = 0, right = 1;
    char seen[N] = {0};
    struct kevent e;
    while (count < N - (N + 2) / 3 && mn_kevent_until(kq, NULL, 0, &e, 1, after_ms(20000)) == 1) {
        right &= (e.ident - 100) % 3 && !seen[e.ident - 100]++;
        count++;
    }
    ok(count == N - (N + 2) / 3 && right, "%s: many", k);
    is(next_ms(kq, 20), 0, "%s: no others", k);
}

static void *waits(void *arg) {
    struct kevent e;
    add(&begun, 1);
    int r = mn_kevent(kq, NULL, 0, &e, 1, NULL);
    set(&result, r == 1 ? (int)e.ident : r);
    (void)arg;
    return NULL;
}

static void *waits_10ms(void *arg) {
    struct kevent e;
    int64_t deadline = after_ms(10);
    int r = mn_kevent_until(kq, NULL, 0, &e, 1, deadline);
    set(&result, late(deadline) ? r : 1);
    (void)arg;
    return NULL;
}

static void *changes_timer(void *arg) {
    set(&begun, 0);
    struct kevent e;
    change(kq, 1, EVFILT_TIMER, EV_ADD | EV_ONESHOT, NOTE_SECONDS, 3600);
    add(&begun, 1);
    set(&result, mn_kevent(kq, NULL, 0, &e, 1, NULL));
    (void)arg;
    return NULL;
}

static void waiting(void) {
    struct runner r[4];
    start(&r[0], waits_10ms, NULL);
    finish(&r[0]);
    is(get(&result), 0, "%s: a deadline passes", k);

    change(kq, 21, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0);
    set(&begun, 0), set(&result, 0);
    start(&r[0], waits, NULL);
    until(&begun, 1);
    nap_ms(5);
    change(kq, 21, EVFILT_USER, 0, NOTE_TRIGGER, 0);
    finish(&r[0]);
    is(get(&result), 21, "%s: a trigger wakes", k);

    set(&begun, 0), set(&result, 0);
    start(&r[0], waits, NULL);
    until(&begun, 1);
    nap_ms(2);
    change(kq, 5, EVFILT_TIMER, EV_ADD | EV_ONESHOT, NOTE_MSECONDS, 1);
    finish(&r[0]);
    is(get(&result), 5, "%s: a timer that is added while somebody waits", k);

    set(&begun, 0), set(&result, 0);
    start(&r[0], changes_timer, NULL);
    until(&begun, 1);
    nap_ms(2);
    change(kq, 1, EVFILT_TIMER, EV_ADD | EV_ONESHOT, NOTE_MSECONDS, 1);
    finish(&r[0]);
    is(get(&result), 1, "%s: and one that is set to come earlier", k);

    int p[2];
    if (pipe(p) < 0)
        abort();
    set(&begun, 0), set(&result, 0);
    start(&r[0], waits, NULL);
    until(&begun, 1);
    nap_ms(2);
    change(kq, (uintptr_t)p[0], EVFILT_READ, EV_ADD | EV_ONESHOT, 0, 0);
    nap_ms(2);
    if (write(p[1], "x", 1) != 1)
        abort();
    finish(&r[0]);
    is(get(&result), p[0], "%s: a descriptor that is added while somebody waits", k);
    close(p[0]);
    close(p[1]);

    for (int how = 0; how < 2; how++) {
        kq = mn_kqueue();
        set(&begun, 0);
        set(&result, 0);
        for (int i = 0; i < 4; i++)
            start(&r[i], waits, NULL);
        until(&begun, 4);
        nap_ms(5);
        is(how ? close(kq) : mn_close(kq), 0, "%s: %s", k, how ? "close" : "mn_close");
        for (int i = 0; i < 4; i++)
            finish(&r[i]);
        is(get(&result), -EBADF, "%s: those who wait leave", k);
        is(mn_kevent(kq, NULL, 0, NULL, 0, NULL), -EBADF, "%s: it is gone", k);
    }
}

static void nested(void) {
    int outer = mn_kqueue(), inner = mn_kqueue();
    change(inner, 1, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0);
    is(change(outer, (uintptr_t)inner, EVFILT_READ, EV_ADD, 0, 0), 0, "%s: a kqueue in a kqueue", k);
    ok(none(outer), "%s: silent", k);
    change(inner, 1, EVFILT_USER, 0, NOTE_TRIGGER, 0);
    ok(next(outer) == 1 && got.ident == (uintptr_t)inner && got.data == 1, "%s: it is ready", k);
    ok(next(outer) == 1, "%s: and stays so", k);
    is(next(inner), 1, "%s: until its event is taken", k);
    ok(none(outer), "%s: silent again", k);
    change(inner, 1, EVFILT_TIMER, EV_ADD, NOTE_MSECONDS, 1);
    ok(next(outer) == 1, "%s: by a timer", k);
    mn_close(inner);
    ok(none(outer), "%s: closed", k);
    mn_close(outer);
}

static void test(void) {
    k = kind_name[kind];
    kq = mn_kqueue();
    ok(kq >= 0, "%s: a kqueue", k);
    user();
    errors();
    timers();
    nested();
    int mine = kq;
    waiting();
    is(close(mine), 0, "%s: closed", k);
    is(mn_kevent(mine, NULL, 0, NULL, 0, NULL), -EBADF, "%s: it is none any more", k);
}

static int cancelled(void *arg) {
    (void)arg;
    kind = GREEN;
    kq = mn_kqueue();
    set(&begun, 0);
    cancel_in(waits, NULL, &begun);
    is(get(&result), -ECANCELED, "a cancelled wait");
    change(kq, 1, EVFILT_USER, EV_ADD, NOTE_TRIGGER, 0);
    is(next(kq), 1, "takes nothing");
    mn_close(kq);
    return 0;
}

/* Threads with an LWP of their own wait as green ones do. */
static int bound(void *arg) {
    struct mn_attr attr = {.flags = MN_BOUND};
    mn_thread t;
    int p[2];
    (void)arg;
    kq = mn_kqueue();
    change(kq, 3, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0);
    for (int i = 0; i < 3; i++) {
        set(&begun, 0), set(&result, 0);
        if (mn_go_attr(&t, &attr, waits, NULL) < 0 || pipe(p) < 0)
            abort();
        until(&begun, 1);
        nap_ms(3);
        if (i == 0) {
            change(kq, 3, EVFILT_USER, 0, NOTE_TRIGGER, 0);
        } else if (i == 1) {
            change(kq, (uintptr_t)p[0], EVFILT_READ, EV_ADD | EV_ONESHOT, 0, 0);
            nap_ms(3);
            if (write(p[1], "x", 1) != 1)
                abort();
        } else {
            mn_cancel(t);
        }
        mn_join(t, NULL);
        is(get(&result), i == 0 ? 3 : i == 1 ? p[0] : -ECANCELED, "a bound thread, %d", i);
        close(p[0]);
        close(p[1]);
    }
    mn_close(kq);
    return 0;
}

/* Closed where we do not see it. */
static void vanished(void) {
    struct runner r;
    kind = FOREIGN;
    kq = mn_kqueue();
    set(&begun, 0), set(&result, 0);
    start(&r, waits, NULL);
    until(&begun, 1);
    nap_ms(3);
    syscall(SYS_close, kq);
    finish(&r);
    is(get(&result), -EBADF, "closed by the system call: who waits finds out");
    is(mn_kevent(kq, NULL, 0, NULL, 0, NULL), -EBADF, "and it is none any more");
}

static void forked(void) {
    int old = mn_kqueue();
    change(old, 1, EVFILT_USER, EV_ADD, NOTE_TRIGGER, 0);
    change(old, 1, EVFILT_TIMER, EV_ADD, 0, 1000);
    pid_t child = fork();
    if (child == 0) {
        struct kevent e;
        struct timespec zero = {0, 0};
        if (fcntl(old, F_GETFD) >= 0 || mn_kevent(old, NULL, 0, &e, 1, &zero) != -EBADF)
            _exit(1);
        int new = mn_kqueue();
        if (new < 0 || change(new, 1, EVFILT_USER, EV_ADD, NOTE_TRIGGER, 0) != 0 || next(new) != 1)
            _exit(2);
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    is(status, 0, "a fork's child has no kqueues, and can make some");
    is(next(old), 1, "the parent's is as it was");
    mn_close(old);
}

static void many(void) {
    int low = mn_kqueue(), same = 1;
    mn_close(low);
    for (int i = 0; i < 2000; i++) {
        int q = mn_kqueue();
        same &= q == low;
        change(q, 1, EVFILT_USER, EV_ADD, NOTE_TRIGGER, 0);
        change(q, 2, EVFILT_TIMER, EV_ADD, 0, 1);
        same &= readable(q);
        close(q);
    }
    ok(same, "2000 kqueues, none of them leaves anything");
}

int main(void) {
    alarm(50);
    kinds(test);
    mn_run(cancelled, NULL, NULL);
    mn_run(bound, NULL, NULL);
    vanished();
    forked();
    many();
    return done();
}
