/* timeout: 240 */
/*
 * Kqueues when memory and descriptors run out: the call that fails says so, what was there before stays, and
 * the same call works the next time.  A program that uses every filter runs again and again, with the first,
 * second, ... call at each point failing.
 */
#include "kq.h"
#include "mn/procfs.h"
#include "mn/fault_child.h"

#include <fcntl.h>
#include <mn/signal.h>
#include <sys/eventfd.h>
#include <sys/un.h>
#include <sys/wait.h>

static int failed;

static int lack(int r) {
    return r == -ENOMEM || r == -EMFILE || r == -ENFILE || r == -EAGAIN || r == -ENOBUFS || r == -ENOSPC;
}

/* Must work the second time at the latest. */
#define TRY(call) \
    do { \
        int r_ = (call); \
        if (lack(r_)) { \
            failed++; \
            r_ = (call); \
        } \
        if (r_ < 0) { \
            printf("# %s:%d: %s: %d\n", __FILE__, __LINE__, #call, r_); \
            fflush(stdout); \
            _exit(1); \
        } \
    } while (0)

static int wait_one(int kq) {
    struct kevent e;
    int r = mn_kevent_until(kq, NULL, 0, &e, 1, after_ms(20000));
    if (r == 1)
        got = e;
    return r;
}

static void *later(void *arg) {
    nap_ms(2);
    TRY(change(*(int *)arg, 1, EVFILT_USER, 0, NOTE_TRIGGER, 0));
    return NULL;
}

/* A process that forks, where the system tells of it: each event comes, or the parent's says that something
 * was lost. */
static void track(int kq) {
    int go[2];
    MUST(pipe(go) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        char c;
        close(go[1]);
        MUST(read(go[0], &c, 1) == 0);
        pid_t child = fork();
        if (child == 0)
            _exit(7);
        waitpid(child, NULL, 0);
        _exit(4);
    }
    int r = change(kq, (uintptr_t)pid, EVFILT_PROC, EV_ADD, NOTE_TRACK | NOTE_FORK, 0);
    if (lack(r)) {
        failed++;
        r = change(kq, (uintptr_t)pid, EVFILT_PROC, EV_ADD, NOTE_TRACK | NOTE_FORK, 0);
    }
    MUST(r == 0 || r == -ENOTSUP);
    if (r == 0)
        TRY(change(kq, (uintptr_t)pid, EVFILT_PROC, EV_ADD, NOTE_TRACK | NOTE_EXIT, 0));
    close(go[0]);
    close(go[1]);
    bool child = r < 0, ended = r < 0, erred = false;
    while (!ended || !(child || erred)) {
        TRY(wait_one(kq));
        MUST(got.filter == EVFILT_PROC);
        child |= got.ident != (uintptr_t)pid && got.fflags == NOTE_CHILD && got.data == pid;
        unsigned rest = got.fflags & ~NOTE_TRACKERR;
        MUST(got.ident == (uintptr_t)pid || rest == NOTE_CHILD || rest == 0 || (child && rest == NOTE_EXIT));
        erred |= (got.fflags & NOTE_TRACKERR) != 0;
        ended |= got.ident == (uintptr_t)pid && got.fflags & NOTE_EXIT && got.data == 4 << 8;
    }
    failed += erred;
    waitpid(pid, NULL, 0);
    struct kevent e;
    while (mn_kevent_until(kq, NULL, 0, &e, 1, 0) > 0)
        MUST(e.filter == EVFILT_PROC && e.ident != (uintptr_t)pid);
}

/* The number of connections that wait at a Unix socket, or 1 where it cannot be had. */
static void backlog(int kq) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    socklen_t size = sizeof(sa_family_t);
    int l = socket(AF_UNIX, SOCK_STREAM, 0), c[2];
    MUST(l >= 0 && bind(l, (struct sockaddr *)&a, size) == 0 && listen(l, 8) == 0);
    size = sizeof a;
    MUST(getsockname(l, (struct sockaddr *)&a, &size) == 0);
    for (int i = 0; i < 2; i++) {
        c[i] = socket(AF_UNIX, SOCK_STREAM, 0);
        MUST(c[i] >= 0 && connect(c[i], (struct sockaddr *)&a, size) == 0);
    }
    TRY(change(kq, (uintptr_t)l, EVFILT_READ, EV_ADD | EV_ONESHOT, 0, 0));
    TRY(wait_one(kq));
    MUST(got.ident == (uintptr_t)l && (got.data == 2 || got.data == 1));
    failed += got.data == 1;
    close(l);
    close(c[0]);
    close(c[1]);
}

