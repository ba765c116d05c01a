/* EVFILT_PROC, EVFILT_VNODE, EVFILT_SIGNAL. */
#include "kq.h"

#include <sys/stat.h>
#include <sys/wait.h>

static int kq;
static const char *k;

static pid_t child(int status, int waits[2]) {
    if (pipe(waits) < 0)
        abort();
    pid_t pid = fork();
    if (pid == 0) {
        char b;
        close(waits[1]);
        if (read(waits[0], &b, 1) < 0)
            _exit(99);
        if (status < 0)
            raise(-status);
        _exit(status);
    }
    close(waits[0]);
    return pid;
}

static void proc(void) {
    int go[2], status;
    pid_t pid = child(5, go);
    is(change(kq, (uintptr_t)pid, EVFILT_PROC, EV_ADD, NOTE_EXIT, 0), 0, "%s: PROC", k);
    ok(none(kq), "%s: it runs", k);
    close(go[1]);
    ok(next(kq) == 1 && got.ident == (uintptr_t)pid && got.fflags == NOTE_EXIT && got.flags & EV_EOF, "%s: it has ended", k);
    ok(WIFEXITED((int)got.data) && WEXITSTATUS((int)got.data) == 5, "%s: with its status", k);
    is(change(kq, (uintptr_t)pid, EVFILT_PROC, EV_DELETE, 0, 0), -ENOENT, "%s: the note has gone", k);
    ok(waitpid(pid, &status, 0) == pid && status == (int)got.data, "%s: it can still be waited for", k);
    is(change(kq, (uintptr_t)pid, EVFILT_PROC, EV_ADD, NOTE_EXIT, 0), -ESRCH, "%s: no such process any more", k);
    pid = child(-SIGKILL, go);
    close(go[1]);
    siginfo_t info;
    waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
    change(kq, (uintptr_t)pid, EVFILT_PROC, EV_ADD, NOTE_EXIT | NOTE_FORK, 0);
    ok(next(kq) == 1 && WIFSIGNALED((int)got.data) && WTERMSIG((int)got.data) == SIGKILL, "%s: killed, before it was added", k);
    waitpid(pid, &status, 0);
    pid = child(0, go);
    change(kq, (uintptr_t)pid, EVFILT_PROC, EV_ADD, NOTE_EXEC, 0);
    close(go[1]);
    waitpid(pid, &status, 0);
    ok(none(kq), "%s: nobody asked for its end", k);
    is(change(kq, 0x7ffffffe, EVFILT_PROC, EV_ADD, NOTE_EXIT, 0), -ESRCH, "%s: a process that never was", k);
}

