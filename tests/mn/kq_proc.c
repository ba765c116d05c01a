/* EVFILT_PROC: NOTE_FORK, NOTE_EXEC, NOTE_TRACK, and what happens where the system does not tell of them. */
#include "kq.h"

#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static int kq;
static const char *k;

/* A child that does what it is told by single letters. */
struct actor {
    pid_t pid;
    int in, out;
};

/* f: a child that ends with 7, waited for.  F: a child that acts as well, and answers.  q: it ends with 3.
 * x: exec. */
static void act(int in, int out) {
    char c;
    while (read(in, &c, 1) == 1) {
        pid_t pid = -1;
        switch (c) {
        case 'f':
            if ((pid = fork()) == 0)
                _exit(7);
            waitpid(pid, NULL, 0);
            break;
        case 'F':
            if ((pid = fork()) == 0) {
                pid = getpid();
                break;
            }
            waitpid(pid, NULL, 0);
            continue;
        case 'x':
            execl("/bin/sh", "sh", "-c", "read x; exit 4", NULL);
            _exit(98);
        default:
            _exit(3);
        }
        if (write(out, &pid, sizeof pid) != sizeof pid)
            _exit(99);
    }
    _exit(97);
}

static struct actor actor(void) {
    int in[2], out[2];
    if (pipe(in) < 0 || pipe(out) < 0)
        abort();
    struct actor a = {fork(), in[1], out[0]};
    if (a.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(in[1]);
        close(out[0]);
        if (dup2(in[0], 0) < 0)
            _exit(96);
        act(0, out[1]);
    }
    close(in[0]);
    close(out[1]);
    return a;
}

static void tell(struct actor *a, char what) {
    if (write(a->in, &what, 1) != 1)
        abort();
}

static pid_t answer(struct actor *a) {
    pid_t pid;
    if (read(a->out, &pid, sizeof pid) != sizeof pid)
        abort();
    return pid;
}

static void end(struct actor *a) {
    close(a->in);
    close(a->out);
    waitpid(a->pid, NULL, 0);
}

/* The next event of a process, among others. */
static bool next_of(pid_t pid, unsigned fflags, int64_t data) {
    int n = next(kq);
    if (n == 1 && got.ident == (uintptr_t)pid && got.fflags == fflags && got.data == data)
        return true;
    printf("# %d events; %d of %d, %x of %x, %ld of %ld\n", n, (int)got.ident, (int)pid, got.fflags, fflags,
           (long)got.data, (long)data);
    return false;
}

