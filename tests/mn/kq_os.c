/* EVFILT_PROC, EVFILT_VNODE. */
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
    ok(next(kq) == 1 && got.ident == (uintptr_t)pid && got.fflags == NOTE_EXIT && got.flags & EV_EOF,
       "%s: it has ended", k);
    ok(WIFEXITED((int)got.data) && WEXITSTATUS((int)got.data) == 5, "%s: with its status", k);
    is(change(kq, (uintptr_t)pid, EVFILT_PROC, EV_DELETE, 0, 0), -ENOENT, "%s: the note has gone", k);
    ok(waitpid(pid, &status, 0) == pid && status == (int)got.data, "%s: it can still be waited for", k);
    is(change(kq, (uintptr_t)pid, EVFILT_PROC, EV_ADD, NOTE_EXIT, 0), -ESRCH, "%s: no such process any more",
       k);
    pid = child(-SIGKILL, go);
    close(go[1]);
    siginfo_t info;
    waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
    change(kq, (uintptr_t)pid, EVFILT_PROC, EV_ADD, NOTE_EXIT | NOTE_FORK, 0);
    ok(next(kq) == 1 && WIFSIGNALED((int)got.data) && WTERMSIG((int)got.data) == SIGKILL,
       "%s: killed, before it was added", k);
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
    const unsigned all =
        NOTE_DELETE | NOTE_WRITE | NOTE_EXTEND | NOTE_ATTRIB | NOTE_LINK | NOTE_RENAME | NOTE_REVOKE;
    is(change(kq, (uintptr_t)f, EVFILT_VNODE, EV_ADD | EV_CLEAR, all, 0), 0, "%s: VNODE", k);
    ok(none(kq), "%s: silent", k);
    if (write(f, "abc", 3) != 3)
        abort();
    ok(next(kq) == 1 && got.fflags == (NOTE_WRITE | NOTE_EXTEND) && got.ident == (uintptr_t)f,
       "%s: WRITE, EXTEND", k);
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
    ok(next(kq) == 1 && got.ident == (uintptr_t)d &&
           (got.fflags & (NOTE_WRITE | NOTE_LINK)) == (NOTE_WRITE | NOTE_LINK),
       "%s: a directory in it", k);
    char moved[40];
    snprintf(moved, sizeof moved, "%s/moved", dir);
    if (rename(sub, moved) < 0)
        abort();
    ok(next(kq) == 1 && got.ident == (uintptr_t)d && (got.fflags & (NOTE_WRITE | NOTE_LINK)) == NOTE_WRITE,
       "%s: which is moved within it", k);
    rmdir(moved);
    ok(next(kq) == 1 && got.fflags == (NOTE_WRITE | NOTE_LINK), "%s: and removed", k);
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
    ok(n == 2 && (e[0].fflags | e[1].fflags) == (NOTE_READ | NOTE_WRITE),
       "%s: two notes on a file, each what it wants", k);
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
    if (mkfifo(a, 0600) < 0 || (f = open(a, O_RDWR)) < 0)
        abort();
    is(change(kq, (uintptr_t)f, EVFILT_VNODE, EV_ADD | EV_CLEAR, all, 0), 0, "%s: of one with a name", k);
    is(change(kq, (uintptr_t)f, EVFILT_READ, EV_ADD | EV_CLEAR, 0, 0), 0, "%s: beside its data", k);
    if (write(f, "abc", 3) != 3)
        abort();
    ok(next(kq) == 1 && got.filter == EVFILT_READ && got.data == 3, "%s: which come", k);
    if (rename(a, b) < 0)
        abort();
    ok(next(kq) == 1 && got.filter == EVFILT_VNODE && got.fflags == NOTE_RENAME, "%s: it is renamed", k);
    unlink(b);
    ok(next(kq) == 1 && got.filter == EVFILT_VNODE && got.fflags & NOTE_DELETE, "%s: and deleted", k);
    close(f);
    rmdir(dir);
}