static void vnode(void) {
    char dir[] = "/tmp/kq_os.XXXXXX", a[64], b[64], sub[64];
    if (!mkdtemp(dir))
        abort();
    snprintf(a, sizeof a, "%s/a", dir);
    snprintf(b, sizeof b, "%s/b", dir);
    snprintf(sub, sizeof sub, "%s/sub", dir);
    int f = open(a, O_CREAT | O_RDWR, 0600), d = open(dir, O_RDONLY | O_DIRECTORY), p[2];
    const unsigned all = NOTE_DELETE | NOTE_WRITE | NOTE_EXTEND | NOTE_ATTRIB | NOTE_LINK | NOTE_RENAME | NOTE_REVOKE;
    is(change(kq, (uintptr_t)f, EVFILT_VNODE, EV_ADD | EV_CLEAR, all, 0), 0, "%s: VNODE", k);
    ok(none(kq), "%s: silent", k);
    if (write(f, "abc", 3) != 3)
        abort();
    ok(next(kq) == 1 && got.fflags == (NOTE_WRITE | NOTE_EXTEND) && got.ident == (uintptr_t)f, "%s: WRITE, EXTEND", k);
    if (pwrite(f, "x", 1, 0) != 1)
        abort();
    ok(next(kq) == 1 && got.fflags == NOTE_WRITE, "%s: WRITE", k);
    fchmod(f, 0640);
    ok(next(kq) == 1 && got.fflags == NOTE_ATTRIB, "%s: ATTRIB", k);
    if (link(a, b) < 0)
        abort();
    ok(next(kq) == 1 && got.fflags == NOTE_LINK, "%s: LINK", k);
    unlink(b);
    ok(next(kq) == 1 && got.fflags == (NOTE_LINK | NOTE_DELETE), "%s: one of two links is removed", k);
    if (rename(a, b) < 0)
        abort();
    ok(next(kq) == 1 && got.fflags == NOTE_RENAME, "%s: RENAME", k);
    ok(none(kq), "%s: no more", k);
    is(change(kq, (uintptr_t)d, EVFILT_VNODE, EV_ADD | EV_CLEAR, all, 0), 0, "%s: of a directory", k);
    mkdir(sub, 0700);
    ok(next(kq) == 1 && got.ident == (uintptr_t)d && (got.fflags & (NOTE_WRITE | NOTE_LINK)) == (NOTE_WRITE | NOTE_LINK), "%s: a directory in it", k);
    rmdir(sub);
    next(kq);
    change(kq, (uintptr_t)d, EVFILT_VNODE, EV_DELETE, 0, 0);
    unlink(b);
    ok(next(kq) == 1 && got.fflags & NOTE_DELETE, "%s: DELETE", k);
    change(kq, (uintptr_t)f, EVFILT_VNODE, EV_ADD | EV_CLEAR, NOTE_READ | NOTE_OPEN | NOTE_CLOSE_WRITE, 0);
    int same = dup(f);
    change(kq, (uintptr_t)same, EVFILT_VNODE, EV_ADD | EV_CLEAR, NOTE_WRITE, 0);
    char c;
    if (pread(f, &c, 1, 0) != 1 || pwrite(f, "y", 1, 0) != 1)
        abort();
    struct kevent e[4];
    struct timespec soon = {20, 0};
    int n = mn_kevent(kq, NULL, 0, e, 4, &soon);
    ok(n == 2 && (e[0].fflags | e[1].fflags) == (NOTE_READ | NOTE_WRITE), "%s: two notes on a file, each what it wants", k);
    close(f);
    if (pwrite(same, "z", 1, 0) != 1)
        abort();
    ok(next(kq) == 1 && got.ident == (uintptr_t)same && none(kq), "%s: one is closed", k);
    close(same);
    close(d);
    if (pipe(p) < 0)
        abort();
    is(change(kq, (uintptr_t)p[0], EVFILT_VNODE, EV_ADD, all, 0), -EINVAL, "%s: not of a pipe", k);
    close(p[0]);
    close(p[1]);
    rmdir(dir);
}

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
    ok(next(kq) == 1 && got.ident == SIGUSR1 && got.data >= 1 && got.flags & EV_CLEAR, "%s: an ignored signal", k);
    ok(none(kq), "%s: once", k);
    signal(SIGUSR1, handler);
    ok(none(kq), "%s: a handler is set later", k);
    handled = 0;
    got.data = 0;
    for (int i = 1; i <= 3; i++) {
        kill(getpid(), SIGUSR1);
        until(&handled, i); /* each has been delivered */
    }
    is(counted(3), 3, "%s: three, counted", k);
    is(handled, 3, "%s: and handled", k);
    change(kq, SIGUSR1, EVFILT_SIGNAL, EV_DISABLE, 0, 0);
    kill(getpid(), SIGUSR1);
    until(&handled, 4);
    ok(none(kq), "%s: disabled", k);
    change(kq, SIGUSR1, EVFILT_SIGNAL, EV_ENABLE, 0, 0);
    ok(next(kq) == 1 && got.data == 1, "%s: enabled: it was counted", k);
    is(change(kq, SIGUSR1, EVFILT_SIGNAL, EV_DELETE, 0, 0), 0, "%s: deleted", k);
    struct sigaction now;
    sigaction(SIGUSR1, NULL, &now);
    ok(now.sa_handler == handler && !(now.sa_flags & SA_SIGINFO), "%s: the handler is the program's own again", k);
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
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGRTMIN);
    pthread_sigmask(SIG_BLOCK, &set, &old);
    change(kq, SIGUSR2, EVFILT_SIGNAL, EV_ADD, 0, 0);
    for (int i = 0; i < 2; i++) {
        kill(getpid(), SIGUSR2);
        ok(next(kq) == 1 && got.ident == SIGUSR2 && got.data == 1, "blocked, round %d", i);
    }
    signal(SIGUSR2, handler);
    ok(none(kq), "a handler");
    handled = 0;
    kill(getpid(), SIGUSR2);
    ok(next(kq) == 1 && got.data == 1 && handled == 0, "blocked, with a handler: counted");
    kill(getpid(), SIGCONT);
    ok(none(kq), "once, whatever other signals come");
    sigset_t pending;
    sigpending(&pending);
    ok(sigismember(&pending, SIGUSR2), "and still pending");
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    until(&handled, 1);
    ok(none(kq), "the handler's turn is not counted again");
    kill(getpid(), SIGUSR2);
    until(&handled, 2);
    ok(next(kq) == 1 && got.data == 1, "the next is");
    pthread_sigmask(SIG_BLOCK, &set, NULL);
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
    proc();
    vnode();
    signals();
    close(kq);
}

int main(void) {
    kq = mn_kqueue();
    blocked();
    interrupted();
    close(kq);
    kinds(test);
    return done();
}