static void told(void) {
    struct actor a = actor();
    is(change(kq, (uintptr_t)a.pid, EVFILT_PROC, EV_ADD, NOTE_FORK | NOTE_EXEC, 0), 0, "%s: FORK, EXEC", k);
    ok(none(kq), "%s: nothing yet", k);
    tell(&a, 'f');
    answer(&a);
    ok(next_of(a.pid, NOTE_FORK, 0), "%s: it forks", k);
    ok(none(kq), "%s: once", k);
    tell(&a, 'f');
    tell(&a, 'f');
    answer(&a);
    answer(&a);
    ok(next_of(a.pid, NOTE_FORK, 0) && none(kq), "%s: twice, joined to one event", k);
    is(change(kq, (uintptr_t)a.pid, EVFILT_PROC, EV_DISABLE, 0, 0), 0, "%s: disabled", k);
    tell(&a, 'f');
    answer(&a);
    ok(none(kq), "%s: silent", k);
    change(kq, (uintptr_t)a.pid, EVFILT_PROC, EV_ENABLE, 0, 0);
    ok(next_of(a.pid, NOTE_FORK, 0), "%s: enabled", k);
    tell(&a, 'x');
    ok(next_of(a.pid, NOTE_EXEC, 0), "%s: it executes another program", k);
    is(change(kq, (uintptr_t)a.pid, EVFILT_PROC, EV_ADD, NOTE_EXIT, 0), 0, "%s: changed to EXIT", k);
    tell(&a, '\n');
    ok(next_of(a.pid, NOTE_EXIT, 4 << 8) && got.flags & EV_EOF, "%s: it ends", k);
    end(&a);

    /* What happened before the note, and of others, is not its own; what it did just before its end is not
     * lost. */
    a = actor();
    struct actor other = actor();
    change(kq, (uintptr_t)other.pid, EVFILT_PROC, EV_ADD, NOTE_FORK, 0);
    tell(&a, 'f');
    answer(&a);
    change(kq, (uintptr_t)a.pid, EVFILT_PROC, EV_ADD, NOTE_FORK | NOTE_EXIT, 0);
    ok(none(kq), "%s: a fork before the note", k);
    tell(&a, 'f');
    tell(&a, 'q');
    siginfo_t info;
    waitid(P_PID, (id_t)a.pid, &info, WEXITED | WNOWAIT);
    /* The change alone finds that it has ended; with room for one event nothing else is looked at. */
    struct kevent c, e;
    EV_SET(&c, a.pid, EVFILT_PROC, EV_ENABLE, 0, 0, NULL);
    int n = mn_kevent(kq, &c, 1, &e, 1, &(struct timespec){20, 0});
    ok(n == 1 && e.fflags == (NOTE_FORK | NOTE_EXIT) && e.data == 3 << 8, "%s: a fork just before the end", k);
    end(&a);
    end(&other);
    ok(none(kq), "%s: the other's end is of no interest", k);
}

static void tracked(void) {
    struct actor a = actor();
    is(change(kq, (uintptr_t)a.pid, EVFILT_PROC, EV_ADD, NOTE_TRACK | NOTE_FORK | NOTE_EXEC | NOTE_EXIT, 0), 0,
       "%s: TRACK", k);
    tell(&a, 'F');
    pid_t child = answer(&a);
    struct kevent e[4];
    int n, seen = 0;
    for (int i = 0; i < 2 && seen != 3; i++) {
        n = mn_kevent(kq, NULL, 0, e, 4, &(struct timespec){20, 0});
        for (int j = 0; j < n; j++)
            seen |= e[j].ident == (uintptr_t)a.pid && e[j].fflags == NOTE_FORK ? 1
                    : e[j].ident == (uintptr_t)child && e[j].fflags == NOTE_CHILD && e[j].data == a.pid &&
                            e[j].udata == (void *)0x1234
                        ? 2
                        : 4;
    }
    is(seen, 3, "%s: the parent's FORK, the CHILD's with its parent and what the parent's note had", k);
    tell(&a, 'F');
    pid_t grandchild = answer(&a);
    seen = 0;
    for (int i = 0; i < 2 && seen != 3; i++) {
        n = mn_kevent(kq, NULL, 0, e, 4, &(struct timespec){20, 0});
        for (int j = 0; j < n; j++)
            seen |= e[j].ident == (uintptr_t)child && e[j].fflags == NOTE_FORK ? 1
                    : e[j].ident == (uintptr_t)grandchild && e[j].fflags == NOTE_CHILD && e[j].data == child
                        ? 2
                        : 4;
    }
    is(seen, 3, "%s: and of the child's child", k);
    tell(&a, 'x');
    ok(next_of(grandchild, NOTE_EXEC, 0), "%s: which executes a program", k);
    tell(&a, '\n');
    ok(next_of(grandchild, NOTE_EXIT, 4 << 8), "%s: and ends, with the status that its parent takes", k);
    tell(&a, 'q');
    ok(next_of(child, NOTE_EXIT, 3 << 8), "%s: the child ends", k);

    /* A child that has come and gone, and was waited for, before anybody looks. */
    tell(&a, 'f');
    child = answer(&a);
    for (int i = 0; i < 3; i++)
        nap_ms(1);
    seen = 0;
    for (int i = 0; i < 8 && seen != 7; i++) {
        n = mn_kevent(kq, NULL, 0, e, 4, &(struct timespec){20, 0});
        for (int j = 0; j < n; j++)
            seen |= e[j].ident == (uintptr_t)a.pid && e[j].fflags == NOTE_FORK                           ? 1
                    : e[j].ident != (uintptr_t)child                                                     ? 8
                    : e[j].fflags == NOTE_CHILD && e[j].data == a.pid && !(seen & 4)                     ? 2
                    : e[j].fflags == NOTE_EXIT && e[j].data == 7 << 8 && e[j].flags & EV_EOF && seen & 2 ? 4
                                                                                                         : 8;
    }
    is(seen, 7, "%s: a child that has gone: CHILD, then EXIT with its status", k);
    is(change(kq, (uintptr_t)child, EVFILT_PROC, EV_DELETE, 0, 0), -ENOENT, "%s: its note has gone", k);
    tell(&a, 'q');
    ok(next_of(a.pid, NOTE_EXIT, 3 << 8), "%s: all have ended", k);
    end(&a);

    /* Not asked for FORK: the parent's note is silent. */
    a = actor();
    change(kq, (uintptr_t)a.pid, EVFILT_PROC, EV_ADD, NOTE_TRACK, 0);
    tell(&a, 'f');
    child = answer(&a);
    ok(next_of(child, NOTE_CHILD, a.pid) && none(kq), "%s: TRACK alone", k);
    change(kq, (uintptr_t)a.pid, EVFILT_PROC, EV_DELETE, 0, 0);
    end(&a);
    ok(none(kq), "%s: deleted", k);
}