static int life(void *arg) {
    int kq, p[2], s[2];
    char name[] = "/tmp/fault_kq.XXXXXX";
    MUST(pipe(p) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
    int file = mkstemp(name);
    MUST(file >= 0);
    TRY(kq = mn_kqueue());
    for (int i = 1; i <= 40; i++)
        TRY(change(kq, (uintptr_t)i, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0));
    TRY(change(kq, 1, EVFILT_USER, 0, NOTE_TRIGGER, 0));
    TRY(wait_one(kq));
    MUST(got.ident == 1 && got.filter == EVFILT_USER);
    struct runner r;
    start(&r, later, &kq);
    TRY(wait_one(kq));
    MUST(got.ident == 1);
    finish(&r);
    for (int i = 1; i <= 20; i++)
        TRY(change(kq, (uintptr_t)i, EVFILT_TIMER, EV_ADD | EV_ONESHOT, NOTE_USECONDS, i * 50));
    for (int i = 1; i <= 20; i++) {
        TRY(wait_one(kq));
        MUST(got.filter == EVFILT_TIMER);
    }
    TRY(change(kq, (uintptr_t)p[0], EVFILT_READ, EV_ADD, 0, 0));
    TRY(change(kq, (uintptr_t)s[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 0));
    TRY(change(kq, (uintptr_t)s[0], EVFILT_WRITE, EV_ADD | EV_ONESHOT, 0, 0));
    TRY(wait_one(kq));
    MUST(got.filter == EVFILT_WRITE);
    MUST(write(p[1], "abc", 3) == 3);
    TRY(wait_one(kq));
    MUST(got.ident == (uintptr_t)p[0] && got.data == 3);
    TRY(change(kq, (uintptr_t)p[0], EVFILT_READ, EV_DELETE, 0, 0));
    TRY(change(kq, (uintptr_t)file, EVFILT_VNODE, EV_ADD | EV_CLEAR, NOTE_WRITE, 0));
    MUST(write(file, "x", 1) == 1);
    TRY(wait_one(kq));
    MUST(got.filter == EVFILT_VNODE);
    pid_t pid = fork();
    if (pid == 0)
        _exit(3);
    TRY(change(kq, (uintptr_t)pid, EVFILT_PROC, EV_ADD, NOTE_EXIT, 0));
    TRY(wait_one(kq));
    MUST(got.filter == EVFILT_PROC && got.data == 3 << 8);
    waitpid(pid, NULL, 0);
    track(kq);
    backlog(kq);
    TRY(change(kq, SIGUSR1, EVFILT_SIGNAL, EV_ADD, 0, 0));
    kill(getpid(), SIGUSR1);
    TRY(wait_one(kq));
    MUST(got.ident == SIGUSR1 && got.filter == EVFILT_SIGNAL);
    TRY(change(kq, SIGUSR1, EVFILT_SIGNAL, EV_DELETE, 0, 0));
    sigset_t box_set;
    sigemptyset(&box_set);
    sigaddset(&box_set, SIGUSR2);
    int box;
    TRY(box = mn_signal_open(&box_set));
    kill(getpid(), SIGUSR2);
    TRY(mn_signal_wait(box, NULL));
    close(box);
    MUST(close(kq) == 0);
    for (int i = 0; i < 2; i++) {
        close(p[i]);
        close(s[i]);
    }
    close(file);
    unlink(name);
    return arg != NULL;
}

/* What is looked at where a note is to be reported: each answer may be missing, and no note is lost or is told
 * of what is not there. */
static int readings(void *arg) {
    int kq, s[2], p[2], more;
    char name[] = "/tmp/fault_kq.XXXXXX", text[8];
    uint64_t count = 5;
    struct kevent e;
    int event = eventfd(0, EFD_NONBLOCK), file = mkstemp(name);
    MUST(event >= 0 && file >= 0 && pipe(p) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
    TRY(kq = mn_kqueue());
    TRY(change(kq, (uintptr_t)event, EVFILT_READ, EV_ADD, 0, 0));
    TRY(change(kq, (uintptr_t)s[0], EVFILT_READ, EV_ADD, 0, 0));
    TRY(change(kq, (uintptr_t)p[0], EVFILT_READ, EV_ADD, 0, 0));
    TRY(change(kq, (uintptr_t)file, EVFILT_VNODE, EV_ADD | EV_CLEAR, NOTE_WRITE | NOTE_EXTEND, 0));
    TRY(change(kq, (uintptr_t)file, EVFILT_READ, EV_ADD, 0, 0));
    MUST(change(kq, 1000, EVFILT_READ, EV_ADD, 0, 0) < 0);
    MUST(mn_kevent_until(kq, NULL, 0, &e, 1, 0) == 0);
    for (int round = 0; round < 3; round++) {
        MUST(write(event, &count, 8) == 8);
        MUST(wait_one(kq) == 1 && got.ident == (uintptr_t)event && (got.data == 5 || got.data == 1));
        failed += got.data == 1;
        MUST(read(event, &count, 8) == 8 && count == 5);
        MUST(mn_kevent_until(kq, NULL, 0, &e, 1, 0) == 0);
    }
    /* One of two is taken, and both are drained before the other is. */
    MUST(write(p[1], "abc", 3) == 3 && write(event, &count, 8) == 8 && wait_one(kq) == 1);
    MUST(read(event, &count, 8) == 8 && read(p[0], text, 8) == 3);
    MUST(mn_kevent_until(kq, NULL, 0, &e, 1, 0) == 0);
    MUST(write(p[1], "abc", 3) == 3);
    MUST(wait_one(kq) == 1 && got.ident == (uintptr_t)p[0] && (got.data == 3 || got.data == 1));
    failed += got.data == 1;
    MUST(read(p[0], text, 8) == 3 && mn_kevent_until(kq, NULL, 0, &e, 1, 0) == 0);
    MUST(write(s[1], "abcd", 4) == 4);
    MUST(wait_one(kq) == 1 && got.ident == (uintptr_t)s[0] && (got.data == 4 || got.data == 0));
    failed += got.data == 0;
    MUST(read(s[0], text, 8) == 4 && mn_kevent_until(kq, NULL, 0, &e, 1, 0) == 0);
    /* Its own descriptor's position stays: what is written by another is there to read. */
    MUST((more = open(name, O_WRONLY | O_APPEND)) >= 0 && write(more, "xy", 2) == 2);
    unsigned seen = 0, to_read = 0;
    for (int i = 0; i < 4 && (!(seen & NOTE_WRITE) || !to_read); i++) {
        MUST(wait_one(kq) == 1 && got.ident == (uintptr_t)file);
        if (got.filter == EVFILT_VNODE)
            seen |= got.fflags;
        else
            to_read = (unsigned)got.data;
    }
    MUST(seen & NOTE_WRITE && to_read == 2);
    failed += !(seen & NOTE_EXTEND);
    /* Both notes are still there. */
    TRY(change(kq, (uintptr_t)file, EVFILT_READ, EV_DELETE, 0, 0));
    MUST(write(more, "z", 1) == 1);
    MUST(wait_one(kq) == 1 && got.filter == EVFILT_VNODE && got.fflags & NOTE_WRITE);
    TRY(change(kq, (uintptr_t)file, EVFILT_VNODE, EV_DELETE, 0, 0));
    TRY(change(kq, (uintptr_t)s[0], EVFILT_WRITE, EV_ADD | EV_ONESHOT, 0, 0));
    MUST(wait_one(kq) == 1 && got.filter == EVFILT_WRITE && got.data > 0);
    TRY(change(kq, (uintptr_t)p[1], EVFILT_WRITE, EV_ADD | EV_ONESHOT, 0, 0));
    MUST(wait_one(kq) == 1 && got.filter == EVFILT_WRITE && got.data > 0);
    close(s[1]);
    MUST(wait_one(kq) == 1 && got.ident == (uintptr_t)s[0] && got.flags & EV_EOF);
    MUST(mn_kevent_until(kq, NULL, 0, &e, 1, 0) == 1 && e.flags & EV_EOF);
    /* A box: a signal that another has taken is not taken twice, and the next one comes. */
    sigset_t box_set;
    sigemptyset(&box_set);
    sigaddset(&box_set, SIGUSR2);
    int box;
    TRY(box = mn_signal_open(&box_set));
    for (int i = 0; i < 3; i++) {
        siginfo_t info;
        kill(getpid(), SIGUSR2);
        MUST(mn_signal_wait_until(box, &info, after_ms(20000)) == SIGUSR2 && info.si_pid == getpid());
        MUST(mn_signal_wait_until(box, &info, after_ms(0)) == -ETIMEDOUT);
    }
    close(box);
    close(kq);
    close(s[0]);
    close(p[0]);
    close(p[1]);
    close(event);
    close(file);
    close(more);
    unlink(name);
    return arg != NULL;
}

static int child(const char *how) {
    int (*program)(void *) = getenv("FAULT_READINGS") ? readings : life;
    long fds = count_fds();
    signal(SIGUSR1, SIG_IGN);
    kind = *how == 'g' ? GREEN : FOREIGN;
    if (kind == FOREIGN) {
        program(NULL);
    } else {
        TRY(mn_run(program, NULL, NULL));
    }
    MUST(count_fds() <= fds + 4); /* what is made once: the bell of signals, ... */
    printf("%d\n", failed);
    return 0;
}

int main(int argc, char **argv) {
    if (argc > 1)
        return child(argv[1]);
    static const char *const points[] = {"malloc",   "eventfd", "epoll",  "timerfd", "inotify",     "pidfd",
                                         "signalfd", "mmap",    "socket", "netlink", "inotify_add", "kq_add"};
    for (unsigned p = 0; p < sizeof points / sizeof *points; p++)
        for (int green = 0; green < 2; green++) {
            bool bad = false;
            int hits = 0, misses = 0, n = 1;
            /* A failure that is made up for inside is no hit; several in a row: the call does not come any
             * more. */
            for (; n <= 120 && !bad && misses < 5; n++) {
                char rule[64];
                snprintf(rule, sizeof rule, "%s:nth=%d", points[p], n);
                int hit = run_with_rule(argv[0], rule, green, &bad);
                hits += hit > 0;
                misses = hit > 0 ? 0 : misses + 1;
            }
            ok(!bad, "%s, %s: %d of %d calls were made to fail", points[p], green ? "green" : "foreign", hits,
               n);
        }
    static const char *const answers[] = {"kq_ioctl", "kq_option", "kq_info", "kq_stat", "signal_read", "poll"};
    setenv("FAULT_READINGS", "1", 1);
    for (unsigned p = 0; p < sizeof answers / sizeof *answers; p++)
        for (int green = 0; green < 2; green++) {
            bool bad = false;
            int hits = 0;
            for (int n = 1; n <= 40 && !bad; n++) {
                char rule[64];
                snprintf(rule, sizeof rule, "%s:nth=%d", answers[p], n);
                hits += run_with_rule(argv[0], rule, green, &bad) > 0;
            }
            ok(!bad, "%s is not answered, %s: nothing is lost (%d were told)", answers[p],
               green ? "green" : "foreign", hits);
        }
    return done();
}