/* A directory ends without an event of its own. */
static void directories(void) {
    char dir[] = "/tmp/kq_os.XXXXXX", name[4][40];
    int d[4];
    if (!mkdtemp(dir))
        abort();
    for (int i = 0; i < 4; i++) {
        snprintf(name[i], sizeof name[i], "%s/%d", dir, i);
        if (mkdir(name[i], 0700) < 0 || (d[i] = open(name[i], O_RDONLY | O_DIRECTORY)) < 0)
            abort();
    }
    int up = open(dir, O_RDONLY | O_DIRECTORY);
    change(kq, (uintptr_t)up, EVFILT_VNODE, EV_ADD | EV_CLEAR, NOTE_ATTRIB, 0);
    for (int i = 0; i < 3; i++)
        change(kq, (uintptr_t)d[i], EVFILT_VNODE, EV_ADD | EV_CLEAR, NOTE_DELETE, 0);
    rmdir(name[0]);
    ok(next(kq) == 1 && got.ident == (uintptr_t)d[0] && got.fflags == NOTE_DELETE, "%s: a directory is removed", k);
    ok(none(kq), "%s: and no other", k);
    change(kq, (uintptr_t)up, EVFILT_VNODE, EV_DELETE, 0, 0);
    if (rename(name[3], name[1]) < 0)
        abort();
    ok(next(kq) == 1 && got.ident == (uintptr_t)d[1] && got.fflags == NOTE_DELETE, "%s: one is replaced", k);
    char away[50];
    snprintf(away, sizeof away, "%s/away", name[1]);
    if (rename(name[2], away) < 0)
        abort();
    ok(none(kq), "%s: one is moved elsewhere", k);
    rmdir(away);
    ok(next(kq) == 1 && got.ident == (uintptr_t)d[2] && got.fflags == NOTE_DELETE, "%s: and removed there", k);
    change(kq, (uintptr_t)d[3], EVFILT_VNODE, EV_ADD | EV_CLEAR, NOTE_DELETE | NOTE_RENAME, 0);
    change(kq, (uintptr_t)d[3], EVFILT_VNODE, EV_ADD | EV_CLEAR, NOTE_RENAME, 0);
    rmdir(name[1]);
    ok(none(kq), "%s: nobody asked", k);
    for (int i = 0; i < 4; i++)
        close(d[i]);
    close(up);
    rmdir(dir);
}

/* More events than the kernel keeps for who does not look. */
static void too_many(void) {
    char name[3][30] = {"/tmp/kq_os.XXXXXX", "/tmp/kq_os.XXXXXX", "/tmp/kq_os.XXXXXX"};
    long most = 0;
    int f[3];
    FILE *limit = fopen("/proc/sys/fs/inotify/max_queued_events", "r");
    if (!limit || fscanf(limit, "%ld", &most) != 1 || most > 100000)
        most = 0;
    if (limit)
        fclose(limit);
    if (!most)
        return;
    for (int i = 0; i < 3; i++) {
        f[i] = mkstemp(name[i]);
        change(kq, (uintptr_t)f[i], EVFILT_VNODE, EV_ADD | EV_CLEAR, i < 2 ? NOTE_WRITE : NOTE_WRITE | NOTE_DELETE, 0);
    }
    for (long i = 0; i < most + 10; i++)
        if (pwrite(f[i % 2], "x", 1, 0) != 1)
            abort();
    unlink(name[2]);
    struct kevent e[4];
    struct timespec zero = {0, 0};
    int n = mn_kevent(kq, NULL, 0, e, 4, &zero), deleted = 0;
    for (int i = 0; i < n; i++)
        deleted |= e[i].ident == (uintptr_t)f[2] && e[i].fflags & NOTE_DELETE;
    ok(n == 3 && deleted, "%s: an event that was not told is found out", k);
    for (int i = 0; i < 3; i++) {
        close(f[i]);
        unlink(name[i]);
    }
}

static void test(void) {
    k = kind_name[kind];
    kq = mn_kqueue();
    proc();
    vnode();
    directories();
    too_many();
    close(kq);
}

int main(void) {
    kinds(test);
    return done();
}