static void refused(void) {
    k = kind_name[kind];
    kq = mn_kqueue();
    struct actor a = actor();
    is(change(kq, (uintptr_t)a.pid, EVFILT_PROC, EV_ADD, NOTE_FORK, 0), -ENOTSUP,
       "%s: not told: FORK is refused", k);
    is(change(kq, (uintptr_t)a.pid, EVFILT_PROC, EV_ADD, NOTE_EXEC | NOTE_TRACK, 0), -ENOTSUP,
       "%s: EXEC, TRACK", k);
    is(change(kq, (uintptr_t)a.pid, EVFILT_PROC, EV_DELETE, 0, 0), -ENOENT, "%s: there is no note", k);
    is(change(kq, (uintptr_t)a.pid, EVFILT_PROC, EV_ADD, NOTE_EXIT | NOTE_FORK | NOTE_TRACK, 0), 0,
       "%s: beside EXIT", k);
    is(change(kq, (uintptr_t)a.pid, EVFILT_PROC, EV_ADD, NOTE_FORK, 0), -ENOTSUP, "%s: changed to FORK alone",
       k);
    tell(&a, 'f');
    answer(&a);
    ok(none(kq), "%s: the fork is not told", k);
    tell(&a, 'q');
    ok(next_of(a.pid, NOTE_EXIT, 3 << 8), "%s: the end is", k);
    end(&a);
    is(change(kq, 1, EVFILT_PROC, EV_ADD, NOTE_CHILD, 0), -EINVAL, "%s: NOTE_CHILD is no wish", k);
    close(kq);
}

static void test(void) {
    k = kind_name[kind];
    kq = mn_kqueue();
    int r = change(kq, (uintptr_t)getpid(), EVFILT_PROC, EV_ADD, NOTE_FORK, 0);
    if (r == 0) {
        change(kq, (uintptr_t)getpid(), EVFILT_PROC, EV_DELETE, 0, 0);
        told();
        tracked();
    } else {
        is(r, -ENOTSUP, "%s: the system tells, or says that it does not", k);
        skip("the process connector may not be used here");
    }
    close(kq);
}

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    set_environment("ODONATA_DISABLE", "proc_events");
    kinds(refused);
    set_environment("ODONATA_DISABLE", NULL);
    kinds(test);
    return done();
}
